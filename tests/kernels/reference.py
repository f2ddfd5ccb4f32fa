"""Plain float64 definitions that the kernels are compared with."""

import numpy as np


def pairs(padding):
    return [(p, p) if isinstance(p, int) else p for p in padding]


def convolve(x, w, bias, stride, padding, dilation, groups):
    """Convolution by its definition, one position of the result at a time, in float64."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    kernel = w.shape[2:]
    xp = np.pad(x, [(0, 0), (0, 0), *pairs(padding)])
    out = tuple(
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(xp.shape[2:], kernel, stride, dilation)
    )
    n, c, k = x.shape[0], x.shape[1] // groups, w.shape[0] // groups
    taps = int(np.prod(kernel))
    y = np.zeros((n, w.shape[0], *out))
    for place in np.ndindex(*out):
        where = tuple(
            slice(o * s, o * s + d * (m - 1) + 1, d)
            for o, s, d, m in zip(place, stride, dilation, kernel)
        )
        window = xp[(slice(None), slice(None), *where)].reshape(n, groups, c, taps)
        value = np.einsum("ngct,gkct->ngk", window, w.reshape(groups, k, c, taps))
        y[(slice(None), slice(None), *place)] = value.reshape(n, groups * k)
    if bias is not None:
        y += bias.reshape((-1,) + (1,) * len(out))
    return y


def error(value, expected):
    """Largest error relative to the largest expected value."""
    assert value.shape == expected.shape
    if not expected.size:
        return 0.0
    return float(np.abs(value - expected).max() / max(np.abs(expected).max(), 1e-6))


def slope(function, x, direction, step=1e-6):
    """Central difference of a scalar function along a direction, float64."""
    return (function(x + step * direction) - function(x - step * direction)) / (2 * step)
