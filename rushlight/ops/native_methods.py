"""Operators of ``Tensor`` in machine code, for float32 tensors in order; Python for all others.

The builtins are made when the first kernel runs, so that importing costs nothing. They check the
tensors' classes, dtypes and shapes, run the kernel, make the resulting tensor and, if gradients
are recorded, hand it to a recorder here.
"""

from collections.abc import Callable
from typing import Any

from rushlight.core import state as core_state
from rushlight.core.state import state
from rushlight.core.tensor import LEAF, Tensor, plain_subclasses
from rushlight.kernels import _native as kernels
from rushlight.kernels import elementwise as _elementwise
from rushlight.ops import elementwise
from rushlight.ops._primitive import Primitive, _new, attach, next_sequence

_OPERATORS = {
    "__add__": (elementwise._add, "add"),
    "__sub__": (elementwise._sub, "sub"),
    "__mul__": (elementwise.mul, "mul"),
    "__truediv__": (elementwise._div, "div"),
}
_SAME = "x: @f32[...s], y: @f32[...s] -> out: @f32[...s]; call x, y, out, s; work s"
_NUMBER = "x: @f32[...s], y: float -> out: @f32[...s]; call x, out, s, f32(y); work s"


def recorder(primitive: Primitive) -> Callable[..., Tensor]:
    """What gives a result of ``primitive`` (of two equal shapes, or a number) its history.

    The general way is ``attach``; this is the same for the usual case, written out.
    """
    plans = primitive.plans

    def record(out: Tensor, x: Tensor, y: Any) -> Tensor:
        if not state.grad_enabled or core_state.defaults.anomaly:
            attach_if_recording(primitive, (x, y), out)
            return out
        ex = x._edge
        if ex is LEAF:
            ex = x
        elif ex is not None and x._index:
            ex = (ex, x._index)
        mask = 0 if ex is None else 1
        ey = None
        if isinstance(y, Tensor):
            ey = y._edge
            if ey is not None:
                mask += 2
                if ey is LEAF:
                    ey = y
                elif y._index:
                    ey = (ey, y._index)
        plan = plans.get(mask)
        if plan is None:
            plan = primitive.make_plan(mask)
        node: Any = _new(primitive.node_class)  # type: ignore[type-var]
        node.edges = (ex, ey)
        node.params = ()
        node.plan = plan
        node.extra = None
        node.sequence = next_sequence()
        saved, versions = [], []
        for i in plan.saved:
            t = y if i else x
            saved.append(t)
            if i and not isinstance(t, Tensor):
                versions.append(-1)
            else:
                versions.append(0 if t._storage is None else t._storage.version)
        node.saved = saved
        node.versions = versions
        shape = x._array.shape
        node.shapes = (shape, shape)
        node.outputs = 1
        node.out = None
        out._edge = node
        return out

    return record


def attach_if_recording(primitive: Primitive, inputs: tuple[Any, ...], out: Tensor) -> None:
    """The general way to record."""
    if state.grad_enabled:
        attach(primitive, inputs, (), out)


def install() -> None:
    """Puts the builtins on ``Tensor``; nothing happens where generated code cannot run."""
    from rushlight.codegen import builtin  # noqa: PLC0415  (loads the code generator)

    if not builtin.available():
        return
    fields = {"_edge": None, "_index": 0, "_storage": None, "_grad": None, "_meta": None}
    tensors = builtin.TensorClass(
        Tensor, tuple(plain_subclasses[:1]), plain=("_meta",), fields=fields
    )
    core_state.set_guard(tensors.guard.words)
    _ = _elementwise.add  # runs the module, which fills the registry
    for name, (operation, kernel) in _OPERATORS.items():
        native = kernels.REGISTRY[f"elementwise.{kernel}"]
        record = recorder(operation.primitive)
        fallback = Tensor.__dict__[name]
        number = builtin.builtin(name, _NUMBER, _number_code(native), fallback, tensors, record)
        setattr(
            Tensor,
            name,
            builtin.method(name, _SAME, native.code, number, tensors, "o", record),
        )


def _number_code(native: Any) -> Callable[[], int]:
    """The address of the variant of a kernel whose second operand is a number."""
    while native.variant != "number":
        native = native.fallback
    return native.code  # type: ignore[no-any-return]
