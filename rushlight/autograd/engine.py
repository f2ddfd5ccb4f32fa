"""The backward pass: a walk over the nodes by falling sequence number, in the calling thread.

A node's number is larger than those of the nodes it depends on, so when the largest pending number
is taken, all gradients that will reach its node have already been added up.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from rushlight.autograd.anomaly import checked_apply
from rushlight.autograd.node import Grads, Node, edge_of
from rushlight.core.state import defaults, python_calls, set_grad, state
from rushlight.core.tensor import LEAF, Tensor, wrap


class Helpers:
    """Operations that the engine needs; ``ops`` puts them here when it is imported."""

    add: Any
    accumulate: Any
    clone: Any
    copy_: Any
    zero_: Any
    ones_like: Any
    sum_to_size: Any
    to_dtype: Any
    stack: Any


helpers = Helpers()


class Native:
    """The walk in machine code, where there is one; for a backward pass that is not recorded."""

    walk: Any = None
    begin_in_python: Any = None  # undoes the replacement of ``Tensor.backward``


native = Native()


class Wanted:
    """The tensors whose gradients ``autograd.grad`` asks for, and the nodes that lead to them."""

    def __init__(self, roots: Sequence[Any], inputs: Sequence[Tensor]) -> None:
        self.found: list[Tensor | None] = [None] * len(inputs)
        self.places: dict[Any, list[int]] = {}  # by ("leaf", id) or (node, index)
        targets = set()
        for i, t in enumerate(inputs):
            edge = edge_of(t)
            key: Any
            if isinstance(edge, Tensor):
                key = ("leaf", id(t))
                targets.add(key)
            else:
                key = edge if isinstance(edge, tuple) else (edge, 0)
                targets.add(key[0])
            self.places.setdefault(key, []).append(i)
        self.needed = _nodes_leading_to(roots, targets)

    def leaf(self, leaf: Tensor, grad: Tensor) -> bool:
        """Keeps the gradient of ``leaf`` if it was asked for; whether it was."""
        places = self.places.get(("leaf", id(leaf)), ())
        for i in places:
            held = self.found[i]
            self.found[i] = grad if held is None else helpers.add(held, grad)
        return bool(places)

    def collect(self, node: Node, grads: Grads) -> bool:
        """Keeps the gradients of this node's outputs that were asked for.

        Returns whether a wanted tensor lies behind the node, so that it must run.
        """
        for index, grad in enumerate(grads):
            for i in self.places.get((node, index), ()):
                self.found[i] = grad
        for edge in node.edges:
            if isinstance(edge, Tensor):
                if ("leaf", id(edge)) in self.places:
                    return True
            elif edge is not None and _node_of(edge) in self.needed:
                return True
        return False


def _node_of(edge: Any) -> Node:
    return edge[0] if isinstance(edge, tuple) else edge  # type: ignore[no-any-return]


def _walk(
    edges: Sequence[Any],
    results: Sequence[Tensor | None],
    retain_graph: bool,
    create_graph: bool,
    wanted: Wanted | None,
    accumulate_grad: bool,
) -> None:
    """Runs all nodes that the gradients ``results`` reach along ``edges``.

    This loop is the hot path of training: it is written out rather than split up.
    """
    pending: dict[Node, Grads] = {}
    heap: list[tuple[int, Node]] = []
    add = helpers.add
    node: Node | None = None
    grads: Grads = list(results)
    while True:
        for edge, grad in zip(edges, results, strict=False):
            if edge is None or grad is None:
                continue
            index = 0
            if type(edge) is tuple:
                edge, index = edge
            if isinstance(edge, Node):
                if wanted is not None and edge not in wanted.needed:
                    continue
                slots = pending.get(edge)
                if slots is None:
                    slots = pending[edge] = [None] * edge.outputs
                    heappush(heap, (-edge.sequence, edge))
                held = slots[index]
                slots[index] = grad if held is None else add(held, grad)
            else:
                if wanted is not None:
                    whole = _gather(edge, grad)
                    if whole is None:
                        continue
                    grad = _hooked(edge, whole)
                    if not wanted.leaf(edge, grad):
                        continue
                if accumulate_grad:
                    mine = grad._array.base is None and not _is_shared(grad, grads, results)
                    reach_leaf(edge, grad, mine, create_graph, wanted is None)
        if not heap:
            return
        node = heappop(heap)[1]
        grads = pending.pop(node)
        extra = node.extra
        if extra is not None:
            grads = before(node, extra, grads)
        if wanted is not None and not wanted.collect(node, grads):
            edges = ()
            continue
        results = checked_apply(node, grads) if defaults.anomaly else node.apply(grads)
        if extra is not None and extra.post_hooks:
            results = after(extra, grads, results)
        edges = node.edges
        if not retain_graph:
            node.release()


def run_node(node: Node, grads: Grads, retain_graph: bool) -> tuple[Tensor | None, ...]:
    """One step of the walk: hooks, the node itself, its release; for the walk in machine code."""
    extra = node.extra
    if extra is not None:
        grads = before(node, extra, grads)
    results: Sequence[Tensor | None] = node.apply(grads)
    if extra is not None and extra.post_hooks:
        results = after(extra, grads, results)
    if not retain_graph:
        node.release()
    return tuple(results)


def _hooked(leaf: Tensor, grad: Tensor) -> Tensor:
    """The gradient after the leaf's own hooks."""
    meta = leaf._meta
    return run_hooks(meta.hooks, grad) if meta is not None and meta.hooks else grad


