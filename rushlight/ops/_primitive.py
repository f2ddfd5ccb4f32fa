"""Primitives: operations with a rule of their own for values and for gradients.

Note [Gradient rules]
A rule is an ordinary function written in ops, so that it can be differentiated again. There is one
for each tensor input, in a dict by the input's name; or a single function for all (``joint``),
which returns a tuple. The first parameter is the gradient of the output. The others are named after
what the rule reads, and only that is kept for the backward pass:

    an input's name         the input itself (saved, and checked for in-place changes)
    ``out``                 the output (a tuple if there are several; only those that the
                            primitive's ``keep`` counts up are saved, the others are None)
    a parameter's name      that parameter
    ``<input>_shape``       the input's shape
    ``needs``               in joint rules: for each input, whether its gradient is wanted

The gradient of an output that nothing depends on is given as zeros.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rushlight.autograd.anomaly import remember
from rushlight.autograd.engine import helpers
from rushlight.autograd.node import Node, OpNode, edge_of, next_sequence, twin
from rushlight.autograd.saved import pack_node
from rushlight.base import dtypes
from rushlight.core.state import defaults, python_calls, state
from rushlight.core.tensor import LEAF, Meta, Storage, Tensor, View, mark_inference, wrap

Rule = Callable[..., Any]
REGISTRY: dict[str, "Primitive"] = {}
on_first_kernel: list[Callable[[], None]] = []  # called when the first kernel is used
ndarray = np.ndarray
_new = object.__new__
_FLOATING: set[np.dtype] = {d.np for d in dtypes.ALL if d.category >= 2 and "float8" not in d.name
                            and d is not dtypes.bfloat16}  # fmt: skip


class NotDifferentiable:
    """In place of a gradient rule: why there is none."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


INTEGER_RESULT = NotDifferentiable("the result has no floating-point values")
PIECEWISE_CONSTANT = NotDifferentiable("the gradient is zero wherever it exists")


class Plan:
    """What a node saves, and how its rules are called, when the inputs in ``mask`` need gradients."""

    __slots__ = (
        "broadcast", "code", "joint", "keeps", "needs", "places", "primitive", "reads_shapes", "rules",
        "save_out", "saved", "sum_to_size",
    )  # fmt: skip

    def __init__(self, primitive: "Primitive", mask: int) -> None:
        self.primitive = primitive
        names = primitive.inputs
        self.needs = tuple(bool(mask >> i & 1) for i in range(len(names)))
        rules: list[Rule | None]
        if primitive.joint is not None:
            rules = [primitive.joint]
        else:
            rules = [primitive.rules[i] if need else None for i, need in enumerate(self.needs)]
        wanted = [_reads(rule) for rule in rules]
        read = {name for reads in wanted for name in reads}
        self.saved = tuple(i for i, name in enumerate(names) if name in read)
        self.save_out = "out" in read
        self.keeps = bool(self.saved) or self.save_out
        self.reads_shapes = any(r.endswith("_shape") for r in read)
        layout = [names[i] for i in self.saved]
        layout += ["out"] * self.save_out
        layout += primitive.params
        if self.reads_shapes:
            layout += [f"{name}_shape" for name in names]
        layout.append("needs")
        place = {name: i for i, name in enumerate(layout)}
        self.rules = tuple(rules)
        self.places = tuple(
            None if rule is None else bytes([_find(place, primitive, r) for r in reads])
            for rule, reads in zip(rules, wanted, strict=True)
        )
        self.joint = primitive.joint is not None
        self.broadcast = primitive.broadcast
        self.sum_to_size = helpers.sum_to_size
        keep = 255 if primitive.keep is None else sum(1 << i for i in primitive.keep)
        flags = (self.save_out, self.reads_shapes, self.broadcast, self.joint)
        self.code = bytes((*flags, primitive.materialize, keep, len(self.saved), *self.saved))

    def materialize(self, node: OpNode, grads: list[Tensor | None]) -> tuple[Any, ...]:
        """The gradients of several outputs, zeros where there is none."""
        if not self.primitive.materialize:
            return tuple(grads)
        filled: list[Any] = []
        for grad, (shape, kind) in zip(grads, node.extra.metadata["outputs"], strict=True):  # type: ignore[union-attr]
            filled.append(wrap(np.zeros(shape, kind)) if grad is None else grad)
        return tuple(filled)


def _reads(rule: Rule | None) -> tuple[str, ...]:
    if rule is None:
        return ()
    code = rule.__code__
    return code.co_varnames[1 : code.co_argcount]


def _find(place: Mapping[str, int], primitive: "Primitive", name: str) -> int:
    try:
        return place[name]
    except KeyError:
        raise TypeError(
            f"a gradient rule of {primitive.name} reads {name!r}, which is no input or parameter"
        ) from None


