"""Mathematical functions of float32, written in the loop IR's arithmetic.

Each function takes an expression and returns one, so that the interpreter, the simplifier and the
emitter need no special case, every lane runs the same instructions, and no C library is called.
Errors (in units in the last place, against float64) are kept as tests. NaN, infinities, signed
zeros and denormals come out as in C. Polynomials: Cephes (sin, cos, exp, expm1) and N. Juffa's
published single-precision erf, tanh and log; ``pow`` works in float64 inside.
"""

from collections.abc import Callable
from math import inf, log, nan, pi

from .loopir import (
    MATH,
    Expr,
    IRError,
    binary,
    bitcast,
    cast,
    compare,
    const,
    fma,
    maximum,
    minimum,
    rebuild,
    select,
    unary,
)

# 1.5 * 2**23: adding it rounds a small float to the nearest even integer, held in the low bits
_ROUND = 12582912.0
_ROUND_BITS = 0x4B400000
_ROUND64 = 6755399441055744.0  # 1.5 * 2**52
_ROUND64_BITS = 0x4338000000000000


def _abs(x: Expr) -> Expr:
    return unary("abs", x)


def _copysign(x: Expr, sign: Expr) -> Expr:
    return binary("copysign", x, sign)


def _poly(x: Expr, *coefficients: float) -> Expr:
    """Horner's rule, highest power first."""
    p: Expr = const(coefficients[0], x.dtype)
    for c in coefficients[1:]:
        p = fma(p, x, c)
    return p


def _round(x: Expr, scale: float) -> tuple[Expr, Expr]:
    """round(x * scale) as a float and as an i32; small values only."""
    t = fma(x, scale, _ROUND)
    return t - _ROUND, bitcast(t, "i32") - _ROUND_BITS


def _power_of_two(i: Expr) -> Expr:
    return bitcast((i + 127) << 23, "f32")


def _exp_reduce(x: Expr) -> tuple[Expr, Expr]:
    """r and i with exp(x) = exp(r) * 2**i and r at most log(2)/2 away from 0."""
    n, i = _round(x, 1.44269504)
    # log(2) in two parts; the first has few bits, so that n times it is exact
    return fma(n, -1.42860677e-6, fma(n, -0.693145752, x)), i


_EXP_TAIL = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)


def exp(x: Expr) -> Expr:
    """The exponential."""
    r, i = _exp_reduce(maximum(minimum(x, 89.0), -104.0))
    p = fma(_poly(r, *_EXP_TAIL), r * r, r) + 1.0
    half = i >> 1  # in two factors, so that denormal results round once
    return p * _power_of_two(half) * _power_of_two(i - half)


def exp_nonpositive(x: Expr) -> Expr:
    """exp for x <= 0, results below the smallest normal number becoming 0: for softmax."""
    r, i = _exp_reduce(maximum(x, -87.3))
    p = fma(_poly(r, *_EXP_TAIL), r * r, r) + 1.0
    return select(x < -87.3, 0.0, p * _power_of_two(i))


def expm1(x: Expr) -> Expr:
    """exp(x) - 1, accurate near 0."""
    r, i = _exp_reduce(maximum(minimum(x, 89.0), -25.0))
    p = fma(_poly(r, *_EXP_TAIL), r * r, r)
    s = _power_of_two(i - 1)  # half the scale: 2**128 is out of range
    y = fma(s, p, s - 0.5)
    return select(unary("abs", x) < 1e-8, x, y + y)


def _log_reduce(a: Expr) -> tuple[Expr, Expr]:
    """i and r with log(a) = i * log(2) + r, for a > 0."""
    denormal = a < 1.17549435e-38
    scaled = select(denormal, a * 8388608.0, a)
    start = select(denormal, const(-23.0, "f32"), 0.0)
    bits = bitcast(scaled, "i32")
    e = (bits - 0x3F2AAAAB) & -8388608
    f = bitcast(bits - e, "f32") - 1.0
    i = fma(cast(e, "f32"), 1.1920929e-07, start)
    q = f * f
    r = _poly(q, -0.130310059, -0.121483445, -0.166846052, -0.249996200)
    t = _poly(q, 0.140869141, 0.139814854, 0.200120345)
    r = fma(fma(fma(t, f, r), f, 0.333331972), f, -0.5)
    return i, fma(r, q, f)


def _log_ends(a: Expr, y: Expr) -> Expr:
    """``y`` with log's values at 0, infinity, NaN and below 0."""
    y = select(compare("eq", a, inf), inf, y)
    y = select(compare("eq", a, 0.0), -inf, y)
    return select(a >= 0.0, y, nan)


