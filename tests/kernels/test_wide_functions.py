"""erf and the normal distribution of float64 against the C library."""

import math

import numpy as np
import pytest
from native_checks import machine

from rushlight.kernels import elementwise, wide_functions

ENDS = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-300, -5e-324, 0.84375, 1.25, 6.0, 28.0, -28.0, 40.0]


def _values():
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(3000) * 2, rng.uniform(-7, 7, 3000), rng.uniform(-37, 37, 3000)]
    return np.concatenate([*parts, ENDS, [-c for c in ENDS]])


def _check(found, expected, ulps):
    same = np.isnan(expected)
    assert (np.isnan(found) == same).all()
    error = np.abs(found - expected)[~same]
    assert (error <= ulps * np.spacing(np.abs(expected[~same]))).all()


@pytest.mark.parametrize("name", ["erf", "normal_cdf"])
@pytest.mark.parametrize("way", ["machine", "plain"])
def test_accuracy(name, way):
    x = _values()
    kernel = machine(wide_functions, name) if way == "machine" else None
    found = kernel(x) if kernel else getattr(wide_functions, f"_plain_{name}")(x)
    if name == "erf":
        _check(found, np.array([math.erf(v) for v in x]), 2)
        assert math.copysign(1, found[x.tolist().index(0.0) + 1]) == -1
    else:
        # The argument's own rounding counts where the distribution is steep.
        expected = np.array([0.5 * math.erfc(-v * math.sqrt(0.5)) for v in x])
        _check(found, expected, 16)


def test_elementwise_uses_them():
    x = np.linspace(-5, 5, 101).reshape(1, 101)
    expected = np.array([[math.erf(v) for v in x[0]]])
    np.testing.assert_allclose(elementwise.erf(x), expected, rtol=1e-15)
    np.testing.assert_allclose(elementwise.erf(x[:, ::2]), expected[:, ::2], rtol=1e-15)
