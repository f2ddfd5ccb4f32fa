"""erf and the normal distribution of float64, one native pass each.

The rational approximations are those of ``special_functions`` (FreeBSD's msun); the exponential is
its Taylor polynomial after the usual reduction.
"""

from __future__ import annotations

from functools import partial
from math import factorial, log, sqrt

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Expr, bitcast, cast, const, fma, maximum, minimum, select

from . import special_functions as plain
from ._native import flat, native

_native = partial(native, __name__)
_ROUND, _ROUND_BITS = 6755399441055744.0, 0x4338000000000000  # 1.5 * 2**52
_LOG2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)  # log(2) in two parts (msun)
_SMALL, _MIDDLE, _TAIL, _END = 0.84375, 1.25, 1 / 0.35, 28.0


def _poly(coefficients: tuple[float, ...], x: Expr) -> Expr:
    """The polynomial, lowest power first."""
    total: Expr = const(coefficients[-1], "f64")
    for c in coefficients[-2::-1]:
        total = fma(total, x, c)
    return total


def _exp(x: Expr) -> Expr:
    """The exponential for -2000 < x < 700."""
    t = fma(x, 1 / log(2.0), _ROUND)
    n, i = t - _ROUND, bitcast(t, "i64") - _ROUND_BITS
    r = fma(n, -_LOG2[1], fma(n, -_LOG2[0], x))
    p = _poly(tuple(1 / factorial(k) for k in range(14)), r)
    i = maximum(i, -2000)
    half = i >> 1  # in two factors, so that the smallest results round once
    return p * bitcast((half + 1023) << 52, "f64") * bitcast((i - half + 1023) << 52, "f64")


def _ratio(a: Expr, t: Expr) -> Expr:
    """The rational function that belongs to ``a`` = abs(x); ``t`` is ``a`` in the tail's range."""
    s = 1.0 / (t * t)
    tops = ((plain._PP, a * a), (plain._PA, a - 1.0), (plain._RA, s), (plain._RB, s))
    bottoms = ((plain._QQ, a * a), (plain._QA, a - 1.0), (plain._SA, s), (plain._SB, s))

    def chosen(parts: tuple[tuple[tuple[float, ...], Expr], ...]) -> Expr:
        first, second, third, fourth = (_poly(c, x) for c, x in parts)
        outer = select(t < _TAIL, third, fourth)
        return select(a < _SMALL, first, select(a < _MIDDLE, second, outer))

    return chosen(tops) / chosen(bottoms)


def _parts(x: Expr) -> tuple[Expr, Expr, Expr]:
    """abs(x), the ratio, and erfc(abs(x)) for the tail."""
    a = ir.unary("abs", x)
    t = minimum(maximum(a, _MIDDLE), _END)
    ratio = _ratio(a, t)
    # The square is split so that its rounding does not count.
    high = cast(cast(t, "f32"), "f64")
    tail = _exp(-high * high - 0.5625) * _exp((high - t) * (high + t) + ratio) / t
    return a, ratio, tail


def _erf(x: Expr) -> Expr:
    a, ratio, tail = _parts(x)
    large = select(a < _MIDDLE, ratio + plain._ERX, 1.0 - tail)
    large = ir.binary("copysign", select(a >= 6.0, 1.0, large), x)
    value = select(a < _SMALL, fma(x, ratio, x), large)
    return select(ir.compare("eq", x, x), value, x)


def _normal_cdf(v: Expr) -> Expr:
    """erfc(-v / sqrt(2)) / 2."""
    x = v * -sqrt(0.5)
    a, ratio, tail = _parts(x)
    tail = select(a > _END, 0.0, tail)
    positive = x > 0.0
    middle = ratio + plain._ERX
    middle = select(positive, 1.0 - middle, middle + 1.0)
    large = select(a < _MIDDLE, middle, select(positive, tail, 2.0 - tail))
    value = select(a < _SMALL, 1.0 - fma(x, ratio, x), large) * 0.5
    return select(ir.compare("eq", v, v), value, v)


def _plain_erf(x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(plain.erf(x))


def _plain_normal_cdf(x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(0.5 * plain.erfc(x * -sqrt(0.5)))


_SIGNATURE = "x: f64[...s] -> out: f64[...s]; call x, out, s; work s"
erf = _native("erf", _SIGNATURE, flat(["x"], _erf, output="f64", dtype="f64"), _plain_erf)
normal_cdf = _native(
    "normal_cdf",
    _SIGNATURE,
    flat(["x"], _normal_cdf, output="f64", dtype="f64"),
    _plain_normal_cdf,
)