class Primitive:
    """An operation: how it computes (``eager``, on arrays) and its gradient rules."""

    __slots__ = (
        "broadcast", "eager", "inputs", "joint", "keep", "materialize", "name", "node_class", "node_name",
        "params", "plans", "reason", "rules", "view",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        eager: Callable[..., Any],
        *,
        vjp: Mapping[str, Rule] | Rule | NotDifferentiable,
        inputs: Sequence[str] = ("input",),
        params: Sequence[str] = (),
        view: bool = False,
        broadcast: bool = False,
        materialize: bool = True,
        keep: Sequence[int] | None = None,
        node_name: str | None = None,
    ) -> None:
        if name in REGISTRY:
            raise ValueError(f"two primitives are called {name!r}")
        REGISTRY[name] = self
        self.name = name
        self.eager = eager
        self.inputs = tuple(inputs)
        self.params = tuple(params)
        self.view = view
        self.broadcast = broadcast
        self.materialize = materialize
        self.keep = keep
        self.node_name = node_name or _node_name(name)
        self.node_class: type[OpNode] | None = None
        self.plans: dict[int, Plan] = {}
        self.joint: Rule | None = None
        self.reason: str | None = None
        self.rules: tuple[Rule | None, ...] = ()
        if isinstance(vjp, NotDifferentiable):
            self.reason = vjp.reason
        elif isinstance(vjp, Mapping):
            if unknown := set(vjp) - set(self.inputs):
                raise TypeError(f"{name}: gradient rules for unknown inputs {sorted(unknown)}")
            self.rules = tuple(vjp.get(i) for i in self.inputs)
        else:
            self.joint = vjp

    def make_plan(self, mask: int) -> Plan:
        """The plan for the inputs whose bits are set in ``mask``."""
        plan = self.plans[mask] = Plan(self, mask)
        if self.node_class is None:
            self.node_class = type(self.node_name, (OpNode,), {"__slots__": ()})
        return plan

    def view_of(self, base: Tensor, params: tuple[Any, ...]) -> Tensor:
        """Replays a step of a view."""
        return apply_view(self, base, *params)

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join((*self.inputs, *self.params))})>"


