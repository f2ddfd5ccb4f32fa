"""Special functions with their gradients: error functions, the gamma family, Bessel functions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.quiet import quiet
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor
from rushlight.kernels import special_functions as values
from rushlight.ops._dispatch import write_out
from rushlight.ops._elementwise import binary, kernel, unary
from rushlight.ops._late import late
from rushlight.ops._primitive import NotDifferentiable, Primitive, apply1
from rushlight.ops._promote import cast, result_type
from rushlight.ops.elementwise import add, div, mul, neg, sub
from rushlight.ops.pointwise import exp, log, log1p

NO_RULE = NotDifferentiable("PyTorch defines no gradient for it either")


def wide(name: str) -> Callable[..., Any]:
    """The function ``name`` of ``kernels.special_functions``, computed in float64."""

    def eager(*arrays: Any) -> Any:
        kind = np.result_type(*arrays)
        function = getattr(values, name)
        found = function(*[np.asarray(a, np.float64) for a in arrays])
        return np.asarray(found).astype(kind)

    eager.__name__ = name
    return eager


@unary(
    kernel("elementwise.erf"),
    lambda g, input: g * mul(exp(neg(input * input)), 2 / math.sqrt(math.pi)),
)
def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    r"""Error function, :math:`\frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt`.

    Examples::

        >>> torch.erf(torch.tensor([0., 1.]))
        tensor([0.0000, 0.8427])
    """


@unary(wide("erfc"), lambda g, input: g * mul(exp(neg(input * input)), -2 / math.sqrt(math.pi)))
def erfc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 - erf(x)``, accurate where that is small."""


