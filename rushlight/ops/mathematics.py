"""More element-wise mathematics of two and three tensors: fmax, atan2, lerp, addcmul and the like."""

import math
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import broadcast_error, write_out
from rushlight.ops._elementwise import binary, numeric, unary
from rushlight.ops._late import late
from rushlight.ops._primitive import INTEGER_RESULT, PIECEWISE_CONSTANT, Primitive, apply
from rushlight.ops._promote import as_operand, cast, result_type, type_name
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import add, div, eq, ge, gt, le, mul, neg, pow, sub
from rushlight.ops.pointwise import cos, exp, log, sin
from rushlight.ops.selection import masked_fill, where

ndarray = np.ndarray


def _zeros(g: Tensor) -> Tensor:
    return wrap(np.zeros_like(g._array))


@binary(
    np.fmax,
    {
        "input": lambda g, input, other: masked_fill(
            g, ~late.logical_or(ge(input, other), late.isnan(other)), 0
        ),
        "other": lambda g, input, other: masked_fill(
            g, late.logical_or(ge(input, other), late.isnan(other)), 0
        ),
    },
)
def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two elements; a number is taken before NaN.

    Examples::

        >>> torch.fmax(torch.tensor([1., float("nan")]), torch.tensor([3., 4.]))
        tensor([3., 4.])
    """


@binary(
    np.fmin,
    {
        "input": lambda g, input, other: masked_fill(
            g, ~late.logical_or(le(input, other), late.isnan(other)), 0
        ),
        "other": lambda g, input, other: masked_fill(
            g, late.logical_or(le(input, other), late.isnan(other)), 0
        ),
    },
)
def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two elements; a number is taken before NaN."""


def _copysign_rule(g: Tensor, input: Tensor, out: Tensor) -> Tensor:
    ratio = div(out, input)
    return mul(g, masked_fill(ratio, eq(input, 0), 0))