def log_(a: Expr) -> Expr:
    """The natural logarithm."""
    i, r = _log_reduce(a)
    return _log_ends(a, fma(i, log(2.0), r))


def log2_(a: Expr) -> Expr:
    """The logarithm to base 2."""
    i, r = _log_reduce(a)
    # 1/log(2) in two parts
    return _log_ends(a, fma(r, 1.4426950, fma(r, 1.0 / log(2.0) - 1.4426950216293335, i)))


def log10_(a: Expr) -> Expr:
    """The logarithm to base 10: log10(2) and 1/log(10) in two parts each."""
    i, r = _log_reduce(a)
    low = fma(
        i, log(2.0) / log(10.0) - 0.30102920532226562, r * (1.0 / log(10.0) - 0.4342944920063)
    )
    return _log_ends(a, fma(i, 0.30102920532226562, fma(r, 0.4342944920063, low)))


def log1p(x: Expr) -> Expr:
    """log(1 + x), accurate near 0: the rounding error of 1 + x is added back."""
    u = x + 1.0
    i, r = _log_reduce(u)
    # the error, smaller than u's own rounding; 0 where x is large
    error = select(x < 1e10, x - (u - 1.0), 0.0)
    y = fma(i, log(2.0), r + error / u)
    return select(_abs(x) < 1e-8, x, _log_ends(u, y))


def tanh(a: Expr) -> Expr:
    """The hyperbolic tangent."""
    t, q = _abs(a), a * a
    big = 1.0 - 2.0 / (exp(t + t) + 1.0)
    p = _poly(q, 1.57394409e-2, -5.23025580e-2, 1.33152470e-1, -3.33327681e-1)
    return _copysign(select(t > 0.55, big, fma(p * q, t, t)), a)


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + exp(-x))


def silu(x: Expr) -> Expr:
    """x * sigmoid(x)."""
    return x / (1.0 + exp(-x))


def erf(a: Expr) -> Expr:
    """The error function."""
    t, q = _abs(a), a * a
    r = fma(const(-1.72853470e-5, "f32"), t, 3.83197126e-4)
    u = fma(const(-3.88396438e-3, "f32"), t, 2.42546219e-2)
    r = fma(r, q, u)
    for c in (-1.06777877e-1, -6.34846687e-1, -1.28717512e-1):
        r = fma(r, t, c)
    big = _copysign(1.0 - exp_nonpositive(fma(r, t, -t)), a)
    p = _poly(
        q,
        -5.96761703e-4,
        4.99119423e-3,
        -2.67681349e-2,
        1.12819925e-1,
        -3.76125336e-1,
        1.28379166e-1,
    )
    return select(t > 0.927734375, big, fma(p, a, a))


# exp(x*x/2) * (1 - cdf(x)) / u as a polynomial in u - 1, where u = 1 / (1 + 0.35 x), 0 <= x < 14.5:
# a least squares fit with weights moved towards equal relative errors, 3.2e-8 at most
_TAIL = (
    -2.915795597e-02,
    -8.923239634e-02,
    -6.404367189e-02,
    1.609317282e-02,
    -6.416883157e-02,
    -1.026394697e-01,
    2.610450767e-01,
    6.398319879e-01,
    4.999999840e-01,
)


def normal_cdf(x: Expr) -> Expr:
    """(1 + erf(x / sqrt(2))) / 2, accurate in the left tail too."""
    t = minimum(_abs(x), 14.0) * 0.35
    u = 1.0 / (t + 1.0)
    tail = (_poly(-t * u, *_TAIL) * u) * exp_nonpositive(x * x * -0.5)
    return select(x < 0.0, tail, 1.0 - tail)


def gelu(x: Expr) -> Expr:
    """x * (1 + erf(x / sqrt(2))) / 2."""
    return x * normal_cdf(x)


def gelu_tanh(x: Expr) -> Expr:
    """The approximation of gelu by tanh, written as x * sigmoid(2 u), which does not cancel."""
    u = fma((x * x) * x, 0.044715, x) * (2.0 * (2.0 / pi) ** 0.5)
    return x / (1.0 + exp(-u))


def softplus(x: Expr) -> Expr:
    """log(1 + exp(x)); x itself above 20."""
    return select(x > 20.0, x, log1p(exp(minimum(x, 20.0))))


# beyond this, the reduction by three parts of pi/2 is no longer exact
TRIGONOMETRIC_LIMIT = 1.0e6
# pi/2 in parts of 33 bits (fdlibm)
_PIO2 = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21)


