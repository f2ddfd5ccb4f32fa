"""Operators of ``Tensor`` in machine code, for float32 tensors in order; Python for all others.

The builtins are made when the first kernel runs, so that importing costs nothing. They check the
tensors' classes, dtypes and shapes, run the kernel, make the resulting tensor and, if gradients
are recorded, hand it to a recorder here.
"""

from collections.abc import Callable
from typing import Any

from rushlight.core import state as core_state
from rushlight.core.tensor import Tensor
from rushlight.kernels import _native as kernels
from rushlight.kernels import elementwise as _elementwise
from rushlight.ops import elementwise
from rushlight.ops._primitive import on_first_kernel

_OPERATORS = {
    "__add__": (elementwise._add, "add"),
    "__sub__": (elementwise._sub, "sub"),
    "__mul__": (elementwise.mul, "mul"),
    "__truediv__": (elementwise._div, "div"),
}
_SAME = "x: @f32[...s], y: @f32[...s] -> out: @f32[...s]; call x, y, out, s; work s"
_NUMBER = "x: @f32[...s], y: float -> out: @f32[...s]; call x, out, s, f32(y); work s"


_found: dict[str, int] = {}  # the addresses of the graph's functions, once they are loaded


def native_getattr(cls: type) -> None:
    """Gives ``cls`` (``nn.Module``) its ``__getattr__`` in machine code, with the first kernel."""

    def put() -> None:
        if _found:
            from rushlight.ops import _graph  # noqa: PLC0415  (loads the code generator)

            _graph.install_getattr(_found, cls)

    if on_first_kernel:
        on_first_kernel.insert(0, put)  # they are taken from the end
    else:
        put()


def install() -> None:
    """Puts the builtins on ``Tensor``; nothing happens where generated code cannot run."""
    from rushlight.codegen import builtin  # noqa: PLC0415  (loads the code generator)
    from rushlight.ops import _graph  # noqa: PLC0415

    if not builtin.available():
        return
    _ = _elementwise.add  # runs the module, which fills the registry
    guard = builtin.Guard()
    add_out = kernels.REGISTRY["elementwise.add_out"].make()
    found = _graph.load(guard, elementwise.add, add_out)
    if found is None:
        return
    _graph.install(found)
    _found.update(found)
    core_state.set_guard(guard.words)
    fields = {"_edge": None, "_index": 0, "_storage": None, "_grad": None, "_meta": None}
    tensors = builtin.TensorClass(
        Tensor, plain=("_meta",), fields=fields, guard=guard, recorder=found["rl_record"]
    )
    for name, (operation, kernel) in _OPERATORS.items():
        native = kernels.REGISTRY[f"elementwise.{kernel}"]
        record = operation.primitive
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
