"""Truth values and bits: logical and bitwise operations, shifts, and questions about elements."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES, promote_types
from rushlight.core.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import broadcast_error, write_out
from rushlight.ops._elementwise import operands
from rushlight.ops._primitive import INTEGER_RESULT, Primitive, apply1, apply2
from rushlight.ops._promote import is_number, type_name
from rushlight.ops.elementwise import abs, add, le, mul, sub

ndarray = np.ndarray


def _binary(name: str, eager: Callable[..., Any], check: Any, doc: str) -> Any:
    """Declares an operation on two tensors of integers or truth values."""
    primitive = Primitive(
        name, quiet(eager), inputs=("input", "other"), vjp=INTEGER_RESULT, broadcast=True
    )

    def op(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        if check is not None:
            check(name, input, other)
        input, other = operands(name, input, other)
        try:
            result = apply2(primitive, input, other)
        except ValueError:
            raise broadcast_error(_array(input), _array(other)) from None
        return result if out is None else write_out(out, result)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    op.primitive = primitive  # type: ignore[attr-defined]
    return op


def _array(x: Any) -> Any:
    return x._array if isinstance(x, Tensor) else x


def _truth(ufunc: Any) -> Callable[..., Any]:
    def eager(*arrays: Any) -> Any:
        return ufunc(*[a if np.asarray(a).dtype.kind == "b" else a != 0 for a in arrays])

    return eager


def _need_integers(name: str, input: Any, other: Any) -> None:
    """Bits exist in integers and bools only."""
    for position, x in ((1, input), (2, other)):
        if not isinstance(x, Tensor) and not is_number(x):
            raise TypeError(
                f"{name}(): argument '{'input' if position == 1 else 'other'}' (position {position}) "
                f"must be Tensor, not {type_name(x)}"
            )
    for x in (input, other):
        kind = x._array.dtype.kind if isinstance(x, Tensor) else np.asarray(x).dtype.kind
        if kind not in "iub":
            short = {"bitwise_left_shift": "lshift", "bitwise_right_shift": "rshift"}.get(
                name, name
            )
            title = SCALAR_TYPE_NAMES[x.dtype] if isinstance(x, Tensor) else "Float"
            raise NotImplementedError(f"\"{short}_cpu\" not implemented for '{title}'")


def _logical(name: str, ufunc: Any, doc: str) -> Any:
    return _binary(name, _truth(ufunc), None, doc)


logical_and = _logical("logical_and", np.logical_and, "Whether both elements are non-zero.")
logical_or = _logical("logical_or", np.logical_or, "Whether one of the elements is non-zero.")
logical_xor = _logical("logical_xor", np.logical_xor, "Whether just one element is non-zero.")
bitwise_and = _binary("bitwise_and", np.bitwise_and, _need_integers, "The bits set in both.")
bitwise_or = _binary("bitwise_or", np.bitwise_or, _need_integers, "The bits set in either.")
bitwise_xor = _binary("bitwise_xor", np.bitwise_xor, _need_integers, "The bits set in just one.")


def _no_bools(name: str, input: Any, other: Any) -> None:
    _need_integers(name, input, other)
    if all(
        _array(x).dtype.kind == "b" if isinstance(x, Tensor) else isinstance(x, bool)
        for x in (input, other)
    ):
        short = {"bitwise_left_shift": "lshift", "bitwise_right_shift": "rshift"}[name]
        raise NotImplementedError(f"\"{short}_cpu\" not implemented for 'Bool'")


def _shift(ufunc: Any, left: bool) -> Callable[..., Any]:
    """Shifts by a negative number or beyond the width give what shifting all bits out gives."""

    def eager(a: Any, b: Any) -> Any:
        bits = 8 * a.dtype.itemsize
        away = (b < 0) | (b >= bits)
        if left:
            return np.where(away, 0, ufunc(a, np.where(away, 0, b))).astype(a.dtype)
        return ufunc(a, np.where(away, bits - 1, b).astype(b.dtype)) if a.dtype.kind == "i" else (
            np.where(away, 0, ufunc(a, np.where(away, 0, b))).astype(a.dtype))  # fmt: skip

    return eager


bitwise_left_shift = _binary(
    "bitwise_left_shift", _shift(np.left_shift, True), _no_bools, "The bits shifted to the left."
)
bitwise_right_shift = _binary(
    "bitwise_right_shift",
    _shift(np.right_shift, False),
    _no_bools,
    "The bits shifted to the right; the sign stays.",
)

LOGICAL_NOT = Primitive("logical_not", _truth(np.logical_not), vjp=INTEGER_RESULT)
BITWISE_NOT = Primitive("bitwise_not", np.invert, vjp=INTEGER_RESULT)


def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is zero.

    Examples::

        >>> torch.logical_not(torch.tensor([0, 2]))
        tensor([ True, False])
    """
    result = apply1(LOGICAL_NOT, input)
    return result if out is None else write_out(out, result)