# Not empty once a leaf has got a hook: then a pass counts beforehand how many parts the gradients
# of such leaves have, since hooks see the sum.
leaves_have_hooks: list[bool] = []


def note_leaf_hook() -> None:
    """Says that some leaf has a hook: from now on passes begin in ``run_backward``, which counts."""
    if not leaves_have_hooks:
        leaves_have_hooks.append(True)
        if native.begin_in_python is not None:
            native.begin_in_python()


def _count_parts(roots: Sequence[Any]) -> dict[int, list[Any]] | None:
    """For leaves with hooks, by identity: how many parts are missing, their sum, the leaf."""
    if not leaves_have_hooks:
        return None
    waiting: dict[int, list[Any]] = {}
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        edge = stack.pop()
        if isinstance(edge, tuple):
            edge = edge[0]
        if isinstance(edge, Tensor):
            meta = edge._meta
            if meta is not None and (meta.hooks or meta.accumulate_hooks):
                waiting.setdefault(id(edge), [0, None, edge])[0] += 1
        elif edge is not None and edge not in seen:
            seen.add(edge)
            stack += edge.edges
    return waiting


def _gather(leaf: Tensor, grad: Tensor) -> Tensor | None:
    """The whole gradient of a leaf with hooks, None while parts of it are missing."""
    entry = state.waiting.get(id(leaf)) if state.waiting else None
    if entry is None:
        return grad
    entry[0] -= 1
    entry[1] = grad if entry[1] is None else helpers.add(entry[1], grad)
    if entry[0] > 0:
        return None
    del state.waiting[id(leaf)]
    return entry[1]  # type: ignore[no-any-return]


def _hand_out_rest(create_graph: bool, wanted: Wanted | None, accumulate_grad: bool) -> None:
    """At the end of a pass: the sums whose other parts did not come."""
    rest, state.waiting = state.waiting, None
    for _, grad, leaf in rest.values():
        if grad is None:
            continue
        if wanted is not None:
            grad = _hooked(leaf, grad)
            if not wanted.leaf(leaf, grad):
                continue
        if accumulate_grad:
            reach_leaf(leaf, grad, False, create_graph, wanted is None)


def reach_leaf(
    leaf: Tensor, grad: Tensor, owned: bool, create_graph: bool = False, hooks: bool = True
) -> None:
    """Adds a gradient to that of a leaf.

    The first gradient is taken over if it is ``owned``: nobody else holds its memory. Else it is
    copied.
    """
    if hooks:
        whole = _gather(leaf, grad)
        if whole is None:
            return
        changed = _hooked(leaf, whole)
        owned = changed is whole and (owned or whole is not grad)
        grad = changed
    held = leaf._grad
    if held is None:
        leaf._grad = grad if create_graph or owned else helpers.clone(grad)
    elif create_graph:
        leaf._grad = helpers.add(held, grad)
    else:
        helpers.accumulate(held, grad)
    meta = leaf._meta
    if meta is not None and meta.accumulate_hooks:
        for hook in list(meta.accumulate_hooks.values()):
            hook(leaf)


