"""Jacobians, Hessians, and their products with vectors, of functions of tensors.

All are computed with the backward pass; a Jacobian-vector product is the derivative of the
vector-Jacobian product by its vector, which is linear in it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from rushlight.autograd.engine import grad as compute_grad
from rushlight.autograd.engine import helpers
from rushlight.autograd.node import edge_of
from rushlight.core.state import set_grad, state
from rushlight.core.tensor import Tensor

Function = Callable[..., Any]
Tensors = tuple[Any, ...]


class _Recording:
    """Gradients are recorded inside, whatever the mode outside."""

    def __enter__(self) -> None:
        self.previous = state.grad_enabled
        set_grad(True)

    def __exit__(self, *args: object) -> None:
        set_grad(self.previous)


def _as_tuple(values: Any, what: str, name: str) -> Tensors:
    """One tensor or a tuple of them, as a tuple; TypeError for anything else."""
    found = values if isinstance(values, tuple) else (values,)
    for i, value in enumerate(found):
        if not isinstance(value, Tensor):
            if isinstance(values, tuple):
                raise TypeError(
                    f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but "
                    f"the value at index {i} has type {type(value)}."
                )
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the "
                f"given {what} has type {type(value)}."
            )
    return found


def _like(values: Sequence[Any], single: bool) -> Any:
    """The tuple, or its only element."""
    return values[0] if single else tuple(values)


def _inputs(inputs: Any, name: str, create_graph: bool) -> Tensors:
    """The inputs as tensors to differentiate by, connected to the outside with ``create_graph``."""
    found = []
    for t in _as_tuple(inputs, "inputs", name):
        if create_graph and edge_of(t) is not None:
            found.append(t.view_as(t))
        else:
            found.append(t.detach().requires_grad_())
    return tuple(found)


def _outputs(outputs: Any, name: str, strict: bool) -> Tensors:
    found = _as_tuple(outputs, "outputs of the user-provided function", name)
    if strict:
        for i, t in enumerate(found):
            if edge_of(t) is None:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require gradients. The "
                    "outputs must be computed in a differentiable manner from the input when "
                    "running in strict mode."
                )
    return found


def _check_vector(v: Tensors, like: Tensors, tuple_like: bool) -> None:
    if len(v) != len(like):
        if tuple_like:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, like)):
        if a.shape != b.shape:
            where = f"Entry {i} in v" if tuple_like else "v"
            raise RuntimeError(f"{where} has invalid size: should be {b.shape} but got {a.shape}.")


def _vector(v: Any, name: str, like: Tensors, tuple_like: bool, create_graph: bool) -> Tensors:
    """The vector of a product, checked against the tensors whose shapes it must have."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            who = (
                "user-provided function returns"
                if name == "vjp"
                else "input to the user-provided function is"
            )
            raise RuntimeError(
                f"The vector v can only be None if the {who} a single Tensor with a single element."
            )
        return (like[0].new_ones(like[0].shape),)
    found = _as_tuple(v, "v", name)
    _check_vector(found, like, tuple_like)
    return tuple([t if create_graph else t.detach() for t in found])


def _gradients(
    outputs: Tensors, inputs: Tensors, seeds: Tensors | None, create_graph: bool
) -> list[Tensor | None]:
    """The gradients, None where there are none; also for outputs without history."""
    live = [i for i, t in enumerate(outputs) if edge_of(t) is not None]
    if not live:
        return [None] * len(inputs)
    starts = None if seeds is None else [seeds[i] for i in live]
    chosen = [outputs[i] for i in live]
    found = compute_grad(chosen, inputs, starts, True, create_graph, allow_unused=True)
    return list(found)


def _filled(grads: Sequence[Any], inputs: Tensors, strict: bool, stage: str) -> list[Any]:
    """The gradients, zeros where there are none; in strict mode that is an error."""
    filled = []
    for i, (g, t) in enumerate(zip(grads, inputs)):
        if g is None:
            if strict:
                raise RuntimeError(stage.format(i=i))
            g = t.new_zeros(t.shape)
        filled.append(g)
    return filled


