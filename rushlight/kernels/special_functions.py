"""Special functions on float64 arrays, in NumPy: no library has to be installed for them.

Sources: erf and erfc are the rational approximations of FreeBSD's msun (s_erf.c, Sun Microsystems,
1993); the gamma family uses Stirling's series with Bernoulli numbers after a shift (Abramowitz and
Stegun 6.1, 6.3, 6.4); the incomplete gamma function its series and Legendre's continued fraction
(6.5); Bessel functions their integrals by the trapezoidal rule, which converges geometrically for
periodic or doubly exponential integrands (Trefethen and Weideman 2014), and Hankel's asymptotic
series (9.2, 9.7) for large arguments; the inverse normal distribution starts from Acklam's rational
approximation and is refined by Newton's method.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # np.ndarray of float64; NumPy's stubs give Any for most of what is computed here
_SQRT_PI = math.sqrt(math.pi)
_EULER = 0.5772156649015329

# erf: small |x|, near 1, and two ranges of the tail
_PP = (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
       -5.77027029648944159157e-03, -2.37630166566501626084e-05)  # fmt: skip
_QQ = (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
       1.32494738004321644526e-04, -3.96022827877536812320e-06)  # fmt: skip
_ERX = 8.45062911510467529297e-01
_PA = (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
       3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
       -2.16637559486879084300e-03)  # fmt: skip
_QA = (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
       1.26171219808761642112e-01, 1.36370839120290507362e-02,
       1.19844998467991074170e-02)  # fmt: skip
_RA = (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e01,
       -6.23753324503260060396e01, -1.62396669462573470355e02, -1.84605092906711035994e02,
       -8.12874355063065934246e01, -9.81432934416914548592e00)  # fmt: skip
_SA = (1.0, 1.96512716674392571292e01, 1.37657754143519042600e02, 4.34565877475229228821e02,
       6.45387271733267880336e02, 4.29008140027567833386e02, 1.08635005541779435134e02,
       6.57024977031928170135e00, -6.04244152148580987438e-02)  # fmt: skip
_RB = (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e01,
       -1.60636384855821916062e02, -6.37566443368389627722e02, -1.02509513161107724954e03,
       -4.83519191608651397019e02)  # fmt: skip
_SB = (1.0, 3.03380607434824582924e01, 3.25792512996573918826e02, 1.53672958608443695994e03,
       3.19985821950859553908e03, 2.55305040643316442583e03, 4.74528541206955367215e02,
       -2.24409524465858183362e01)  # fmt: skip


def _poly(coefficients: tuple[float, ...], x: Array) -> Array:
    out = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        out = out * x + c
    return out


def _erfc_scaled(x: Array) -> Array:
    """erfc(x) exp(x**2) for x >= 1.25."""
    s = 1 / (x * x)
    first = _poly(_RA, s) / _poly(_SA, s)
    second = _poly(_RB, s) / _poly(_SB, s)
    return np.exp(-0.5625 + np.where(x < 1 / 0.35, first, second)) / x


def _erfc_tail(x: Array) -> Array:
    """erfc(x) for x >= 1.25; the square is split so that its rounding does not count."""
    high = x.astype(np.float32).astype(np.float64)
    return np.exp(-high * high) * np.exp((high - x) * (high + x)) * _erfc_scaled(x)


def erf(x: Array) -> Array:
    """The error function."""
    a = np.abs(x)
    small = x + x * (_poly(_PP, a * a) / _poly(_QQ, a * a))
    s = a - 1
    middle = _ERX + _poly(_PA, s) / _poly(_QA, s)
    tail = 1 - _erfc_tail(np.clip(a, 1.25, 28))
    large = np.copysign(np.where(a < 1.25, middle, np.where(a >= 6, 1.0, tail)), x)
    return np.where(a < 0.84375, small, np.where(np.isnan(x), x, large))


def erfc(x: Array) -> Array:
    """1 - erf(x), accurate where that is small."""
    a = np.abs(x)
    small = 1 - erf(np.clip(x, -0.84375, 0.84375))
    s = a - 1
    ratio = _poly(_PA, s) / _poly(_QA, s)
    middle = np.where(x > 0, 1 - _ERX - ratio, 1 + (_ERX + ratio))
    tail = np.where(a > 28, 0.0, _erfc_tail(np.clip(a, 1.25, 28)))
    large = np.where(x > 0, tail, 2 - tail)
    out = np.where(a < 0.84375, small, np.where(a < 1.25, middle, large))
    return np.where(np.isnan(x), x, out)


def erfcx(x: Array) -> Array:
    """exp(x**2) erfc(x)."""
    a = np.clip(x, 1.25, 25)
    big = np.maximum(x, 25)
    inverse = 1 / (big * big)
    series = 1 - inverse / 2 * (1 - 1.5 * inverse * (1 - 2.5 * inverse * (1 - 3.5 * inverse)))
    huge = series / (big * _SQRT_PI)
    low = np.minimum(x, 1.25)
    return np.where(
        x < 1.25, np.exp(low * low) * erfc(low), np.where(x < 25, _erfc_scaled(a), huge)
    )


_ACKLAM = (
    (2.506628277459239, -30.66479806614716, 138.3577518672690, -275.9285104469687,
     220.9460984245205, -39.69683028665376),
    (1.0, -13.28068155288572, 66.80131188771972, -155.6989798598866, 161.5858368580409,
     -54.47609879822406),
    (2.938163982698783, 4.374664141464968, -2.549732539343734, -2.400758277161838,
     -0.3223964580411365, -0.007784894002430293),
    (1.0, 3.754408661907416, 2.445134137142996, 0.3224671290700398, 0.007784695709041462),
)  # fmt: skip


def ndtri(p: Array) -> Array:
    """The quantile function of the standard normal distribution."""
    q = np.minimum(p, 1 - p)
    tiny = np.clip(q, 1e-320, 0.5)
    r = p - 0.5
    central = r * _poly(_ACKLAM[0], r * r) / _poly(_ACKLAM[1], r * r)
    t = np.sqrt(-2 * np.log(tiny))
    tail = _poly(_ACKLAM[2], t) / _poly(_ACKLAM[3], t)
    x = np.where(q < 0.02425, tail, -np.abs(central))  # the left half
    for _ in range(3):
        error = (0.5 * erfc(-x / math.sqrt(2)) - tiny) * math.sqrt(2 * math.pi)
        step = error * np.exp(np.minimum(x * x / 2, 700))
        x = x - step / (1 + x * step / 2)
    out = np.where(p > 0.5, -x, x)
    out = np.where(p == 0.5, 0.0, out)
    out = np.where(p == 0, -np.inf, np.where(p == 1, np.inf, out))
    return np.where((p < 0) | (p > 1) | np.isnan(p), np.nan, out)


def erfinv(x: Array) -> Array:
    """The inverse of erf."""
    y = ndtri((np.clip(x, -1, 1) + 1) / 2) / math.sqrt(2)
    y = np.where(np.abs(x) < 0.5, x * (_SQRT_PI / 2) * (1 + math.pi / 12 * x * x), y)
    inside = np.abs(x) < 1
    for _ in range(4):
        step = (erf(np.where(inside, y, 0)) - x) * (_SQRT_PI / 2) * np.exp(np.minimum(y * y, 700))
        y = np.where(inside, y - step / (1 + y * step), y)
    return np.where(np.abs(x) > 1, np.nan, y)


# the gamma family -----------------------------------------------------------------------------

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 10


def lgamma(x: Array) -> Array:
    """The logarithm of the magnitude of the gamma function."""
    reflected = x < 0.5
    z = np.where(reflected, 1 - x, x)
    product = np.ones_like(z)
    low = z < _SHIFT
    y = z.copy()
    for _ in range(_SHIFT):
        move = low & (y < _SHIFT)
        product = np.where(move, product * y, product)
        y = np.where(move, y + 1, y)
    inverse = 1 / y
    series = np.zeros_like(y)
    for k in range(len(_BERNOULLI), 0, -1):
        series = series * inverse * inverse + _BERNOULLI[k - 1] / (2 * k * (2 * k - 1))
    out = (y - 0.5) * np.log(y) - y + 0.5 * math.log(2 * math.pi) + series * inverse
    out = out - np.log(product)
    sine = np.abs(np.sin(math.pi * (x - np.floor(x))))
    out = np.where(reflected, math.log(math.pi) - np.log(sine) - out, out)
    out = np.where((x == 1) | (x == 2), 0.0, out)
    out = np.where((x <= 0) & (x == np.floor(x)), np.inf, out)
    return np.where(np.isinf(x), np.inf, out)


def digamma(x: Array) -> Array:
    """The logarithmic derivative of the gamma function."""
    reflected = x < 0
    z = np.where(reflected, 1 - x, x)
    out = np.zeros_like(z)
    y = z.copy()
    for _ in range(_SHIFT):
        move = y < _SHIFT
        out = np.where(move, out - 1 / y, out)
        y = np.where(move, y + 1, y)
    inverse = 1 / (y * y)
    series = np.zeros_like(y)
    for k in range(len(_BERNOULLI), 0, -1):
        series = (series + _BERNOULLI[k - 1] / (2 * k)) * inverse
    out = out + np.log(y) - 0.5 / y - series
    part = x - np.floor(x)
    out = np.where(reflected, out - math.pi / np.tan(math.pi * part), out)
    out = np.where(reflected & (part == 0), np.nan, out)
    return np.where(x == 0, np.copysign(np.inf, -x), out)


def zeta(s: Array, q: Array) -> Array:
    """The Hurwitz zeta function, by Euler and Maclaurin's formula."""
    s, q = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(q, np.float64))
    shift = 12
    steps = np.where(q < 0, np.floor(-q), 0) + shift
    total = np.zeros(q.shape)
    most = int(steps.max()) if steps.size and np.isfinite(steps).all() else shift
    for k in range(most):
        total = total + np.where(k < steps, np.abs(q + k) ** -s * _parity(q + k, s), 0)
    y = q + steps
    total = total + y ** (1 - s) / (s - 1) + 0.5 * y**-s
    factor, power = s.copy(), y ** (-s - 1)
    for k in range(1, len(_BERNOULLI) + 1):
        total = total + _BERNOULLI[k - 1] / math.factorial(2 * k) * factor * power
        factor = factor * (s + 2 * k - 1) * (s + 2 * k)
        power = power / (y * y)
    total = np.where(s == 1, np.inf, np.where(s < 1, np.nan, total))
    pole = (q <= 0) & (q == np.floor(q)) & (s > 1)
    total = np.where((q < 0) & (s != np.floor(s)) & ~pole, np.nan, total)
    return np.where(pole, np.inf, total)


