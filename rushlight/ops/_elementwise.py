"""How element-wise operations are declared: one decorator each for one and for two inputs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rushlight.core.quiet import quiet
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import broadcast_error, write_out
from rushlight.ops._primitive import NotDifferentiable, Primitive, apply1, apply2
from rushlight.ops._promote import cast, common, scalar_fits, to_scalar, type_name

Rule = Callable[..., Any]


def numeric(function: Callable[..., Any], low_precision: bool = True) -> Callable[..., Any]:
    """An eager rule: silent, and computing float16, bfloat16 and float8 in float32."""
    silent = quiet(function)
    if not low_precision:
        return silent

    def eager(*args: Any) -> Any:
        for a in args:
            kind = getattr(a, "dtype", None)
            if kind is not None and kind.itemsize <= 2 and kind.kind in "fV":
                return _in_float32(silent, args, kind)
        return silent(*args)

    eager.__name__ = getattr(function, "__name__", "eager")
    return eager


def _in_float32(function: Callable[..., Any], args: tuple[Any, ...], kind: np.dtype) -> Any:
    wide = [
        a.astype(np.float32) if getattr(a, "dtype", None) == kind and hasattr(a, "astype") else a
        for a in args
    ]
    for a in args:  # the array, not the number, says what comes out
        if isinstance(a, np.ndarray) and a.dtype.kind in "fV" and a.dtype.itemsize <= 2:
            kind = a.dtype
    out = np.asarray(function(*wide))
    return out.astype(kind) if out.dtype.kind == "f" else out


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
            name or function.__name__, numeric(eager), vjp=rules, node_name=node_name
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
            numeric(eager),
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
                return input, to_scalar(other, input.dtype)
            if not float_result and scalar_fits(other, input.dtype):
                return input, to_scalar(other, input.dtype)
    a, b, _ = common(input, other, name, float_result)
    return a, b


def _explain(input: Any, other: Any) -> RuntimeError:
    a = input._array if isinstance(input, Tensor) else input
    b = other._array if isinstance(other, Tensor) else other
    return broadcast_error(a, b)
