"""Element-wise mathematics of one tensor: exponentials, logarithms, trigonometry, rounding."""

from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor
from rushlight.ops._elementwise import kernel, unary
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply2
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import add, div, mul, neg, pow, sub


def _fused(name: str, by_out: Any) -> Any:
    """The gradient rule of a function whose derivative is one kernel of its output.

    Args:
        by_out: the derivative of that kernel's result by the output, times g.
    """
    backward = kernel(f"activation.{name}_backward")
    primitive = backward.primitive = Primitive(
        f"{name}_backward",
        backward,
        inputs=("g", "out_"),
        vjp={
            "g": lambda h, out_: apply2(primitive, h, out_),
            "out_": lambda h, g, out_: mul(h, by_out(g, out_)),
        },
        node_name=f"{name.capitalize()}BackwardBackward0",
    )
    return primitive


_TANH = _fused("tanh", lambda g, out: mul(mul(g, out), -2))
_SIGMOID = _fused("sigmoid", lambda g, out: mul(g, sub(1, mul(out, 2))))
_SQRT = _fused("sqrt", lambda g, out: div(g, mul(mul(out, out), -2)))


@unary(kernel("elementwise.exp"), lambda g, out: g * conj(out))
def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    r"""Exponential function, :math:`e^x`.

    Examples::

        >>> torch.exp(torch.tensor([0., 1.]))
        tensor([1.0000, 2.7183])
    """


@unary(np.exp2, lambda g, out: mul(g, conj(mul(out, 0.6931471805599453))))
def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Powers of two, :math:`2^x`."""


@unary(kernel("elementwise.expm1"), lambda g, out: mul(g, conj(add(out, 1))))
def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(x) - 1``, accurate for small x."""


@unary(kernel("elementwise.log"), lambda g, input: div(g, conj(input)))
def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Natural logarithm."""


@unary(kernel("elementwise.log2"), lambda g, input: div(g, conj(mul(input, 0.6931471805599453))))
def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to base 2."""


@unary(kernel("elementwise.log10"), lambda g, input: div(g, conj(mul(input, 2.302585092994046))))
def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to base 10."""


@unary(kernel("elementwise.log1p"), lambda g, input: div(g, conj(add(input, 1))))
def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log(1 + x)``, accurate for small x."""


def _sqrt_rule(g: Tensor, out: Tensor) -> Tensor:
    if out._array.dtype.kind == "c":
        return div(g, conj(mul(out, 2)))
    return apply2(_SQRT, g, out)


@unary(kernel("elementwise.sqrt"), _sqrt_rule)
def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Square root."""


@unary(kernel("elementwise.rsqrt"), lambda g, out: mul(g, conj(mul(pow(out, 3), -0.5))))
def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Reciprocal of the square root."""


@unary(kernel("elementwise.reciprocal"), lambda g, out: neg(mul(g, conj(mul(out, out)))))
def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 / x``."""


def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The square of each element."""
    return pow(input, 2, out=out)


@unary(kernel("elementwise.sin"), lambda g, input: mul(g, conj(cos(input))))
def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sine of angles in radians.

    Examples::

        >>> torch.sin(torch.tensor([0., 1.]))
        tensor([0.0000, 0.8415])
    """


@unary(kernel("elementwise.cos"), lambda g, input: neg(mul(g, conj(sin(input)))))
def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Cosine of angles in radians."""


@unary(np.tan, lambda g, out: mul(g, conj(add(mul(out, out), 1))))
def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Tangent of angles in radians."""


@unary(np.arcsin, lambda g, input: mul(g, conj(rsqrt(sub(1, mul(input, input))))))
def asin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse sine, in radians."""


@unary(np.arccos, lambda g, input: neg(mul(g, conj(rsqrt(sub(1, mul(input, input)))))))
def acos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse cosine, in radians."""


@unary(np.arctan, lambda g, input: div(g, conj(add(mul(input, input), 1))))
def atan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse tangent, in radians."""


@unary(np.sinh, lambda g, input: mul(g, conj(cosh(input))))
def sinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic sine."""


@unary(np.cosh, lambda g, input: mul(g, conj(sinh(input))))
def cosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic cosine."""


def _tanh_rule(g: Tensor, out: Tensor) -> Tensor:
    if out._array.dtype.kind == "c":
        return mul(g, conj(sub(1, mul(out, out))))
    return apply2(_TANH, g, out)


