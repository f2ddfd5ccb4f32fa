"""Derivatives of functions as functions.

Note [Levels]
A transformation gives its function fresh tensors: leaves of its own, or, where an argument has a
history already (an outer transformation, or ``requires_grad``), an alias that keeps it. The results
keep a history only if it leads to a tensor other than those leaves.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from rushlight.autograd.engine import grad as compute_grad
from rushlight.autograd.functional import pushed
from rushlight.autograd.modes import enable_grad
from rushlight.autograd.node import edge_of
from rushlight.core.state import state
from rushlight.core.tensor import Tensor
from rushlight.ops.creation import zeros, zeros_like
from rushlight.ops.joining import stack
from rushlight.utils._pytree import (
    TreeSpec,
    tree_flatten,
    tree_map_only,
    tree_unflatten,
)

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def _fresh(t: Any) -> Any:
    """A tensor to differentiate by: see Note [Levels]."""
    if not isinstance(t, Tensor):
        return t
    if edge_of(t) is not None:
        return t.view_as(t)  # type: ignore[attr-defined]
    out: Any = t.detach()  # type: ignore[attr-defined]
    return out.requires_grad_() if t.dtype.category >= 2 else out


def _leads_outside(tensors: Sequence[Any], own: Sequence[Any]) -> bool:
    """Whether the history of ``tensors`` reaches a leaf that is not in ``own``."""
    leaves = {id(t) for t in own}
    stop = {id(t._edge) for t in own if edge_of(t) is not t}  # aliases: the outside begins behind
    pending = [edge_of(t) for t in tensors if isinstance(t, Tensor)]
    seen: set[int] = set()
    while pending:
        edge = pending.pop()
        if edge is None:
            continue
        if isinstance(edge, Tensor):
            if id(edge) not in leaves:
                return True
            continue
        node = edge[0] if isinstance(edge, tuple) else edge
        if id(node) in stop:
            return True
        if id(node) not in seen:
            seen.add(id(node))
            pending.extend(node.edges)
    return False


def _closed(tree: Any, keep: bool) -> Any:
    """The results, without history unless it is to be kept."""
    return tree if keep else tree_map_only(Tensor, lambda t: t.detach(), tree)


def _gradients(
    outputs: Sequence[Any], inputs: Sequence[Any], seeds: Sequence[Any] | None, create_graph: bool
) -> list[Any]:
    live = [i for i, t in enumerate(outputs) if edge_of(t) is not None]
    wanted = [i for i, t in enumerate(inputs) if edge_of(t) is not None]
    result: list[Any] = [zeros_like(t) for t in inputs]
    if live and wanted:
        found = compute_grad(
            [outputs[i] for i in live],
            [inputs[i] for i in wanted],
            None if seeds is None else [seeds[i] for i in live],
            True,
            create_graph,
            allow_unused=True,
        )
        for i, g in zip(wanted, found):
            if g is not None:
                result[i] = g
    return result


def _chosen(argnums: Argnums, args: tuple[Any, ...]) -> tuple[int, ...]:
    """The places of the arguments to differentiate by, counted from the front."""
    places = argnums if isinstance(argnums, tuple) else (argnums,)
    if not places:
        raise RuntimeError("argnums must be non-empty")
    result = []
    for n in places:
        if not isinstance(n, int):
            raise RuntimeError(f"argnum={n} must be int, got: {type(n)}")
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
        result.append(n % len(args))
    if len(set(result)) != len(result):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return tuple(result)


class _Level:
    """The arguments of one call, the chosen ones made fresh."""

    def __init__(self, argnums: Argnums, args: tuple[Any, ...], name: str) -> None:
        self.places = _chosen(argnums, args)
        given = list(args)
        self.leaves: list[Any] = []
        self.specs: list[TreeSpec] = []
        self.single = not isinstance(argnums, tuple)
        for place in self.places:
            flat, spec = tree_flatten(given[place])
            for t in flat:
                if not isinstance(t, Tensor):
                    raise RuntimeError(
                        f"{name}: Expected all arguments to be Tensors (or nests of them), but the "
                        f"argument at position {place} holds {type(t)}"
                    )
            flat = [_fresh(t) for t in flat]
            given[place] = tree_unflatten(flat, spec)
            self.leaves += flat
            self.specs.append(spec)
        self.args = tuple(given)

    def arranged(self, values: Sequence[Any]) -> Any:
        """One value for each leaf, in the shape of the arguments."""
        parts, start = [], 0
        for spec in self.specs:
            parts.append(tree_unflatten(values[start : start + spec.num_leaves], spec))
            start += spec.num_leaves
        return parts[0] if self.single else tuple(parts)


def _split_aux(result: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def grad_and_value(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient and the value of ``func``.

    Args:
        func: returns a single element (with ``has_aux`` a pair of it and anything else).
        argnums: the argument, or a tuple of those, to differentiate by.
        has_aux: return ``(gradient, (value, aux))``.

    Examples::

        >>> torch.func.grad_and_value(lambda x: (x ** 2).sum())(torch.tensor([1., 3.]))
        (tensor([2., 6.]), tensor(10.))
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outer = state.grad_enabled
        with enable_grad():
            level = _Level(argnums, args, "grad")
            output, aux = _split_aux(
                func(*level.args, **kwargs), has_aux, "grad_and_value(f)(*args)"
            )
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got "
                    f"{type(output)}"
                )
            if output.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got "
                    f"tensor with {output.dim()} dims. Maybe you wanted to use the vjp or jacrev "
                    "APIs instead?"
                )
            keep = outer and _leads_outside([output], level.leaves)
            grads = _gradients([output], level.leaves, None, keep)
        grads = _closed(grads, keep)
        output, aux = _closed(output, keep), _closed(aux, keep)
        found = level.arranged(grads)
        return (found, (output, aux)) if has_aux else (found, output)

    return wrapper


def grad(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of ``func``, which returns a single element.

    Args: as for :func:`grad_and_value`; with ``has_aux`` the result is ``(gradient, aux)``.

    Examples::

        >>> torch.func.grad(torch.sin)(torch.tensor(0.))
        tensor(1.)
        >>> torch.func.grad(torch.func.grad(lambda x: x ** 3))(torch.tensor(2.))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``func`` and a function that multiplies with its Jacobian from the left.

    Args:
        func: takes and returns tensors or nests of them.
        primals: where it is evaluated.
        has_aux: ``func`` returns a pair, whose second part is returned as it is.

    Returns:
        ``(output, vjp_fn)``, with ``has_aux`` ``(output, vjp_fn, aux)``. ``vjp_fn`` takes what has
        the shape of the output and returns a tuple, one part for each of ``primals``.

    Examples::

        >>> value, product = torch.func.vjp(lambda x: x ** 2, torch.tensor([1., 2.]))
        >>> product(torch.ones(2))
        (tensor([2., 4.]),)
    """
    outer = state.grad_enabled
    with enable_grad():
        level = _Level(tuple(range(len(primals))), primals, "vjp")
        output, aux = _split_aux(func(*level.args), has_aux, "vjp(f, *primals)")
        flat, spec = tree_flatten(output)
        for t in flat:
            if not isinstance(t, Tensor):
                raise RuntimeError(
                    f"vjp(f, *primals): Expected f(*primals) to return only tensors, got {type(t)}"
                )
    outside = outer and _leads_outside(flat, level.leaves)

    def vjp_fn(
        *cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None
    ) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else tuple(cotangents)
        seeds, seed_spec = tree_flatten(given)
        if seed_spec != spec:
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {seed_spec}, primal output: {spec}"
            )
        depends = outside or any(edge_of(t) is not None for t in seeds)
        again = state.grad_enabled and depends
        with enable_grad():
            grads = _gradients(flat, level.leaves, seeds, again)
        return level.arranged(_closed(grads, again))

    shown = _closed(output, outside)
    return (shown, vjp_fn, _closed(aux, outside)) if has_aux else (shown, vjp_fn)