def _parity(base: Array, s: Array) -> Array:
    """The sign of ``base ** -s`` for an integer ``s``."""
    return np.where((base < 0) & (np.remainder(s, 2) == 1), -1.0, 1.0)


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of digamma."""
    if n == 0:
        return digamma(x)
    return (-1.0) ** (n + 1) * math.factorial(n) * zeta(np.full(x.shape, n + 1.0), x)


def gammainc(a: Array, x: Array) -> Array:
    """The regularised lower incomplete gamma function."""
    return _incomplete(a, x)[0]


def gammaincc(a: Array, x: Array) -> Array:
    """The regularised upper incomplete gamma function."""
    return _incomplete(a, x)[1]


def _incomplete(a: Array, x: Array) -> tuple[Array, Array]:
    a, x = (np.array(v, np.float64) for v in np.broadcast_arrays(a, x))
    good = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    sa, sx = np.where(good, a, 1.0), np.where(good, x, 1.0)
    front = np.exp(sa * np.log(sx) - sx - lgamma(sa))
    low = sx < sa + 1
    lower = np.where(low, front * _gamma_series(sa, np.where(low, sx, 0.5)), 0)
    upper = np.where(low, 0, front * _gamma_fraction(sa, np.where(low, sa + 2, sx)))
    p, q = np.where(low, lower, 1 - upper), np.where(low, 1 - lower, upper)
    zero = (x == 0) & (a > 0)
    end = (np.isinf(x) & (a > 0) & np.isfinite(a)) | ((a == 0) & (x > 0))
    far = np.isinf(a) & (a > 0) & np.isfinite(x) & (x >= 0)
    p = np.where(good, p, np.where(zero | far, 0.0, np.where(end, 1.0, np.nan)))
    q = np.where(good, q, np.where(zero | far, 1.0, np.where(end, 0.0, np.nan)))
    return p, q


def _gamma_series(a: Array, x: Array) -> Array:
    term = 1 / a
    total, n = term.copy(), a.copy()
    for _ in range(5000):
        n = n + 1
        term = term * x / n
        total = total + term
        if not (np.abs(term) > np.abs(total) * 1e-17).any():
            break
    return total


def _gamma_fraction(a: Array, x: Array) -> Array:
    tiny = 1e-300
    b = x + 1 - a
    c, d = np.full_like(x, 1 / tiny), 1 / b
    h = d
    for i in range(1, 5000):
        an = -i * (i - a)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + an / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        change = d * c
        h = h * change
        if not (np.abs(change - 1) > 1e-16).any():
            break
    return h


# Bessel functions -----------------------------------------------------------------------------

_LARGE = 25.0  # from here on the asymptotic series are exact to rounding


def _modified(x: Array, order: int) -> Array:
    """exp(-|x|) I_order(x)."""
    a = np.abs(x)
    small = np.minimum(a, _LARGE)
    quarter = small * small / 4
    term = np.ones_like(small) if order == 0 else small / 2
    total = term.copy()
    for k in range(1, 90):
        term = term * quarter / (k * (k + order))
        total = total + term
    big = np.maximum(a, _LARGE)
    out = np.where(a < _LARGE, total * np.exp(-small), _asymptotic(big, order, -1) / np.sqrt(
        2 * math.pi * big))  # fmt: skip
    return np.where(x < 0, -out, out) if order == 1 else out


def _asymptotic(x: Array, order: float, sign: int) -> Array:
    """sum of sign**k a_k(order) / x**k (Abramowitz and Stegun 9.7.1 and 9.7.2)."""
    mu = 4.0 * order * order
    term, total = np.ones_like(x), np.ones_like(x)
    for k in range(1, 22):
        term = term * sign * (mu - (2 * k - 1) ** 2) / (8 * k * x)
        total = total + term
    return total


def i0e(x: Array) -> Array:
    """exp(-|x|) I0(x)."""
    return _modified(x, 0)


def i1e(x: Array) -> Array:
    """exp(-|x|) I1(x)."""
    return _modified(x, 1)


def i0(x: Array) -> Array:
    """Modified Bessel function of the first kind, order 0."""
    return _modified(x, 0) * np.exp(np.abs(x))


def i1(x: Array) -> Array:
    """Modified Bessel function of the first kind, order 1."""
    return _modified(x, 1) * np.exp(np.abs(x))


def _second_kind(x: Array, order: float, scaled: bool) -> Array:
    """K_order(x), times exp(x) if ``scaled``: the integral of exp(-x cosh t) cosh(order t)."""
    step = 1 / 16
    t = np.arange(0, 45, step)
    weight = np.full(t.shape, step)
    weight[0] = step / 2
    safe = np.where(x > 0, x, 1.0)[..., None]
    exponent = -safe * (np.cosh(t) - 1)
    values = np.exp(np.maximum(exponent, -745)) * (exponent > -745) * np.cosh(order * t)
    big = np.maximum(x, _LARGE)
    large = np.sqrt(math.pi / (2 * big)) * _asymptotic(big, order, 1)
    out = np.where(x < _LARGE, (values * weight).sum(-1), large)
    if not scaled:
        out = out * np.exp(-safe[..., 0])
    return np.where(x > 0, out, np.where(x == 0, np.inf, np.nan))


def k0(x: Array) -> Array:
    """Modified Bessel function of the second kind, order 0."""
    return _second_kind(x, 0, False)


def k1(x: Array) -> Array:
    """Modified Bessel function of the second kind, order 1."""
    return _second_kind(x, 1, False)


def k0e(x: Array) -> Array:
    """exp(x) K0(x)."""
    return _second_kind(x, 0, True)


def k1e(x: Array) -> Array:
    """exp(x) K1(x)."""
    return _second_kind(x, 1, True)


_ANGLES = np.arange(128) * (2 * math.pi / 128)


def _first_kind(x: Array, orders: list[int]) -> list[Array]:
    """J_n(x) for |x| <= 25, the mean of cos(n t - x sin t) over a period."""
    phase = x[..., None] * np.sin(_ANGLES)
    return [np.cos(n * _ANGLES - phase).mean(-1) for n in orders]


def _hankel(x: Array, order: int) -> tuple[Array, Array, Array]:
    """P, Q and the phase of the asymptotic expansions for large x."""
    mu = 4.0 * order * order
    p, q, term = np.ones_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(1, 22):
        term = term * (mu - (2 * k - 1) ** 2) / (8 * k * x)
        if k % 2:
            q = q + (term if k % 4 == 1 else -term)
        else:
            p = p + (term if k % 4 == 0 else -term)
    return p, q, x - (order / 2 + 0.25) * math.pi


def _bessel_j(x: Array, order: int) -> Array:
    a = np.abs(x)
    small = _first_kind(np.minimum(a, _LARGE), [order])[0]
    big = np.maximum(a, _LARGE)
    p, q, phase = _hankel(big, order)
    large = np.sqrt(2 / (math.pi * big)) * (p * np.cos(phase) - q * np.sin(phase))
    out = np.where(a < _LARGE, small, np.where(np.isinf(x), 0.0, large))
    return np.where(x < 0, -out, out) if order == 1 else out


def j0(x: Array) -> Array:
    """Bessel function of the first kind, order 0."""
    return _bessel_j(x, 0)


def j1(x: Array) -> Array:
    """Bessel function of the first kind, order 1."""
    return _bessel_j(x, 1)


def _bessel_y(x: Array, order: int) -> Array:
    """Neumann's series for small x (Abramowitz and Stegun 9.1.88), and its derivative."""
    small = np.clip(np.where(x > 0, x, 1.0), 1e-300, _LARGE)
    count = 30
    j = _first_kind(small, list(range(2 * count + 2)))
    log = np.log(small / 2) + _EULER
    if order == 0:
        series = sum((-1) ** k * j[2 * k] / k for k in range(1, count))
        value = 2 / math.pi * log * j[0] - 4 / math.pi * series
    else:
        series = sum((-1) ** k * (j[2 * k - 1] - j[2 * k + 1]) / (2 * k) for k in range(1, count))
        value = -2 / (math.pi * small) * j[0] + 2 / math.pi * log * j[1] + 4 / math.pi * series
    big = np.maximum(x, _LARGE)
    p, q, phase = _hankel(big, order)
    large = np.sqrt(2 / (math.pi * big)) * (p * np.sin(phase) + q * np.cos(phase))
    out = np.where(x < _LARGE, value, np.where(np.isinf(x), 0.0, large))
    return np.where(x > 0, out, np.where(x == 0, -np.inf, np.nan))