@binary(
    np.copysign,
    {"input": lambda g, input, out: _copysign_rule(g, input, out), "other": lambda g: _zeros(g)},
    float_result=True,
)
def copysign(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
    """The magnitude of ``input`` with the sign of ``other``.

    Examples::

        >>> torch.copysign(torch.tensor([1., -2.]), -1)
        tensor([-1., -2.])
    """


def _square_sum(a: Tensor, b: Tensor) -> Tensor:
    return add(mul(a, a), mul(b, b))


@binary(
    np.arctan2,
    {
        "input": lambda g, input, other: _at_origin(
            mul(g, div(other, _square_sum(input, other))), input, other
        ),
        "other": lambda g, input, other: _at_origin(
            mul(g, div(neg(input), _square_sum(input, other))), input, other
        ),
    },
    float_result=True,
)
def atan2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of the point (other, input), in radians.

    Examples::

        >>> torch.atan2(torch.tensor([1.]), torch.tensor([1.]))
        tensor([0.7854])
    """


def _at_origin(grad: Tensor, input: Tensor, other: Tensor) -> Tensor:
    return masked_fill(grad, eq(_square_sum(input, other), 0), 0)


@binary(
    np.hypot,
    {
        "input": lambda g, input, out: mul(g, div(input, out)),
        "other": lambda g, other, out: mul(g, div(other, out)),
    },
)
def hypot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The length of the hypotenuse with the given legs.

    Examples::

        >>> torch.hypot(torch.tensor([3.]), torch.tensor([4.]))
        tensor([5.])
    """


def _same_kind(input: Any, other: Any) -> None:
    a, b = input._array.dtype, other._array.dtype
    if a.kind == "c" or b.kind == "c":
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if a != b:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


@binary(
    lambda a, b: np.where(a == 0, b, np.where(np.isnan(a), a, a > 0)).astype(a.dtype),
    PIECEWISE_CONSTANT,
    check=_same_kind,
)
def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 for negative elements, 1 for positive ones, ``values`` for zeros.

    Examples::

        >>> torch.heaviside(torch.tensor([-1., 0., 2.]), torch.tensor([0.5]))
        tensor([0.0000, 0.5000, 1.0000])
    """


def _logaddexp(a: Any, b: Any) -> Any:
    if a.dtype.kind == "c":
        big = np.where(a.real >= b.real, a, b)
        small = np.where(a.real >= b.real, b, a)
        return np.log(1 + np.exp(small - big)) + big
    return np.logaddexp(a, b)


@binary(
    _logaddexp,
    {
        "input": lambda g, input, out: mul(g, conj(exp(sub(input, out)))),
        "other": lambda g, other, out: mul(g, conj(exp(sub(other, out)))),
    },
)
def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log(exp(input) + exp(other))`` without overflow.

    Examples::

        >>> torch.logaddexp(torch.tensor([-100.]), torch.tensor([-100.]))
        tensor([-99.3069])
    """


def _exp2(x: Tensor) -> Tensor:
    return late.exp2(x)  # type: ignore[no-any-return]


@binary(
    lambda a, b: (
        _logaddexp(a * math.log(2), b * math.log(2)) / math.log(2)
        if a.dtype.kind == "c"
        else np.logaddexp2(a, b)
    ),
    {
        "input": lambda g, input, out: mul(g, conj(_exp2(sub(input, out)))),
        "other": lambda g, other, out: mul(g, conj(_exp2(sub(other, out)))),
    },
)
def logaddexp2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log2(2**input + 2**other)`` without overflow."""


def _xlogy(a: Any, b: Any) -> Any:
    return np.where(np.isnan(b), b, np.where(a == 0, 0, a * np.log(b)))


@binary(
    _xlogy,
    {
        "input": lambda g, input, other: mul(
            g, masked_fill(log(other), late.logical_and(eq(input, 0), le(other, 0)), 0)
        ),
        "other": lambda g, input, other: mul(g, div(input, other)),
    },
    float_result=True,
)
def xlogy(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """``input * log(other)``, 0 where ``input`` is 0.

    Examples::

        >>> torch.xlogy(torch.tensor([0., 2.]), torch.tensor([0., 1.]))
        tensor([0., 0.])
    """


@binary(np.nextafter, {"input": lambda g: g, "other": lambda g: _zeros(g)})
def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next number that can be represented, from ``input`` towards ``other``."""


@binary(np.gcd, INTEGER_RESULT)
def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Greatest common divisor of integers.

    Examples::

        >>> torch.gcd(torch.tensor([8, 9]), torch.tensor([12, 3]))
        tensor([4, 3])
    """


@binary(lambda a, b: np.abs(np.lcm(a, b)), INTEGER_RESULT)
def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Least common multiple of integers."""


def float_power(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """Power in double precision (or complex double).

    Examples::

        >>> torch.float_power(torch.tensor([2, 3]), 2)
        tensor([4., 9.], dtype=torch.float64)
    """
    given = [x for x in (input, exponent) if isinstance(x, Tensor)]
    is_complex = any(t.dtype.is_complex for t in given) or any(
        isinstance(x, complex) for x in (input, exponent)
    )
    to = dtypes.complex128 if is_complex else dtypes.float64
    a = cast(input, to) if isinstance(input, Tensor) else input
    b = cast(exponent, to) if isinstance(exponent, Tensor) else exponent
    result = pow(a, b)
    return result if out is None else write_out(out, result)


def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * 2**other``.

    Examples::

        >>> torch.ldexp(torch.tensor([1.]), torch.tensor([3]))
        tensor([8.])
    """
    result = mul(input, pow(2.0, other))
    if input.dtype.is_floating_point:
        result = cast(result, input.dtype)
    return result if out is None else write_out(out, result)


def frexp(input: Tensor, *, out: Any = None) -> Any:
    """Mantissa and exponent: ``input = mantissa * 2**exponent`` with the mantissa in [0.5, 1)."""
    if input._array.dtype.kind not in "fV":
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    exponent = np.asarray(np.frexp(input._array.astype(np.float64))[1], np.int32)
    scale = np.asarray(np.ldexp(1.0, -exponent.astype(np.int64)))
    mantissa = mul(input, wrap(scale.astype(input._array.dtype)))
    result = FrexpResult((mantissa, wrap(exponent)))
    return result if out is None else write_out(out, result)


def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""
    return _scaled("deg2rad", input, math.pi / 180, out)


def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""
    return _scaled("rad2deg", input, 180 / math.pi, out)


def _scaled(name: str, input: Tensor, factor: float, out: Tensor | None) -> Tensor:
    if input._array.dtype.kind == "c":
        raise RuntimeError(f"{name} is not supported for complex tensors.")
    return mul(input, factor, out=out)


def _broadcast3(name: str, primitive: Primitive, tensors: tuple[Any, ...], *params: Any) -> Tensor:
    try:
        return apply(primitive, tensors, *params)  # type: ignore[no-any-return]
    except ValueError:
        arrays = [t._array for t in tensors if isinstance(t, Tensor)]
        for a in arrays[1:]:
            try:
                np.broadcast_shapes(arrays[0].shape, a.shape)
            except ValueError:
                raise broadcast_error(arrays[0], a) from None
        raise


def _lerp(a: Any, b: Any, weight: Any) -> Any:
    gap = b - a
    near = np.abs(weight) < 0.5
    if near.ndim == 0:
        return a + weight * gap if near else b - gap * (1 - weight)
    return np.where(near, a + weight * gap, b - gap * (1 - weight))


LERP = Primitive(
    "lerp",
    numeric(_lerp),
    inputs=("input", "end", "weight"),
    vjp={
        "input": lambda g, weight: mul(g, conj(sub(1, weight))),
        "end": lambda g, weight: mul(g, conj(weight)),
        "weight": lambda g, input, end: mul(g, conj(sub(end, input))),
    },
    broadcast=True,
)


def lerp(input: Tensor, end: Tensor, weight: Any, *, out: Tensor | None = None) -> Tensor:
    r"""Linear interpolation, :math:`\text{input} + \text{weight} (\text{end} - \text{input})`.

    Args:
        weight: a number or a tensor.

    Examples::

        >>> torch.lerp(torch.tensor([0., 10.]), torch.tensor([10., 20.]), 0.5)
        tensor([ 5., 15.])
    """
    for t in (end, weight):
        if isinstance(t, Tensor) and t._array.dtype != input._array.dtype:
            word = "end" if t is end else "weight"
            raise RuntimeError(
                f"expected dtype {_c_name(input)} for `{word}` but got dtype {_c_name(t)}"
            )
    if input._array.dtype.kind in "iub":
        raise NotImplementedError(
            f"\"lerp_kernel_scalar\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    value = weight if isinstance(weight, Tensor) else as_operand(weight, input.dtype)
    result = _broadcast3("lerp", LERP, (input, end, value))
    return result if out is None else write_out(out, result)


def _c_name(t: Tensor) -> str:
    return dtypes.CPP_NAMES.get(t.dtype, t.dtype.name)


ADDCMUL = Primitive(
    "addcmul",
    numeric(lambda a, b, c, value: a + value * b * c),
    inputs=("input", "tensor1", "tensor2"),
    params=("value",),
    vjp={
        "input": lambda g: g,
        "tensor1": lambda g, tensor2, value: mul(g, conj(mul(tensor2, _number(value)))),
        "tensor2": lambda g, tensor1, value: mul(g, conj(mul(tensor1, _number(value)))),
    },
    broadcast=True,
)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _addcdiv(a: Any, b: Any, c: Any, value: Any) -> Any:
    return a + value * (b / c)


ADDCDIV = Primitive(
    "addcdiv",
    numeric(_addcdiv),
    inputs=("input", "tensor1", "tensor2"),
    params=("value",),
    vjp={
        "input": lambda g: g,
        "tensor1": lambda g, tensor2, value: mul(g, conj(div(_number(value), tensor2))),
        "tensor2": lambda g, tensor1, tensor2, value: neg(
            mul(g, conj(div(mul(tensor1, _number(value)), mul(tensor2, tensor2))))
        ),
    },
    broadcast=True,
)


def _three(
    name: str, primitive: Primitive, tensors: tuple[Tensor, ...], value: Any, out: Tensor | None
) -> Tensor:
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"{name}(): argument 'tensor{i}' (position {i + 1}) must be Tensor, not "
                f"{type_name(t)}"
            )
    to = result_type(*tensors)
    if to.category < dtypes.FLOATING:
        if isinstance(value, float):
            raise RuntimeError(
                "For integral input tensors, argument alpha must not be a floating point number."
            )
        if name == "addcdiv":
            raise RuntimeError(
                "Integer division with addcdiv is no longer supported, and in a future  release "
                "addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv "
                "behavior can be implemented as (input + value * torch.trunc(tensor1 / "
                "tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / "
                "tensor2) for float inputs. The future addcdiv behavior is just the latter "
                "implementation: (input + value * tensor1 / tensor2), for all dtypes."
            )
        if to is dtypes.bool_:
            raise NotImplementedError(f"\"{name}_cpu_out\" not implemented for 'Bool'")
    ready = tuple([cast(t, to) for t in tensors])
    result = _broadcast3(name, primitive, ready, as_operand(value, to))
    return result if out is None else write_out(out, result)


def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 * tensor2``.

    Examples::

        >>> torch.addcmul(torch.tensor([1.]), torch.tensor([2.]), torch.tensor([3.]), value=0.5)
        tensor([4.])
    """
    return _three("addcmul", ADDCMUL, (input, tensor1, tensor2), value, out)


def addcdiv(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 / tensor2``, for floating-point tensors.

    Examples::

        >>> torch.addcdiv(torch.tensor([1.]), torch.tensor([3.]), torch.tensor([2.]))
        tensor([2.5000])
    """
    return _three("addcdiv", ADDCDIV, (input, tensor1, tensor2), value, out)


def _sinc(a: Any) -> Any:
    return np.sinc(a)


def _sinc_rule(g: Tensor, input: Tensor) -> Tensor:
    angle = mul(input, math.pi)
    slope = div(sub(mul(angle, cos(angle)), sin(angle)), mul(angle, input))
    return mul(g, conj(where(eq(input, 0), late.zeros_like(slope), slope)))


@unary(_sinc, lambda g, input: _sinc_rule(g, input))
def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``sin(pi x) / (pi x)``, 1 at 0."""


def _logit(a: Any, eps: Any) -> Any:
    if eps is not None:
        a = np.clip(a, a.dtype.type(eps), a.dtype.type(1 - eps))
    return np.log(a / (1 - a))


def _logit_rule(g: Tensor, input: Tensor, eps: float | None) -> Tensor:
    grad = div(g, mul(input, sub(1, input)))
    low, high = (0.0, 1.0) if eps is None else (eps, 1.0 - eps)
    outside = late.logical_or(late.lt(input, low), gt(input, high))
    return masked_fill(grad, outside, 0.0 if eps is not None else float("nan"))


LOGIT = Primitive("logit", numeric(_logit), params=("eps",), vjp={"input": _logit_rule})


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """``log(x / (1 - x))``; with ``eps``, x is first clamped to [eps, 1 - eps].

    Examples::

        >>> torch.logit(torch.tensor([0.5]))
        tensor([0.])
    """
    if input._array.dtype.kind in "iub":
        input = cast(input, dtypes.float32)
    result: Tensor = apply(LOGIT, (input,), eps)
    return result if out is None else write_out(out, result)


def _angle(a: Any) -> Any:
    if a.dtype.kind == "c":
        return np.angle(a)
    return np.where(np.isnan(a), a, np.where(a < 0, np.pi, 0)).astype(a.dtype)


def _angle_rule(g: Tensor, input: Tensor) -> Tensor:
    if input._array.dtype.kind != "c":
        return _zeros(g)
    real, imag = late.real(input), late.imag(input)
    square = _square_sum(real, imag)
    at_zero = eq(square, 0)
    by_real = masked_fill(mul(g, div(neg(imag), square)), at_zero, 0)
    by_imag = masked_fill(mul(g, div(real, square)), at_zero, 0)
    return late.complex(by_real, by_imag)  # type: ignore[no-any-return]


ANGLE = Primitive("angle", quiet(_angle), vjp={"input": _angle_rule})


def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of complex numbers in radians; 0 or pi for real ones."""
    if input._array.dtype.kind in "iub":
        input = cast(input, dtypes.float32)
    result: Tensor = apply(ANGLE, (input,))
    return result if out is None else write_out(out, result)


def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate, as a copy."""
    result = conj(input) if input._array.dtype.kind == "c" else late.clone(input)
    return result if out is None else write_out(out, result)


class FrexpResult(tuple[Tensor, ...]):
    """What :func:`frexp` returns."""

    __slots__ = ()
    mantissa = property(lambda self: self[0])
    exponent = property(lambda self: self[1])

    def __repr__(self) -> str:
        return f"torch.return_types.frexp(\nmantissa={self[0]!r},\nexponent={self[1]!r})"


arctan2 = atan2
BOTH = """
    addcdiv addcmul angle arctan2 atan2 conj_physical copysign deg2rad float_power fmax fmin frexp
    gcd heaviside hypot lcm ldexp lerp logaddexp logaddexp2 logit nextafter rad2deg sinc xlogy
"""
INPLACE = """
    addcdiv addcmul arctan2 atan2 conj_physical copysign deg2rad float_power gcd heaviside hypot lcm
    ldexp lerp logit nextafter rad2deg sinc xlogy
"""