def _is_shared(grad: Tensor, grads: Grads, results: Sequence[Tensor | None]) -> bool:
    """Whether the array of ``grad`` is also one of a node's incoming or several outgoing ones."""
    array, times = grad._array, 0
    for t in results:
        if t is not None and t._array is array:
            times += 1
    return times > 1 or any(t is not None and t._array is array for t in grads)


def after(extra: Any, grads: Grads, results: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
    """Runs the hooks that see a node's outgoing gradients."""
    for hook in list(extra.post_hooks.values()):
        changed = hook(tuple(results), tuple(grads))
        if changed is not None:
            results = changed if isinstance(changed, tuple) else (changed,)
    return results


def before(node: Node, extra: Any, grads: list[Tensor | None]) -> list[Tensor | None]:
    """Runs the hooks on a node's incoming gradients."""
    for index, hooks in extra.tensor_hooks.items():
        if grads[index] is not None:
            grads[index] = run_hooks(hooks, grads[index])
    for index, reference in extra.retains.items():
        t, grad = reference(), grads[index]
        if t is not None and grad is not None:
            t._grad = grad if t._grad is None else helpers.add(t._grad, grad)
    for hook in list(extra.pre_hooks.values()):
        changed = hook(tuple(grads))
        if changed is not None:
            grads = list(changed) if isinstance(changed, tuple) else [changed]
    return grads


def run_hooks(hooks: dict[int, Any], grad: Any) -> Tensor:
    """The gradient after all tensor hooks, each of which may return a new one."""
    for hook in list(hooks.values()):
        changed = hook(grad)
        if changed is not None:
            if not isinstance(changed, Tensor):
                raise TypeError(
                    f"hooks must return None or a Tensor, but got {type(changed).__name__}"
                )
            grad = changed
    return grad  # type: ignore[no-any-return]


def _nodes_leading_to(roots: Sequence[Any], targets: set[Any]) -> set[Node]:
    """The nodes below ``roots`` from which a target (a node, or a leaf's key) can be reached."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [e[0] if isinstance(e, tuple) else e for e in roots if not isinstance(e, Tensor)]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        order.append(node)
        for e in node.edges:
            if e is not None and not isinstance(e, Tensor):
                stack.append(e[0] if isinstance(e, tuple) else e)
    order.sort(key=lambda n: n.sequence)
    needed: set[Node] = set()
    for node in order:
        if node in targets:
            needed.add(node)
            continue
        for e in node.edges:
            if isinstance(e, Tensor):
                if ("leaf", id(e)) in targets:
                    needed.add(node)
            elif e is not None and (e[0] if isinstance(e, tuple) else e) in needed:
                needed.add(node)
    return needed


def _root_grad(t: Tensor, grad: Tensor | None, i: int) -> Tensor:
    """The gradient to start with at output ``t``, checked."""
    array = t._array
    if grad is None:
        if array.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if array.dtype.kind not in "fV":
            raise RuntimeError(
                f"grad can be implicitly created only for real scalar outputs but got {t.dtype}"
            )
        ones = np.empty(array.shape, array.dtype)
        ones.fill(1)
        return wrap(ones)
    if not isinstance(grad, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(grad).__name__}")
    if grad._array.shape != t._array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {grad.shape} and output[{i}] has "
            f"a shape of {t.shape}."
        )
    if t.dtype.is_complex != grad.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[{i}] has a dtype of {grad.dtype} and output[{i}] has "
            f"a dtype of {t.dtype}."
        )
    return grad


def run_backward(
    outputs: Sequence[Tensor],
    grads: Sequence[Tensor | None],
    retain_graph: bool | None,
    create_graph: bool,
    inputs: Sequence[Tensor] = (),
    accumulate_grad: bool = True,
) -> list[Tensor | None]:
    """Propagates ``grads`` from ``outputs``; returns the gradients of ``inputs`` (None: not reached).

    Raises RuntimeError for outputs without history, missing gradients of non-scalars, and a graph
    whose saved tensors are gone or were changed in place.
    """
    edges, starts = [], []
    for i, t in enumerate(outputs):
        edge = edge_of(t)
        if edge is None:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn"
            )
        edges.append(edge)
        starts.append(_root_grad(t, grads[i], i))
    wanted = Wanted(edges, inputs) if inputs else None
    keep = create_graph if retain_graph is None else retain_graph
    previous, waiting = state.grad_enabled, state.waiting
    set_grad(create_graph)
    if python_calls[0]:
        state.backward_roots = edges
    state.waiting = _count_parts(edges)
    try:
        if native.walk is not None and wanted is None and not create_graph and not defaults.anomaly:
            native.walk(tuple(edges), tuple(starts), keep)
        else:
            _walk(edges, starts, keep, create_graph, wanted, accumulate_grad)
        if state.waiting:
            _hand_out_rest(create_graph, wanted, accumulate_grad)
    finally:
        state.waiting = waiting
        set_grad(previous)
    return wanted.found if wanted is not None else []


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return (x,) if isinstance(x, Tensor) or x is None else tuple(x)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Adds the gradients of ``tensors`` to the ``grad`` of the leaves that they depend on.

    Args:
        tensors: one tensor or several. Without ``grad_tensors`` each must have one element.
        grad_tensors: the gradients to start from, of the same shapes.
        retain_graph: keep the graph for another pass (default: the value of ``create_graph``).
        create_graph: record the backward pass itself, for higher derivatives.
        inputs: accumulate only into these leaves.
    """
    outputs = _as_tuple(tensors)
    grads = _as_tuple(grad_tensors) if grad_tensors is not None else (None,) * len(outputs)
    wanted: tuple[Tensor, ...] = ()
    if inputs is not None:
        wanted = _as_tuple(inputs)
        if not wanted:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    found = run_backward(outputs, grads, retain_graph, create_graph, wanted)
    for t, grad in zip(wanted, found):
        if grad is not None and t._edge is not LEAF:  # non-leaf inputs gather a grad, too
            t._grad = grad if t._grad is None else helpers.add(t._grad, grad)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, without touching any ``grad``.

    Args:
        outputs: one tensor or several.
        inputs: the tensors to differentiate by; each must require grad.
        grad_outputs: the gradients to start from (default: ones, for scalars).
        retain_graph: keep the graph (default: the value of ``create_graph``).
        create_graph: record the backward pass itself, for higher derivatives.
        allow_unused: return None for an input that the outputs do not depend on, instead of
            raising RuntimeError.
        is_grads_batched: ``grad_outputs`` have one more dimension, the first: for each of their
            slices the gradients are computed, and stacked.
        materialize_grads: return zeros instead of None.
    """
    if is_grads_batched:
        return _batched_grad(outputs, inputs, grad_outputs, retain_graph, create_graph,
                             allow_unused, materialize_grads)  # fmt: skip
    outs, ins = _as_tuple(outputs), _as_tuple(inputs)
    starts = _as_tuple(grad_outputs) if grad_outputs is not None else (None,) * len(outs)
    if allow_unused is None:
        allow_unused = materialize_grads
    for t in ins:
        if edge_of(t) is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    found = run_backward(outs, starts, retain_graph, create_graph, ins, accumulate_grad=False)
    for i, g in enumerate(found):
        if g is None:
            if not allow_unused:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the "
                    "graph. Set allow_unused=True if this is the desired behavior."
                )
            if materialize_grads:
                zeros = helpers.ones_like(ins[i])
                helpers.zero_(zeros)
                found[i] = zeros
    return tuple(found)


def _batched_grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any,
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool | None,
    materialize_grads: bool,
) -> tuple[Tensor | None, ...]:
    """``grad`` for each slice of ``grad_outputs``, stacked."""
    starts = _as_tuple(grad_outputs)
    count = len(starts[0]._array)
    keep = create_graph if retain_graph is None else retain_graph
    rows = []
    for i in range(count):
        seeds = [None if t is None else t[i] for t in starts]
        retain = keep or i + 1 < count
        rows.append(grad(outputs, inputs, seeds, retain, create_graph, allow_unused, False,
                         materialize_grads))  # fmt: skip
    columns: Any = zip(*rows)
    return tuple([None if c[0] is None else helpers.stack(list(c)) for c in columns])