def y0(x: Array) -> Array:
    """Bessel function of the second kind, order 0."""
    return _bessel_y(x, 0)


def y1(x: Array) -> Array:
    """Bessel function of the second kind, order 1."""
    return _bessel_y(x, 1)


def airy_ai(x: Array) -> Array:
    """The Airy function Ai: a power series near 0, K_1/3 above, the asymptotic series below."""
    middle = np.clip(x, -8.0, 2.0)
    cube = middle**3
    f = g = np.ones_like(middle)
    tf, tg = f.copy(), middle.copy()
    f, g = tf.copy(), tg.copy()
    for k in range(1, 60):
        tf = tf * cube / ((3 * k - 1) * (3 * k))
        tg = tg * cube / ((3 * k) * (3 * k + 1))
        f, g = f + tf, g + tg
    near = 0.355028053887817239260 * f - 0.258819403792806798405 * g
    big = np.maximum(x, 2.0)
    above = np.sqrt(big / 3) / math.pi * _second_kind(2 / 3 * big**1.5, 1 / 3, False)
    a = np.maximum(-x, 8.0)
    z = 2 / 3 * a**1.5
    p, q, term = np.ones_like(z), np.zeros_like(z), np.ones_like(z)
    for k in range(1, 18):
        term = term * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1) * z)
        if k % 2:
            q = q + (term if k % 4 == 1 else -term)
        else:
            p = p + (term if k % 4 == 0 else -term)
    phase = z + math.pi / 4
    below = (p * np.sin(phase) - q * np.cos(phase)) / (_SQRT_PI * a**0.25)
    return np.where(x > 2, above, np.where(x < -8, below, near))