@unary(kernel("elementwise.tanh"), _tanh_rule)
def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic tangent.

    Examples::

        >>> torch.tanh(torch.tensor([0., 1.]))
        tensor([0.0000, 0.7616])
    """


@unary(np.arcsinh, lambda g, input: mul(g, conj(rsqrt(add(mul(input, input), 1)))))
def asinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic sine."""


@unary(np.arccosh, lambda g, input: mul(g, conj(mul(rsqrt(sub(input, 1)), rsqrt(add(input, 1))))))
def acosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic cosine."""


@unary(np.arctanh, lambda g, input: div(g, conj(sub(1, mul(input, input)))))
def atanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inverse hyperbolic tangent."""


def _sigmoid_rule(g: Tensor, out: Tensor) -> Tensor:
    if out._array.dtype.kind == "c":
        return mul(g, conj(mul(sub(1, out), out)))
    return apply2(_SIGMOID, g, out)


@unary(kernel("elementwise.sigmoid"), _sigmoid_rule)
def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    r"""Logistic function, :math:`1 / (1 + e^{-x})`.

    Examples::

        >>> torch.sigmoid(torch.tensor([0., 2.]))
        tensor([0.5000, 0.8808])
    """


def _sgn(a: Any) -> Any:
    if a.dtype.kind == "b":
        return a.copy()
    if a.dtype.kind == "c":
        size = np.abs(a)
        return np.where(size == 0, 0, a / np.where(size == 0, 1, size)).astype(a.dtype)
    return np.sign(a)


@unary(_sgn, lambda g, input, out: _sgn_rule(g, input, out), integers="keep")
def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sign; for complex numbers, the number of magnitude 1 with the same angle."""


def _sgn_rule(g: Tensor, input: Tensor, out: Tensor) -> Tensor:
    if input._array.dtype.kind != "c":
        return late.zeros_like(g)
    size = late.abs(input)
    grad = div(sub(g, mul(late.real(mul(g, conj(out))), out)), size)
    return late.where(late.eq(size, 0), late.zeros_like(grad), grad)


@unary(_sgn, lambda g: late.zeros_like(g), integers="keep", name="sign")
def _sign(input: Tensor) -> Tensor:
    """Sign of real numbers."""


def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1 according to the sign."""
    if input._array.dtype.kind == "c":
        raise RuntimeError("Unlike NumPy, torch.sign is not intended to support complex numbers. "
                           "Please use torch.sgn instead.")  # fmt: skip
    return _sign(input, out=out)


def _keep_integers(ufunc: Any) -> Any:
    def rounded(a: Any) -> Any:
        return a.copy() if a.dtype.kind in "iub" else ufunc(a)

    return rounded


@unary(_keep_integers(np.floor), lambda g: late.zeros_like(g), integers="keep")
def floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest integer not above each element."""


@unary(_keep_integers(np.ceil), lambda g: late.zeros_like(g), integers="keep")
def ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest integer not below each element."""


@unary(_keep_integers(np.trunc), lambda g: late.zeros_like(g), integers="keep")
def trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The integer part."""


@unary(_keep_integers(np.rint), lambda g: late.zeros_like(g), integers="keep", name="round")
def _round(input: Tensor) -> Tensor:
    """To the nearest integer, ties to even."""


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """To the nearest integer, ties to even; or to ``decimals`` places.

    Examples::

        >>> torch.round(torch.tensor([0.5, 1.5, 2.6]))
        tensor([0., 2., 3.])
    """
    if decimals == 0:
        return _round(input, out=out)
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        return div(_round(mul(input, factor)), factor, out=out)
    return mul(_round(div(input, factor)), factor, out=out)


def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The part after the decimal point, with the sign of the element."""
    return sub(input, trunc(input), out=out)


fix = trunc
arcsin, arccos, arctan = asin, acos, atan
arcsinh, arccosh, arctanh = asinh, acosh, atanh

BOTH = """
    acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil cos cosh
    exp exp2 expm1 fix floor frac log log10 log1p log2 reciprocal round rsqrt sgn sigmoid sign
    sin sinh sqrt square tan tanh trunc
"""
INPLACE = """
    acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil cos cosh
    exp exp2 expm1 fix floor frac log log10 log1p log2 reciprocal round rsqrt sgn sigmoid sign
    sin sinh sqrt square tan tanh trunc
"""