@unary(
    wide("erfcx"),
    lambda g, input, out: g * sub(mul(input * out, 2), 2 / math.sqrt(math.pi)),
    name="special_erfcx",
)
def erfcx(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(x**2) * erfc(x)``."""


@unary(wide("erfinv"), lambda g, out: g * mul(exp(out * out), math.sqrt(math.pi) / 2))
def erfinv(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of :func:`erf`."""


@unary(
    wide("ndtri"),
    lambda g, out: g * mul(exp(mul(out * out, 0.5)), math.sqrt(2 * math.pi)),
    name="special_ndtri",
)
def ndtri(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The quantile function of the standard normal distribution."""


def _floating(input: Tensor) -> Tensor:
    return cast(input, defaults.dtype) if input.dtype.category < dtypes.FLOATING else input


def _to_out(result: Tensor, out: Tensor | None) -> Tensor:
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The distribution function of the standard normal distribution."""
    x = mul(_floating(input), math.sqrt(0.5))
    tail = mul(erfc(late.abs(x)), 0.5)
    middle = mul(add(erf(x), 1), 0.5)
    far = late.where(late.lt(x, 0), tail, sub(1, tail))
    return _to_out(late.where(late.lt(late.abs(x), 1), middle, far), out)


def _log_ndtr(x: Any) -> Any:
    low = np.minimum(x, -1)
    tail = np.log(values.erfcx(-low / math.sqrt(2)) / 2) - low * low / 2
    return np.where(x < -1, tail, np.log1p(-values.erfc(np.maximum(x, -1) / math.sqrt(2)) / 2))


def _log_ndtr_eager(a: Any) -> Any:
    return _log_ndtr(a.astype(np.float64)).astype(a.dtype)


@unary(
    _log_ndtr_eager,
    lambda g, input: div(g, mul(erfcx(mul(input, -math.sqrt(0.5))), math.sqrt(math.pi / 2))),
    name="special_log_ndtr",
)
def log_ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of :func:`ndtr`, accurate in the tail."""


def entr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``-x log(x)``; 0 at 0 and -inf below."""
    x = _floating(input)
    positive = late.gt(x, 0)
    value = neg(x * log(late.where(positive, x, late.ones_like(x))))
    low = late.where(late.eq(x, 0), late.zeros_like(x), late.full_like(x, float("-inf")))
    low = late.where(late.isnan(x), x, low)
    return _to_out(late.where(positive, value, low), out)


def xlog1py(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """``input * log1p(other)``, 0 where ``input`` is 0 (unless ``other`` is NaN)."""
    factor, argument = _pair(input, other)
    zero = late.logical_and(late.eq(factor, 0), late.logical_not(late.isnan(argument)))
    product = factor * log1p(argument)
    return _to_out(late.where(zero, late.zeros_like(product), product), out)


def _pair(input: Any, other: Any) -> tuple[Tensor, Tensor]:
    to = result_type(input, other)
    to = to if to.category >= dtypes.FLOATING else defaults.dtype
    a, b = (
        cast(x, to) if isinstance(x, Tensor) else late.scalar_tensor(x, dtype=to)
        for x in (input, other)
    )
    a, b = late.broadcast_tensors(a, b)
    return a, b


# the gamma family -----------------------------------------------------------------------------


@unary(wide("lgamma"), lambda g, input: g * digamma(input))
def lgamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the magnitude of the gamma function."""


@unary(wide("digamma"), lambda g, input: g * polygamma(1, input))
def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithmic derivative of the gamma function."""


@quiet
def _polygamma(a: Any, n: int) -> Any:
    return values.polygamma(n, a.astype(np.float64)).astype(a.dtype)


POLYGAMMA = Primitive(
    "polygamma",
    _polygamma,
    params=("n",),
    vjp={"input": lambda g, input, n: g * polygamma(n + 1, input)},
)


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The ``n``-th derivative of :func:`digamma`."""
    if isinstance(n, Tensor):  # the method: input.polygamma(n)
        n, input = input, n  # type: ignore[assignment]
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return _to_out(apply1(POLYGAMMA, _floating(input), int(n)), out)


def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    x = _floating(input)
    offsets = late.arange(-p + 1, 1, dtype=x.dtype) / 2
    total = late.sum(lgamma(add(late.unsqueeze(x, -1), offsets)), -1)
    return _to_out(add(total, p * (p - 1) / 4 * math.log(math.pi)), out)


def _igamma_rule(g: Tensor, input: Tensor, other: Tensor) -> Tensor:
    return g * exp(sub(sub(mul(sub(input, 1), log(other)), other), lgamma(input)))


def _no_gradient(name: str) -> Callable[..., Tensor]:
    def rule(g: Tensor) -> Tensor:
        raise NotImplementedError(f"the derivative for '{name}: input' is not implemented.")

    return rule


@binary(wide("gammainc"), {"input": _no_gradient("igamma"), "other": _igamma_rule},
        float_result=True)  # fmt: skip
def igamma(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised lower incomplete gamma function P(input, other)."""


@binary(wide("gammaincc"), {
    "input": _no_gradient("igammac"),
    "other": lambda g, input, other: neg(_igamma_rule(g, input, other)),
}, float_result=True)  # fmt: skip
def igammac(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised upper incomplete gamma function Q(input, other)."""


@binary(
    wide("zeta"),
    {
        "input": _no_gradient("zeta"),
        "other": lambda g, input, other: neg(g * input * zeta(add(input, 1), other)),
    },
    float_result=True,
    name="special_zeta",
)
def zeta(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """The Hurwitz zeta function."""


# Bessel functions -----------------------------------------------------------------------------


@unary(wide("i0"), lambda g, input: g * i1(input))
def i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind, order 0."""


def _i1_rule(g: Tensor, input: Tensor, out: Tensor) -> Tensor:
    safe = late.where(late.eq(input, 0), late.ones_like(input), input)
    slope = sub(i0(safe), div(out, safe))
    return g * late.where(late.eq(input, 0), late.full_like(input, 0.5), slope)


@unary(wide("i1"), _i1_rule, name="special_i1")
def i1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind, order 1."""


@unary(
    wide("i0e"),
    lambda g, input, out: g * sub(i1e(input), late.sgn(input) * out),
    name="special_i0e",
)
def i0e(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(-|x|) i0(x)``."""


def _i1e_rule(g: Tensor, input: Tensor, out: Tensor) -> Tensor:
    safe = late.where(late.eq(input, 0), late.ones_like(input), input)
    slope = sub(i0e(safe), out * add(late.sgn(safe), late.reciprocal(safe)))
    return g * late.where(late.eq(input, 0), late.full_like(input, 0.5), slope)


@unary(wide("i1e"), _i1e_rule, name="special_i1e")
def i1e(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(-|x|) i1(x)``."""


def _without_gradient(name: str, of: str, summary: str) -> Callable[..., Tensor]:
    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    function.__name__ = function.__qualname__ = name
    function.__doc__ = summary + " It has no gradient."
    return unary(wide(of), NO_RULE, name=f"special_{name}")(function)


bessel_j0 = _without_gradient("bessel_j0", "j0", "Bessel function of the first kind, order 0.")
bessel_j1 = _without_gradient("bessel_j1", "j1", "Bessel function of the first kind, order 1.")
bessel_y0 = _without_gradient("bessel_y0", "y0", "Bessel function of the second kind, order 0.")
bessel_y1 = _without_gradient("bessel_y1", "y1", "Bessel function of the second kind, order 1.")
modified_bessel_i0 = _without_gradient("modified_bessel_i0", "i0", "The same as :func:`i0`.")
modified_bessel_i1 = _without_gradient("modified_bessel_i1", "i1", "The same as :func:`i1`.")
modified_bessel_k0 = _without_gradient(
    "modified_bessel_k0", "k0", "Modified Bessel function of the second kind, order 0."
)
modified_bessel_k1 = _without_gradient(
    "modified_bessel_k1", "k1", "Modified Bessel function of the second kind, order 1."
)
scaled_modified_bessel_k0 = _without_gradient(
    "scaled_modified_bessel_k0", "k0e", "exp(x) times the modified Bessel function K0."
)
scaled_modified_bessel_k1 = _without_gradient(
    "scaled_modified_bessel_k1", "k1e", "exp(x) times the modified Bessel function K1."
)
airy_ai = _without_gradient("airy_ai", "airy_ai", "The Airy function Ai.")


def _spherical(a: Any) -> Any:
    x = a.astype(np.float64)
    safe = np.where(np.abs(x) < 1e-4, 1.0, x)
    near = 1 - x * x / 6
    out = np.where(np.abs(x) < 1e-4, near, np.sin(safe) / safe)
    return np.where(np.isinf(x), 0.0, out).astype(a.dtype)


@unary(_spherical, NO_RULE, name="special_spherical_bessel_j0")
def spherical_bessel_j0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Spherical Bessel function of the first kind, order 0: sin(x) / x. It has no gradient."""


def _polynomial(name: str, of: str, shifted: bool = False) -> Callable[..., Tensor]:
    def eager(x: Any, n: Any) -> Any:
        kind = np.result_type(x, n)
        wide_x = np.asarray(x, np.float64)
        if shifted:
            wide_x = 2 * wide_x - 1
        return np.asarray(getattr(values, of)(wide_x, np.asarray(n, np.float64))).astype(kind)

    def function(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    function.__name__ = function.__qualname__ = name
    title = name.removesuffix("_" + name.rpartition("_")[2]).replace("_", " ")
    function.__doc__ = f"The {title} of degree ``n`` at ``input``. It has no gradient."
    made = binary(eager, NO_RULE, float_result=True, name=f"special_{name}")(function)

    def polynomial(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
        return made(input, n, out=out)

    polynomial.__name__ = polynomial.__qualname__ = name
    polynomial.__doc__ = function.__doc__
    return polynomial


chebyshev_polynomial_t = _polynomial("chebyshev_polynomial_t", "chebyshev_t")
chebyshev_polynomial_u = _polynomial("chebyshev_polynomial_u", "chebyshev_u")
chebyshev_polynomial_v = _polynomial("chebyshev_polynomial_v", "chebyshev_v")
chebyshev_polynomial_w = _polynomial("chebyshev_polynomial_w", "chebyshev_w")
hermite_polynomial_h = _polynomial("hermite_polynomial_h", "hermite_h")
hermite_polynomial_he = _polynomial("hermite_polynomial_he", "hermite_he")
laguerre_polynomial_l = _polynomial("laguerre_polynomial_l", "laguerre_l")
legendre_polynomial_p = _polynomial("legendre_polynomial_p", "legendre_p")
shifted_chebyshev_polynomial_t = _polynomial("shifted_chebyshev_polynomial_t", "chebyshev_t", True)
shifted_chebyshev_polynomial_u = _polynomial("shifted_chebyshev_polynomial_u", "chebyshev_u", True)
shifted_chebyshev_polynomial_v = _polynomial("shifted_chebyshev_polynomial_v", "chebyshev_v", True)
shifted_chebyshev_polynomial_w = _polynomial("shifted_chebyshev_polynomial_w", "chebyshev_w", True)