# orthogonal polynomials -----------------------------------------------------------------------

Step = Callable[[int, Array, Array, Array], Array]


def recurrence(
    name: str, first: Callable[[Array], Array], step: Step
) -> Callable[[Array, Array], Any]:
    """A function (x, n) from p_0 = 1, p_1 = first(x), p_(k+1) = step(k, x, p_k, p_(k-1))."""

    def polynomial(x: Array, n: Array) -> Array:
        x, n = np.broadcast_arrays(x, np.trunc(np.asarray(n, np.float64)))
        before, now = np.ones(x.shape), first(x)
        out = np.where(n == 0, 1.0, np.where(n < 0, 0.0, now))
        most = int(n.max()) if n.size else 0
        for k in range(1, most):
            before, now = now, step(k, x, now, before)
            out = np.where(n == k + 1, now, out)
        return out

    polynomial.__doc__ = f"The {name} of degree ``n`` at ``x`` (integer parts of ``n`` count)."
    return polynomial


chebyshev_t = recurrence(
    "Chebyshev polynomial of the first kind", lambda x: x, lambda k, x, p, o: 2 * x * p - o
)
chebyshev_u = recurrence(
    "Chebyshev polynomial of the second kind", lambda x: 2 * x, lambda k, x, p, o: 2 * x * p - o
)
chebyshev_v = recurrence(
    "Chebyshev polynomial of the third kind", lambda x: 2 * x - 1, lambda k, x, p, o: 2 * x * p - o
)
chebyshev_w = recurrence(
    "Chebyshev polynomial of the fourth kind", lambda x: 2 * x + 1, lambda k, x, p, o: 2 * x * p - o
)
hermite_h = recurrence(
    "Hermite polynomial (physicists')", lambda x: 2 * x, lambda k, x, p, o: 2 * x * p - 2 * k * o
)
hermite_he = recurrence(
    "Hermite polynomial (probabilists')", lambda x: x, lambda k, x, p, o: x * p - k * o
)
laguerre_l = recurrence(
    "Laguerre polynomial",
    lambda x: 1 - x,
    lambda k, x, p, o: ((2 * k + 1 - x) * p - k * o) / (k + 1),
)
legendre_p = recurrence(
    "Legendre polynomial", lambda x: x, lambda k, x, p, o: ((2 * k + 1) * x * p - k * o) / (k + 1)
)