def _finish(values: Sequence[Any], create_graph: bool) -> list[Any]:
    return [t if create_graph else t.detach() for t in values]


_INDEPENDENT = (
    "The output of the user-provided function is independent of input {i}. This is not allowed in "
    "strict mode."
)
_SECOND = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect "
    "to input {i} is independent of the input. This is not allowed in strict mode. You should ensure "
    "that your function is twice differentiable and that the jacobian depends on the inputs (this "
    "would be violated by a linear function for example)."
)


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The matrix of first derivatives of ``func`` at ``inputs``.

    Args:
        func: takes one or several tensors and returns one tensor or a tuple.
        inputs: a tensor or a tuple of tensors.
        create_graph: the result can be differentiated.
        strict: raise RuntimeError for outputs that do not depend on an input, instead of zeros.
        vectorize, strategy: accepted; the rows are computed one by one with the backward pass.

    Returns:
        For one output and one input a tensor of the shape of the output followed by that of the
        input; a tuple for several of either, a tuple of tuples for several of both.

    Examples::

        >>> torch.autograd.functional.jacobian(lambda x: x ** 2, torch.tensor([1., 2.]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    if strategy == "forward-mode" and create_graph:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` '
            "are not supported together (yet)."
        )
    with _Recording():
        ins = _inputs(inputs, "jacobian", create_graph)
        given = func(*ins)
        outs = _outputs(given, "jacobian", strict)
        rows = [_jacobian_of(t, ins, create_graph, strict, i) for i, t in enumerate(outs)]
    single = not isinstance(inputs, tuple)
    return _like([_like(row, single) for row in rows], not isinstance(given, tuple))


def _jacobian_of(
    out: Any, inputs: Tensors, create_graph: bool, strict: bool, index: int
) -> list[Any]:
    """The derivatives of one output by all inputs."""
    rows: list[list[Any]] = [[] for _ in inputs]
    text = (
        f"Output {index} of the user-provided function is independent of input {{i}}. This is not "
        "allowed in strict mode."
    )
    for place in range(out.numel()):
        seed = out.new_zeros(out.numel())
        seed[place] = 1
        grads = _gradients((out,), inputs, (seed.view(out.shape),), create_graph)
        for column, g in zip(rows, _filled(grads, inputs, strict, text)):
            column.append(g)
    result = []
    for column, t in zip(rows, inputs):
        shape = tuple(out.shape) + tuple(t.shape)
        if column:
            result.append(helpers.stack(column).view(shape))
        else:
            result.append(t.new_zeros(shape))
    return _finish(result, create_graph)


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The matrix of second derivatives of ``func``, which returns a single element, at ``inputs``.

    Args: as for :func:`jacobian`.

    Examples::

        >>> torch.autograd.functional.hessian(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def first(*values: Any) -> Any:
        rows = jacobian(lambda *x: _single(func, x, "hessian", strict), values, create_graph=True)
        for i, t in enumerate(rows):
            if strict and edge_of(t) is None:
                raise RuntimeError(_SECOND.format(i=i))
        return rows

    with _Recording():
        ins = _as_tuple(inputs, "inputs", "hessian")
        found = jacobian(first, ins, create_graph=create_graph, strict=strict)
    return found[0][0] if not isinstance(inputs, tuple) else found


def _single(func: Function, inputs: Tensors, name: str, strict: bool) -> Any:
    """The only element that ``func`` returns."""
    out = func(*inputs)
    _outputs(out, name, strict)
    if isinstance(out, tuple):
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if out.numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )
    return out.squeeze()


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of ``func`` and the product of ``v`` with its Jacobian.

    Args:
        v: of the shape of the output; may be missing for a single element.

    Examples::

        >>> torch.autograd.functional.vjp(lambda x: x ** 2, torch.tensor([1., 2.]), torch.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    with _Recording():
        ins = _inputs(inputs, "vjp", create_graph)
        given = func(*ins)
        outs = _outputs(given, "vjp", strict)
        seeds = _vector(v, "vjp", outs, isinstance(given, tuple), create_graph)
        grads = _filled(_gradients(outs, ins, seeds, create_graph), ins, strict, _INDEPENDENT)
    single = not isinstance(inputs, tuple)
    values = _like(_finish(outs, create_graph), not isinstance(given, tuple))
    return values, _like(_finish(grads, create_graph), single)


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of ``func`` and the product of its Jacobian with ``v``.

    Args:
        v: of the shape of the input; may be missing for a single element.

    Examples::

        >>> torch.autograd.functional.jvp(lambda x: x ** 2, torch.tensor([1., 2.]), torch.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    with _Recording():
        ins = _inputs(inputs, "jvp", create_graph)
        given_v = _vector(v, "jvp", ins, isinstance(inputs, tuple), create_graph)
        given = func(*ins)
        outs = _outputs(given, "jvp", strict)
        products = pushed(outs, ins, given_v, create_graph)
        filled = _filled(products, outs, strict, _INDEPENDENT)
    single = not isinstance(given, tuple)
    return (
        _like(_finish(outs, create_graph), single),
        _like(_finish(filled, create_graph), single),
    )


def pushed(
    outputs: Tensors, inputs: Tensors, v: Tensors, create_graph: bool
) -> list[Tensor | None]:
    """How the outputs change when the inputs move along ``v``: the double-backward way."""
    seeds = tuple([t.new_zeros(t.shape).requires_grad_() for t in outputs])
    grads = _gradients(outputs, inputs, seeds, True)
    known = [i for i, g in enumerate(grads) if g is not None and edge_of(g) is not None]
    if not known:
        return [None] * len(outputs)
    return _gradients(
        tuple([grads[i] for i in known]), seeds, tuple([v[i] for i in known]), create_graph
    )


def _first(
    func: Function, inputs: Any, name: str, create_graph: bool, strict: bool
) -> tuple[Tensors, Any, list[Any]]:
    """The inputs, the value and the gradient, which has a graph."""
    ins = _inputs(inputs, name, create_graph)
    out = _single(func, ins, name, strict)
    grads = _filled(_gradients((out,), ins, None, True), ins, strict, _INDEPENDENT)
    return ins, out, grads


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of ``func``, a single element, and the product of ``v`` with its Hessian.

    Examples::

        >>> torch.autograd.functional.vhp(lambda x: (x ** 3).sum(), torch.ones(2), torch.ones(2))
        (tensor(2.), tensor([6., 6.]))
    """
    with _Recording():
        ins, out, grads = _first(func, inputs, "vhp", create_graph, strict)
        seeds = _vector(v, "vhp", ins, isinstance(inputs, tuple), create_graph)
        found = _gradients(tuple(grads), ins, seeds, create_graph)
        products = _filled(found, ins, strict, _SECOND)
    single = not isinstance(inputs, tuple)
    return _finish([out], create_graph)[0], _like(_finish(products, create_graph), single)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of ``func``, a single element, and the product of its Hessian with ``v``.

    The Hessian is symmetric where it is continuous, and :func:`vhp` costs less.

    Examples::

        >>> torch.autograd.functional.hvp(lambda x: (x ** 3).sum(), torch.ones(2), torch.ones(2))
        (tensor(2.), tensor([6., 6.]))
    """
    with _Recording():
        ins, out, grads = _first(func, inputs, "hvp", create_graph, strict)
        given_v = _vector(v, "hvp", ins, isinstance(inputs, tuple), create_graph)
        products = pushed(tuple(grads), ins, given_v, create_graph)
        filled = _filled(products, ins, strict, _SECOND)
    single = not isinstance(inputs, tuple)
    return _finish([out], create_graph)[0], _like(_finish(filled, create_graph), single)