def _node_name(name: str) -> str:
    """'add' gives 'AddBackward0', 'index_select' 'IndexSelectBackward0'."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Backward0"


def attach(
    primitive: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...], out: Any
) -> None:
    """Records that ``out`` (a tensor, or a tuple of them) came from ``inputs``, if that matters."""
    edges = []
    mask = 0
    bit = 1
    for t in inputs:
        e = None
        if isinstance(t, Tensor):
            e = t._edge
            if t._meta is not None:
                e = edge_of(t)
            elif e is LEAF:
                e = t
            elif t._index and e is not None:
                e = (e, t._index)
            if e is not None:
                mask |= bit
        edges.append(e)
        bit += bit
    if not mask or primitive.reason is not None:
        return
    single = isinstance(out, Tensor)
    if single and out._array.dtype not in _FLOATING and not out.dtype.category >= 2:
        return
    plan = primitive.plans.get(mask)
    if plan is None:
        plan = primitive.make_plan(mask)
    node: Any = _new(primitive.node_class)  # type: ignore[type-var]
    node.edges = tuple(edges)
    node.params = params
    node.plan = plan
    node.extra = None
    node.sequence = next_sequence()
    if defaults.anomaly:
        remember(node)
    versions: list[int | None] = []
    for i in plan.saved:
        t = inputs[i]
        if isinstance(t, Tensor):
            if t._meta is not None and t._meta.inference and not state.inference:
                raise RuntimeError(
                    "Inference tensors cannot be saved for backward. Please do not use Tensors "
                    "created in inference mode in computation tracked by autograd. To work around "
                    "this, you can make a clone to get a normal tensor and use it in autograd, or "
                    "use `torch.no_grad()` instead of `torch.inference_mode()`."
                )
            versions.append(0 if t._storage is None else t._storage.version)
        else:
            versions.append(None)
    node.saved = tuple([inputs[i] for i in plan.saved])
    node.versions = tuple(versions)
    node.shapes = _shapes(plan, inputs, out)
    node.out = None
    if single:
        node.outputs = 1
        if plan.save_out:
            node.out = (twin(out),)
            node.versions = (*versions, out._version)
        out._edge = node
    else:
        _attach_many(node, plan, out)
    if state.saved_hooks:
        pack_node(node)


def _shapes(plan: Plan, inputs: tuple[Any, ...], out: Any) -> tuple[Any, ...] | None:
    """What ``OpNode.shapes`` says."""
    if not plan.reads_shapes and not plan.broadcast:
        return None
    shapes = tuple([t._array.shape if isinstance(t, Tensor) else () for t in inputs])
    if not plan.reads_shapes and isinstance(out, Tensor):
        shape = out._array.shape
        if all(s == shape and isinstance(t, Tensor) for s, t in zip(shapes, inputs)):
            return None
    return shapes


def _attach_many(node: Any, plan: Plan, outs: tuple[Any, ...]) -> None:
    """The part of ``attach`` for several outputs."""
    node.outputs = len(outs)
    if plan.save_out:
        keep = plan.primitive.keep
        kept = [t if keep is None or i in keep else None for i, t in enumerate(outs)]
        node.out = tuple([None if t is None else twin(t) for t in kept])
        node.versions += tuple([None if t is None else t._version for t in kept])
    if plan.primitive.materialize:
        node.more().metadata["outputs"] = [(t._array.shape, t._array.dtype) for t in outs]
    for index, t in enumerate(outs):
        if t is not None and t.dtype.category >= 2:
            t._edge = node
            t._index = index


def _as_array(value: Any) -> Any:
    return value if type(value) is ndarray else np.asarray(value)


def first_kernel() -> None:
    """Puts machine code where there is some; until then programs that need no kernel start fast."""
    while on_first_kernel:
        on_first_kernel.pop()()


def apply1(primitive: Primitive, x: Tensor, *params: Any) -> Tensor:
    """Runs a primitive of one input and one output."""
    array = primitive.eager(x._array, *params)
    if type(array) is not ndarray:
        array = np.asarray(array)
    out = _new(Tensor)
    out._array = array
    out._edge = None
    out._index = 0
    out._storage = None
    out._grad = None
    out._meta = None
    if python_calls[0]:
        mark_inference(out)
    if (x._edge is not None or x._meta is not None) and state.grad_enabled:
        attach(primitive, (x,), params, out)
    return out


def apply2(primitive: Primitive, x: Any, y: Any, *params: Any) -> Tensor:
    """Runs a primitive of two inputs, one of which may be a number, and one output."""
    edge: Any = None
    if isinstance(x, Tensor):
        a = x._array
        edge = x._edge or x._meta
    else:
        a = x
    if isinstance(y, Tensor):
        b = y._array
        edge = edge or y._edge or y._meta
    else:
        b = y
    array = primitive.eager(a, b, *params)
    if type(array) is not ndarray:
        array = np.asarray(array)
    out = _new(Tensor)
    out._array = array
    out._edge = None
    out._index = 0
    out._storage = None
    out._grad = None
    out._meta = None
    if python_calls[0]:
        mark_inference(out)
    if edge is not None and state.grad_enabled:
        attach(primitive, (x, y), params, out)
    return out


def apply(primitive: Primitive, inputs: tuple[Any, ...], *params: Any) -> Any:
    """Runs a primitive of any number of inputs (tensors, numbers or None).

    Returns a tensor, or a tuple of tensors if ``eager`` returns a tuple.
    """
    if on_first_kernel:
        first_kernel()
    result = primitive.eager(*[t._array if isinstance(t, Tensor) else t for t in inputs], *params)
    out: Any
    if type(result) is tuple:
        out = tuple([None if r is None else wrap(_as_array(r)) for r in result])
    else:
        out = wrap(_as_array(result))
    if state.grad_enabled:
        for t in inputs:
            if isinstance(t, Tensor) and (t._edge is not None or t._meta is not None):
                attach(primitive, inputs, params, out)
                break
    return out


def apply_view(primitive: Primitive, x: Tensor, *params: Any) -> Tensor:
    """Runs a primitive whose result shares the memory of its input.

    If NumPy had to copy after all (as ``reshape`` may), the result is an ordinary tensor.
    """
    array = primitive.eager(x._array, *params)
    out = wrap(array)
    if array.base is None and array is not x._array and array.size:
        pass  # a copy
    else:
        track_view(primitive, x, params, out)
    if (x._edge is not None or x._meta is not None) and state.grad_enabled:
        attach(primitive, (x,), params, out)
    return out


def track_view(
    primitive: Primitive,
    x: Tensor,
    params: tuple[Any, ...],
    out: Tensor,
    creation: str | None = None,
) -> None:
    """Notes that ``out`` is the view of ``x`` that ``primitive`` makes."""
    storage = x._storage
    if storage is None:
        storage = x._storage = Storage()
    out._storage = storage
    parent = x._meta.view if x._meta is not None else None
    if creation is None:
        if not state.grad_enabled:
            creation = "inference" if state.inference else "no_grad"
        elif parent is not None:
            creation = parent.creation
    meta = out._meta = Meta()
    meta.inference = x._meta is not None and x._meta.inference
    if parent is None:
        meta.view = View(x, ((primitive, params),), storage.version, creation)
    else:
        steps = (*parent.steps, (primitive, params))
        meta.view = View(parent.base, steps, storage.version, creation)


def needs_grad(*tensors: Any) -> bool:
    """Whether an operation on these is to be recorded."""
    return state.grad_enabled and any(
        isinstance(t, Tensor) and edge_of(t) is not None for t in tensors
    )


def is_leaf(t: Tensor) -> bool:
    """Whether ``t`` has no history."""
    edge = edge_of(t)
    return edge is None or isinstance(edge, Tensor)


__all__ = [
    "INTEGER_RESULT", "LEAF", "PIECEWISE_CONSTANT", "REGISTRY", "Node", "NotDifferentiable",
    "Primitive", "apply", "apply1", "apply2", "apply_view", "attach", "is_leaf", "needs_grad",
    "track_view",
]  # fmt: skip