def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All bits inverted; for bools the logical negation.

    Examples::

        >>> ~torch.tensor([1, -3])
        tensor([-2,  2])
    """
    if input._array.dtype.kind not in "iub":
        raise NotImplementedError(
            f"\"bitwise_not_cpu\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    result = apply1(BITWISE_NOT, input)
    return result if out is None else write_out(out, result)


def _question(
    name: str, ufunc: Any, doc: str, integers: bool = False, complex_ok: bool = True
) -> Any:
    """Declares a question about each element; ``integers`` is the answer for all integers."""

    def eager(a: ndarray) -> ndarray:
        if a.dtype.kind in "iub":
            return np.full(a.shape, integers)
        return ufunc(a)  # type: ignore[no-any-return]

    primitive = Primitive(name, quiet(eager), vjp=INTEGER_RESULT)

    def op(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type_name(input)}"
            )
        if not complex_ok and input._array.dtype.kind == "c":
            raise RuntimeError(f"{name} does not support complex inputs.")
        result = apply1(primitive, input)
        return result if out is None else write_out(out, result)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    op.primitive = primitive  # type: ignore[attr-defined]
    return op


isnan = _question("isnan", np.isnan, "Whether each element is NaN.")
isinf = _question("isinf", np.isinf, "Whether each element is infinite.")
isfinite = _question("isfinite", np.isfinite, "Whether each element is finite.", integers=True)
isposinf = _question("isposinf", np.isposinf, "Whether each element is +inf.", complex_ok=False)
isneginf = _question("isneginf", np.isneginf, "Whether each element is -inf.", complex_ok=False)


def _signbit(a: ndarray) -> ndarray:
    return a < 0 if a.dtype.kind in "iu" else np.signbit(a)


SIGNBIT = Primitive(
    "signbit",
    lambda a: np.zeros(a.shape, np.bool_) if a.dtype.kind == "b" else _signbit(a),
    vjp=INTEGER_RESULT,
)


def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether the sign bit of each element is set: also for -0.0."""
    if input._array.dtype.kind == "c":
        raise RuntimeError("signbit is not implemented for complex tensors.")
    result = apply1(SIGNBIT, input)
    return result if out is None else write_out(out, result)


ISREAL = Primitive(
    "isreal",
    lambda a: a.imag == 0 if a.dtype.kind == "c" else np.ones(a.shape, np.bool_),
    vjp=INTEGER_RESULT,
)


def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part of each element is zero."""
    return apply1(ISREAL, input)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Whether ``|input - other| <= atol + rtol * |other|``, for each element.

    Examples::

        >>> torch.isclose(torch.tensor([1., 2.]), torch.tensor([1. + 1e-7, 3.]))
        tensor([ True, False])
    """
    if input._array.dtype != other._array.dtype:
        raise RuntimeError(
            f"{SCALAR_TYPE_NAMES[input.dtype]} did not match {SCALAR_TYPE_NAMES[other.dtype]}"
        )
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    a, b = wrap(input._array), wrap(other._array)
    close = a == b
    if equal_nan and a._array.dtype.kind in "fcV":
        close = logical_or(close, logical_and(isnan(a), isnan(b)))
    if rtol == 0 and atol == 0:
        return close  # type: ignore[no-any-return]
    if a._array.dtype.kind == "b":
        return close  # type: ignore[no-any-return]
    allowed = add(abs(mul(b, rtol)), atol)
    near = le(abs(sub(a, b)), allowed)
    if a._array.dtype.kind in "fcV":
        near = logical_and(near, logical_and(isfinite(a), isfinite(b)))
    return logical_or(close, near)  # type: ignore[no-any-return]


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close: see :func:`isclose`.

    Examples::

        >>> torch.allclose(torch.tensor([1.]), torch.tensor([1. + 1e-7]))
        True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both tensors have the same shape and elements.

    Examples::

        >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
        True
    """
    if not isinstance(other, Tensor):
        raise TypeError(
            f"equal(): argument 'other' (position 2) must be Tensor, not {type_name(other)}"
        )
    if input._array.shape != other._array.shape:
        return False
    promote_types(input.dtype, other.dtype)
    return bool((input._array == other._array).all())


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero; RuntimeError if there are more or none."""
    if input._array.size != 1:
        if not input._array.size:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(input._array.item())


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both tensors have the same shape."""
    return input._array.shape == other._array.shape


BOTH = """
    allclose bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
    equal is_nonzero is_same_size isclose isfinite isinf isnan isneginf isposinf isreal logical_and
    logical_not logical_or logical_xor signbit
"""
INPLACE = """
    bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
    logical_and logical_not logical_or logical_xor
"""