def _sincos(x: Expr, quadrant: int) -> Expr:
    """sin(x + quadrant * pi/2); callers must treat |x| > TRIGONOMETRIC_LIMIT elsewhere."""
    wide = cast(x, "f64")
    t = fma(wide, 2.0 / pi, _ROUND64)
    n = t - _ROUND64
    k = cast(bitcast(t, "i64") - _ROUND64_BITS, "i32") + quadrant
    for part in _PIO2:
        wide = wide - n * part
    r = cast(wide, "f32")
    q = r * r
    sine = fma(_poly(q, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1) * q, r, r)
    p = _poly(q, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
    cosine = fma(p, q * q, fma(q, -0.5, 1.0))
    value = select(compare("eq", k & 1, 0), sine, cosine)
    return bitcast(bitcast(value, "i32") ^ ((k & 2) << 30), "f32")


def sin(x: Expr) -> Expr:
    """The sine, for |x| up to TRIGONOMETRIC_LIMIT."""
    return select(compare("eq", x, 0.0), x, _sincos(x, 0))


def cos(x: Expr) -> Expr:
    """The cosine, for |x| up to TRIGONOMETRIC_LIMIT."""
    return _sincos(x, 1)


def _log2_wide(a: Expr) -> Expr:
    """log2 of a positive, finite, normal f64, to about 1e-12."""
    bits = bitcast(a, "i64")
    e = (bits - 0x3FE6A09E667F3BCD) >> 52
    m = bitcast(bits - (e << 52), "f64")
    s = (m - 1.0) / (m + 1.0)
    scale = 2.0 / log(2.0)
    p = _poly(s * s, *(scale / k for k in (13, 11, 9, 7, 5, 3, 1)))
    return fma(p, s, cast(e, "f64"))


def _exp2_wide(w: Expr) -> Expr:
    """2**w in f64, for |w| < 1000."""
    t = w + _ROUND64
    f = w - (t - _ROUND64)
    n = bitcast(t, "i64") - _ROUND64_BITS
    terms, term = [1.0], 1.0
    for k in range(1, 10):
        term *= log(2.0) / k
        terms.append(term)
    return _poly(f, *reversed(terms)) * bitcast((n + 1023) << 52, "f64")


def power(x: Expr, y: Expr) -> Expr:
    """x**y as C's pow: computed in f64, rounded once."""
    a = _abs(x)
    w = cast(y, "f64") * _log2_wide(cast(a, "f64"))
    # the end values: 0, 1 and infinity to any power
    above = compare("eq", a > 1.0, y > 0.0)
    ends = compare("eq", a, 0.0) | compare("eq", a, inf) | compare("eq", _abs(y), inf)
    w = select(ends, select(above, const(200.0, "f64"), -200.0), maximum(minimum(w, 200.0), -200.0))
    w = select(compare("eq", a, 1.0), 0.0, w)
    size = cast(_exp2_wide(w), "f32")
    integer = compare("eq", unary("floor", y), y)
    half = y * 0.5
    odd = integer & compare("ne", unary("floor", half), half)
    signed = select(odd, _copysign(size, x), size)
    bad = (x < 0.0) & compare("eq", integer, const(0, "b1")) & (a < inf)
    y_value = select(bad, nan, signed)
    y_value = select(compare("eq", x, x) & compare("eq", y, y), y_value, x + y)
    return select(compare("eq", y, 0.0) | compare("eq", x, 1.0), 1.0, y_value)


def rsqrt(x: Expr) -> Expr:
    """1 / sqrt(x)."""
    return 1.0 / unary("sqrt", x)


_FUNCTIONS: dict[str, Callable[..., Expr]] = {
    "exp": exp,
    "exp_nonpositive": exp_nonpositive,
    "expm1": expm1,
    "log": log_,
    "log2": log2_,
    "log10": log10_,
    "log1p": log1p,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "erf": erf,
    "sin": sin,
    "cos": cos,
    "rsqrt": rsqrt,
    "pow": power,
    "silu": silu,
    "gelu": gelu,
    "normal_cdf": normal_cdf,
    "gelu_tanh": gelu_tanh,
    "softplus": softplus,
}

_WIDE = ("rsqrt",)  # written in arithmetic that is right for float64 too


def expand(e: Expr, memo: dict[Expr, Expr]) -> Expr:
    """``e`` with every function of ``MATH`` written in arithmetic; the caller keeps ``memo``."""
    found = memo.get(e)
    if found is None:
        found = rebuild(e, tuple(expand(a, memo) for a in e.args))
        if found.op in MATH:
            if found.dtype != "f32" and found.op not in _WIDE:
                raise IRError(f"{found.op} of {found.dtype}: only f32 is written")
            found = expand(_FUNCTIONS[found.op](*found.args), memo)
        memo[e] = found
    return found
