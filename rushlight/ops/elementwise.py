"""Arithmetic and comparison of tensors and numbers, with broadcasting."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import bool_
from rushlight.core.tensor import Tensor, bump_version
from rushlight.ops._dispatch import store
from rushlight.ops._elementwise import binary, kernel, unary
from rushlight.ops._late import late
from rushlight.ops._primitive import INTEGER_RESULT, PIECEWISE_CONSTANT
from rushlight.ops._promote import cast, is_number, result_type
from rushlight.ops.complex import conj


@binary(kernel("elementwise.add"), {"input": lambda g: g, "other": lambda g: g}, name="add")
def _add(input: Any, other: Any) -> Tensor:
    """Addition without ``alpha``."""


def add(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    r"""Sum, :math:`\text{input} + \text{alpha} \cdot \text{other}`.

    Args:
        input: the first tensor.
        other: a tensor that broadcasts with it, or a number.
        alpha: what ``other`` is multiplied by.
        out: the tensor to write into.

    Examples::

        >>> torch.add(torch.tensor([1, 2]), torch.tensor([10, 20]), alpha=2)
        tensor([21, 42])
    """
    if type(alpha) is not int or alpha != 1:
        _check_alpha(alpha, input, other)
        kind = other.dtype if isinstance(other, Tensor) else None
        other = mul(other, bool(alpha) if kind is bool_ else alpha)
    return _add(input, other, out=out)


ADD_INTO = kernel("elementwise.add_out")


def accumulate(held: Tensor, grad: Tensor) -> None:
    """Adds ``grad`` to ``held`` in place, without history: how gradients gather."""
    a, b = held._array, grad._array
    if a.shape == b.shape and a.dtype == b.dtype:
        (ADD_INTO.made or ADD_INTO)(a, b, a)
        bump_version(held)
    else:
        store(held, _add(held, grad))


def _check_alpha(alpha: Any, input: Any, other: Any) -> None:
    to = result_type(input, other)
    if to.category < 2 and isinstance(alpha, float):
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if isinstance(alpha, bool) and to is not bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")


def _no_bool_sub(input: Any, other: Any) -> None:
    is_bool = [
        isinstance(x, bool) or (isinstance(x, Tensor) and x._array.dtype.kind == "b")
        for x in (input, other)
    ]
    if all(is_bool):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if any(is_bool):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )


@binary(
    kernel("elementwise.sub"),
    {"input": lambda g: g, "other": lambda g: neg(g)},
    name="sub",
    check=_no_bool_sub,
)
def _sub(input: Any, other: Any) -> Tensor:
    """Subtraction without ``alpha``."""


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    r"""Difference, :math:`\text{input} - \text{alpha} \cdot \text{other}`.

    Args: as for :func:`add`.

    Examples::

        >>> torch.sub(torch.tensor([5, 6]), 2)
        tensor([3, 4])
    """
    if type(alpha) is not int or alpha != 1:
        _check_alpha(alpha, input, other)
        other = mul(other, alpha)
    return _sub(input, other, out=out)


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``."""
    return sub(other, input, alpha=alpha)


