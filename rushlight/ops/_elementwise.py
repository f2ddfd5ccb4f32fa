"""How element-wise operations are declared: one decorator each for one and for two inputs."""

from collections.abc import Callable, Mapping
from typing import Any

from rushlight import kernels
from rushlight.base.quiet import numeric
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import broadcast_error, write_out
from rushlight.ops._primitive import (
    NotDifferentiable,
    Primitive,
    apply1,
    apply2,
    first_kernel,
)
from rushlight.ops._promote import cast, common, scalar_fits, to_scalar, type_name

Rule = Callable[..., Any]


class KernelRef:
    """A native kernel in place of ``eager``: its module is loaded when it is first needed.

    On the first call the primitive gets the kernel itself, a builtin, as its ``eager``.
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name
        self.primitive: Primitive | None = None
        self.made: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        if self.made is not None:
            return self.made(*args)
        module = getattr(kernels, self.module)
        first_kernel()
        result = getattr(module, self.name)(*args)
        self.made = getattr(module, self.name)  # by now the builtin has taken the name's place
        if self.primitive is not None:
            self.primitive.eager = self.made
        return result


def kernel(path: str) -> KernelRef:
    """The kernel called "module.name" in ``rushlight.kernels``."""
    module, _, name = path.rpartition(".")
    return KernelRef(module, name)


def attach_kernel(op: Any, eager: Any, primitive: Primitive) -> None:
    """Tells a kernel its primitive, and the operation the kernel that writes in place."""
    if isinstance(eager, KernelRef):
        eager.primitive = primitive
        if eager.name not in ("sin", "cos"):
            op.into = KernelRef(eager.module, eager.name + "_out")


def as_eager(function: Any) -> Callable[..., Any]:
    """The eager rule made of a NumPy function, or of a kernel, which needs no wrapping."""
    return function if isinstance(function, KernelRef) else numeric(function)


def _finish(op: Any, function: Callable[..., Any], primitive: Primitive) -> Any:
    op.__name__ = function.__name__
    op.__qualname__ = function.__qualname__
    op.__doc__ = function.__doc__
    op.__module__ = function.__module__
    op.__wrapped__ = function  # its signature is the public one
    op.primitive = primitive
    return op


def unary(
    eager: Callable[..., Any],
    vjp: Rule | NotDifferentiable,
    *,
    integers: str = "float",
    name: str | None = None,
    node_name: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Tensor]]:
    """Declares an operation on one tensor.

    Args:
        eager: the NumPy function.
        vjp: the gradient rule for ``input``.
        integers: what happens to integers and bools: "float" computes in the default dtype,
            "keep" leaves them.
        name: of the primitive, where it is not that of the function.
    """
    rules: Any = vjp if isinstance(vjp, NotDifferentiable) else {"input": vjp}

    def declare(function: Callable[..., Any]) -> Callable[..., Tensor]:
        primitive = Primitive(
            name or function.__name__, as_eager(eager), vjp=rules, node_name=node_name
        )
        to_float = integers == "float"

        def op(input: Tensor, *, out: Tensor | None = None) -> Tensor:
            try:
                if to_float and input._array.dtype.kind in "iub":
                    input = cast(input, defaults.dtype)
            except AttributeError:
                raise _not_a_tensor(op.__name__, input) from None
            result = apply1(primitive, input)
            return result if out is None else write_out(out, result)

        attach_kernel(op, eager, primitive)
        return _finish(op, function, primitive)  # type: ignore[no-any-return]

    return declare


def _not_a_tensor(name: str, value: Any) -> TypeError:
    return TypeError(
        f"{name}(): argument 'input' (position 1) must be Tensor, not {type_name(value)}"
    )


def binary(
    eager: Callable[..., Any],
    vjp: Mapping[str, Rule] | NotDifferentiable,
    *,
    float_result: bool = False,
    name: str | None = None,
    node_name: str | None = None,
    check: Callable[[Any, Any], None] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Tensor]]:
    """Declares an operation on two tensors, or a tensor and a number, that broadcast.

    Args:
        eager: the NumPy function.
        vjp: the gradient rules for ``input`` and ``other``, before broadcasting is undone.
        float_result: integers are computed in the default floating dtype.
        check: called with both operands before anything is computed.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Tensor]:
        primitive = Primitive(
            name or function.__name__,
            as_eager(eager),
            inputs=("input", "other"),
            vjp=vjp,
            broadcast=True,
            node_name=node_name,
        )

        def op(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
            if check is not None:
                check(input, other)
            input, other = operands(op.__name__, input, other, float_result)
            try:
                result = apply2(primitive, input, other)
            except ValueError:
                raise _explain(input, other) from None
            return result if out is None else write_out(out, result)

        attach_kernel(op, eager, primitive)
        return _finish(op, function, primitive)  # type: ignore[no-any-return]

    return declare


def operands(name: str, input: Any, other: Any, float_result: bool = False) -> tuple[Any, Any]:
    """Both operands in one dtype. The usual cases, equal dtypes and a plain number, come first."""
    if isinstance(input, Tensor):
        kind = input._array.dtype
        if isinstance(other, Tensor):
            if kind is other._array.dtype and not (float_result and kind.kind in "iub"):
                return input, other
        elif type(other) in (float, int):
            if kind.kind == "f" and kind.itemsize >= 4:
                return input, float(other)
            if not float_result and scalar_fits(other, input.dtype):
                return input, to_scalar(other, input.dtype)
    a, b, _ = common(input, other, name, float_result)
    return a, b


def _explain(input: Any, other: Any) -> RuntimeError:
    a = input._array if isinstance(input, Tensor) else input
    b = other._array if isinstance(other, Tensor) else other
    return broadcast_error(a, b)