def jvp(
    func: Function,
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """The value of ``func`` and the product of its Jacobian with ``tangents``.

    Args:
        primals: a tuple of arguments.
        tangents: a tuple of the same structure.
        strict: raise RuntimeError for an output that does not depend on the arguments.
        has_aux: ``func`` returns a pair, whose second part is returned as it is.

    Examples::

        >>> torch.func.jvp(lambda x: x ** 2, (torch.tensor([1., 2.]),), (torch.ones(2),))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"jvp(f, primals, tangents): Expected primals to be a tuple, got {type(primals)}"
        )
    steps, step_spec = tree_flatten(tangents)
    if tree_flatten(primals)[1] != step_spec:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python "
            "structure."
        )
    outer = state.grad_enabled
    with enable_grad():
        level = _Level(tuple(range(len(primals))), primals, "jvp")
        output, aux = _split_aux(func(*level.args), has_aux, "jvp(f, primals, tangents)")
        flat, spec = tree_flatten(output)
        keep = outer and (
            _leads_outside(flat, level.leaves) or any(edge_of(t) is not None for t in steps)
        )
        found = pushed(tuple(flat), tuple(level.leaves), tuple(steps), keep)
        if strict and any(t is None for t in found):
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): Output of f is independent of the inputs. "
                "This is not allowed in strict mode."
            )
        products = [zeros_like(t) if p is None else p for t, p in zip(flat, found)]
    shown = _closed(output, keep)
    moved = tree_unflatten(_closed(products, keep), spec)
    return (shown, moved, _closed(aux, keep)) if has_aux else (shown, moved)


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """The value of ``func`` and the function that multiplies with its Jacobian from the right.

    Examples::

        >>> value, push = torch.func.linearize(torch.sin, torch.tensor(0.))
        >>> push(torch.tensor(2.))
        tensor(2.)
    """
    output = func(*primals)
    return output, lambda *tangents: jvp(func, primals, tangents)[1]


def jacrev(
    func: Function,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Function:
    """A function that returns the Jacobian of ``func``, computed row by row.

    Args:
        argnums: the argument, or a tuple of those, to differentiate by.
        has_aux: ``func`` returns a pair; the result is ``(jacobian, aux)``.
        chunk_size: accepted; it would limit the memory of batched rows.

    Examples::

        >>> torch.func.jacrev(lambda x: x ** 2)(torch.tensor([1., 2.]))
        tensor([[2., 0.],
                [0., 4.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outer = state.grad_enabled
        with enable_grad():
            level = _Level(argnums, args, "jacrev")
            output, aux = _split_aux(func(*level.args, **kwargs), has_aux, "jacrev(f)(*args)")
            flat, spec = tree_flatten(output)
            keep = outer and _leads_outside(flat, level.leaves)
            blocks = [level.arranged(_closed(_rows(t, level.leaves, keep), keep)) for t in flat]
        found = tree_unflatten(blocks, spec)
        return (found, _closed(aux, keep)) if has_aux else found

    return wrapper


def _rows(output: Any, leaves: Sequence[Any], create_graph: bool) -> list[Any]:
    """For each leaf, the derivatives of all elements of ``output``."""
    columns: list[list[Any]] = [[] for _ in leaves]
    for place in range(output.numel()):
        seed: Any = zeros(output.numel(), dtype=output.dtype)
        seed[place] = 1
        grads = _gradients([output], leaves, [seed.view(output.shape)], create_graph)
        for column, g in zip(columns, grads):
            column.append(g)
    return [
        stack(column).view(*output.shape, *t.shape)
        if column
        else zeros(*output.shape, *t.shape, dtype=t.dtype)
        for column, t in zip(columns, leaves)
    ]


def jacfwd(
    func: Function,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Function:
    """As :func:`jacrev`, which computes it: there is no forward mode, and the values are the same."""
    return jacrev(func, argnums, has_aux=has_aux, chunk_size=chunk_size)


def hessian(func: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the second derivatives of ``func``.

    Examples::

        >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.tensor([1., 2.]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacrev(jacrev(func, argnums), argnums)