@binary(
    kernel("elementwise.mul"),
    {
        "input": lambda g, other: g * conj(other),
        "other": lambda g, input: g * conj(input),
    },
)
def mul(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """Product of elements.

    Examples::

        >>> torch.mul(torch.tensor([1., 2.]), 3)
        tensor([3., 6.])
    """


@binary(
    kernel("elementwise.div"),
    {
        "input": lambda g, other: g / conj(other),
        "other": lambda g, input, other: -g * conj((input / other) / other),
    },
    float_result=True,
    name="div",
)
def _div(input: Any, other: Any) -> Tensor:
    """True division."""


def div(
    input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """Quotient of elements. Integers give the default floating dtype.

    Args:
        rounding_mode: None for the true quotient, "trunc" to round towards zero, "floor" to round
            down. With a rounding mode integers stay integers.

    Examples::

        >>> torch.div(torch.tensor([7, -7]), 2)
        tensor([ 3.5000, -3.5000])
        >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
        tensor([ 3, -4])
    """
    if rounding_mode is None:
        return _div(input, other, out=out)
    if rounding_mode == "floor":
        return _div_floor(input, other, out=out)
    if rounding_mode == "trunc":
        return _div_trunc(input, other, out=out)
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


def _check_zero(b: Any) -> None:
    if np.any(np.equal(b, 0)):
        raise RuntimeError("ZeroDivisionError")


def _floor_divide(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind in "iub":
        _check_zero(b)
        return np.floor_divide(a, b)
    quotient = np.floor_divide(a, b)
    return np.where(np.equal(b, 0), np.true_divide(a, b), quotient)


def _trunc_divide(a: Any, b: Any) -> Any:
    kind = np.result_type(a, b)
    if kind.kind in "iub":
        _check_zero(b)
        quotient = np.floor_divide(a, b)
        return quotient + ((np.remainder(a, b) != 0) & ((np.less(a, 0)) != (np.less(b, 0))))
    return np.trunc(np.true_divide(a, b))


@binary(_floor_divide, PIECEWISE_CONSTANT)
def floor_divide(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """Quotient rounded down.

    Examples::

        >>> torch.floor_divide(torch.tensor([4., -3.]), 2)
        tensor([ 2., -2.])
    """


_FLAT = {"input": lambda g: late.zeros_like(g), "other": lambda g: late.zeros_like(g)}


@binary(_floor_divide, _FLAT, name="div_floor", node_name="DivBackward1")
def _div_floor(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """Quotient rounded down, with a gradient of zero."""


@binary(_trunc_divide, _FLAT, name="div_trunc", node_name="DivBackward1")
def _div_trunc(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """Quotient rounded towards zero."""


def _remainder(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind in "iub":
        _check_zero(b)
    return np.remainder(a, b)


@binary(
    _remainder,
    {
        "input": lambda g: g,
        "other": lambda g, input, other: neg(mul(g, div(input, other, rounding_mode="floor"))),
    },
)
def remainder(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """Remainder of division, with the sign of the divisor (Python's ``%``).

    Examples::

        >>> torch.remainder(torch.tensor([-3., 3.]), 2)
        tensor([1., 1.])
    """


def _fmod(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind in "iub":
        _check_zero(b)
    return np.fmod(a, b)


@binary(
    _fmod,
    {
        "input": lambda g: g,
        "other": lambda g, input, other: neg(mul(g, div(input, other, rounding_mode="trunc"))),
    },
)
def fmod(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """Remainder of division, with the sign of the dividend (C's ``fmod``).

    Examples::

        >>> torch.fmod(torch.tensor([-3., 3.]), 2)
        tensor([-1.,  1.])
    """


@unary(kernel("elementwise.neg"), lambda g: neg(g), integers="keep", name="neg")
def _neg(input: Tensor) -> Tensor:
    """Negation without the check."""


def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Negation of each element; not for bools.

    Examples::

        >>> torch.neg(torch.tensor([1, -2]))
        tensor([-1,  2])
    """
    if input._array.dtype.kind == "b":
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return _neg(input, out=out)


def _pow(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind in "iu" and np.any(np.less(b, 0)):
        if not isinstance(b, np.ndarray):
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        safe = np.power(a, np.maximum(b, 0))
        tiny = np.where(a == 1, 1, np.where(a == -1, np.where(np.remainder(b, 2) == 0, 1, -1), 0))
        return np.where(np.less(b, 0), tiny, safe).astype(safe.dtype)
    if np.result_type(a, b).kind == "b":
        return np.logical_or(a, np.logical_not(b))
    if np.ndim(b) == 0 and b == 2:
        return np.multiply(a, a)
    return np.power(a, b)


def _pow_input_rule(g: Tensor, input: Any, other: Any) -> Tensor:
    if is_number(other):
        if other == 0:
            return mul(g, 0)
        if other == 2:
            return mul(g, conj(mul(input, 2)))
        return mul(g, conj(mul(pow(input, other - 1), other)))
    return where_zero(other, mul(g, conj(mul(other, pow(input, sub(other, 1))))))


def _pow_other_rule(g: Tensor, input: Any, other: Any, out: Any) -> Tensor:
    base = input if isinstance(input, Tensor) else late.full_like(out, input)
    grad = mul(g, conj(mul(out, late.log(base))))
    still = late.logical_and(eq(base, 0), ge(late.real(other), 0))
    return late.where(still, late.zeros_like(grad), grad)


def where_zero(condition: Tensor, value: Tensor) -> Tensor:
    """``value``, with zeros where ``condition`` is zero."""
    return late.where(eq(condition, 0), late.zeros_like(value), value)


@binary(_pow, {"input": _pow_input_rule, "other": _pow_other_rule})
def pow(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    r"""Power, :math:`\text{input}^{\text{other}}`, of tensors or a tensor and a number.

    Raises RuntimeError for integers to negative integer powers.

    Examples::

        >>> torch.pow(torch.tensor([1., 2., 3.]), 2)
        tensor([1., 4., 9.])
    """


@unary(np.positive, lambda g: g, integers="keep", name="positive_copy")
def _positive(input: Tensor) -> Tensor:
    """A copy."""


def positive(input: Tensor) -> Tensor:
    """``input`` itself; not for bools."""
    if input._array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@unary(np.absolute, lambda g, input: mul(g, late.sgn(input)), integers="keep")
def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Absolute value; the magnitude of complex numbers.

    Examples::

        >>> torch.abs(torch.tensor([-1, 2]))
        tensor([1, 2])
    """


def _comparison(name: str, ufunc: Any, sign: str) -> Any:
    def declared(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    declared.__name__ = declared.__qualname__ = name
    declared.__doc__ = (
        f"""Whether ``input {sign} other``, element by element, as bools.

    Examples::

        >>> torch.{name}(torch.tensor([1, 2, 3]), 2)
        tensor({[bool(ufunc(v, 2)) for v in (1, 2, 3)]})
    """.replace("True]", "True]")
        .replace("[True", "[ True")
        .replace(", True", ",  True")
    )
    return binary(kernel(f"elementwise.{name}"), INTEGER_RESULT)(declared)


eq = _comparison("eq", np.equal, "==")
ne = _comparison("ne", np.not_equal, "!=")
lt = _comparison("lt", np.less, "<")
le = _comparison("le", np.less_equal, "<=")
gt = _comparison("gt", np.greater, ">")
ge = _comparison("ge", np.greater_equal, ">=")


def _half_at_ties(sign: Any) -> Any:
    """The rule of maximum and minimum: equal elements share the gradient."""

    def of_input(g: Tensor, input: Any, other: Any) -> Tensor:
        return mul(g, _share(sign(input, other), eq(input, other), g))

    def of_other(g: Tensor, input: Any, other: Any) -> Tensor:
        return mul(g, _share(sign(other, input), eq(input, other), g))

    return {"input": of_input, "other": of_other}


def _share(wins: Tensor, ties: Tensor, g: Tensor) -> Tensor:
    return add(cast(wins, g.dtype), mul(cast(ties, g.dtype), 0.5))


@binary(kernel("elementwise.maximum"), _half_at_ties(lambda a, b: gt(a, b)))
def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two elements; NaN if one of them is NaN.

    Examples::

        >>> torch.maximum(torch.tensor([1, 4]), torch.tensor([3, 2]))
        tensor([3, 4])
    """


@binary(kernel("elementwise.minimum"), _half_at_ties(lambda a, b: lt(a, b)))
def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two elements; NaN if one of them is NaN.

    Examples::

        >>> torch.minimum(torch.tensor([1, 4]), torch.tensor([3, 2]))
        tensor([1, 2])
    """


def true_divide(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """Alias of :func:`div` without rounding."""
    return _div(input, other, out=out)


add.into, sub.into, neg.into = _add.into, _sub.into, _neg.into
div.into = true_divide.into = _div.into
add.of_integers, sub.of_integers, mul.of_integers = np.add, np.subtract, np.multiply
subtract, multiply, divide, negative, absolute = sub, mul, div, neg, abs
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne

BOTH = """
    abs absolute add div divide eq floor_divide fmod ge greater greater_equal gt le less
    less_equal lt maximum minimum mul multiply ne neg negative not_equal positive pow remainder
    sub subtract true_divide
"""
TORCH = """
    rsub
"""
INPLACE = """
    abs absolute add div divide eq floor_divide fmod ge greater greater_equal gt le less
    less_equal lt mul multiply ne neg negative not_equal pow remainder sub subtract true_divide
"""
