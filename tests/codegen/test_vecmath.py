"""Errors of the functions in units in the last place, against float64."""

import math

import numpy as np
import pytest
from kernel_calls import call, compiled, targets

from rushlight.codegen import cache
from rushlight.codegen import loopir as ir
from rushlight.codegen.interpret import interpret
from rushlight.codegen.loopir import For, Kernel, Param, Store


def each(function):
    return lambda x: np.array([function(v) for v in x.ravel()]).reshape(x.shape)


def softplus(x):
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 700))))


# name: float64 function, largest error in units in the last place
TABLE = {
    "exp": (np.exp, 1.0),
    "expm1": (np.expm1, 1.5),
    "log": (np.log, 1.0),
    "log2": (np.log2, 1.9),  # 1.7 where products and sums are rounded at once
    "log10": (np.log10, 1.9),
    "log1p": (np.log1p, 1.6),
    "tanh": (np.tanh, 1.9),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 2.5),
    "erf": (each(math.erf), 1.1),
    "sin": (np.sin, 1.6),
    "cos": (np.cos, 1.6),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1.5),
    "silu": (lambda x: x / (1 + np.exp(-x)), 2.5),
    "normal_cdf": (each(lambda v: 0.5 * math.erfc(-v * math.sqrt(0.5))), 4.5),
    "gelu": (each(lambda v: v * 0.5 * math.erfc(-v * math.sqrt(0.5))), 4.5),  # PyTorch: 9
    "gelu_tanh": (
        lambda x: x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        4.8,
    ),
    "softplus": (softplus, 2.0),
}
# where the formula is PyTorch's and loses accuracy or range outside, as PyTorch's does
RANGE = {
    "sigmoid": (-87.0, np.inf),
    "silu": (-87.0, np.inf),
    "normal_cdf": (-1.5, np.inf),
    "gelu": (-1.5, np.inf),
    "gelu_tanh": (-1.5, np.inf),
    "sin": (-1e6, 1e6),
    "cos": (-1e6, 1e6),
    "softplus": (-80.0, np.inf),
}


def kernel_of(name):
    x, out, n = Param("x", "f32", "in"), Param("out", "f32", "out"), Param("n", "i64", "scalar")
    i = ir.var("i", "i64")
    body = [For("i", n.var(), [Store("out", i, ir.math(name, x[i]))], vector=True)]
    return Kernel(f"f_{name}", [x, out, n], body)


def samples():
    rng = np.random.default_rng(0)
    parts = [
        rng.standard_normal(20000) * 3,
        rng.standard_normal(10000) * 30,
        rng.uniform(0.5, 2, 10000),
        rng.uniform(-1.2, 1.2, 10000),
        np.exp(rng.uniform(-100, 88, 10000)) * rng.choice([-1, 1], 10000),
        10.0 ** rng.uniform(-45, -37, 1000),
        np.linspace(-104, -87, 2000),
    ]
    return np.concatenate(parts).astype(np.float32)


def run(name, x, target):
    out = np.empty_like(x)
    kernel = kernel_of(name)
    if target is None:
        interpret(kernel, [x, out, x.size])
    else:
        call(compiled(kernel, target), kernel, [x, out, x.size])
    return out


WHERE = [None, *(targets() if cache.native_supported() else [])]


@pytest.mark.parametrize("target", WHERE, ids=repr)
@pytest.mark.parametrize("name", sorted(TABLE))
def test_error(name, target):
    function, limit = TABLE[name]
    x = samples()
    low, high = RANGE.get(name, (-np.inf, np.inf))
    x = x[(x >= low) & (x <= high)]
    got = run(name, x, target).astype(np.float64)
    with np.errstate(all="ignore"):
        expected = function(x.astype(np.float64))
        rounded = expected.astype(np.float32)
        unit = np.spacing(np.maximum(np.abs(rounded), np.float32(1.2e-38))).astype(np.float64)
        error = np.abs(got - expected) / unit
    same = (got == rounded) | (np.isnan(got) & np.isnan(expected))
    error[same] = 0
    assert not np.isnan(error).any()
    worst = error.argmax()
    # 0.05: the interpreter's fma, and rounding of multiply and add where there is none
    assert error[worst] <= limit + 0.05, (x[worst], got[worst], expected[worst])


SPECIAL = {
    "exp": [(np.inf, np.inf), (-np.inf, 0.0), (0.0, 1.0), (89.0, np.inf), (-105.0, 0.0)],
    "expm1": [(np.inf, np.inf), (-np.inf, -1.0), (-0.0, -0.0), (1e-45, 1e-45)],
    "log": [(0.0, -np.inf), (-0.0, -np.inf), (-1.0, np.nan), (np.inf, np.inf), (1.0, 0.0)],
    "log1p": [(-1.0, -np.inf), (-2.0, np.nan), (np.inf, np.inf), (-0.0, -0.0)],
    "tanh": [(np.inf, 1.0), (-np.inf, -1.0), (-0.0, -0.0)],
    "sigmoid": [(np.inf, 1.0), (-np.inf, 0.0), (0.0, 0.5)],
    "erf": [(np.inf, 1.0), (-np.inf, -1.0), (-0.0, -0.0)],
    "sin": [(-0.0, -0.0), (0.0, 0.0), (1e-45, 1e-45)],
    "cos": [(0.0, 1.0), (-0.0, 1.0)],
    "rsqrt": [(0.0, np.inf), (-1.0, np.nan), (np.inf, 0.0)],
    "silu": [(np.inf, np.inf), (-0.0, -0.0)],
    "gelu": [(np.inf, np.inf), (-0.0, -0.0), (-50.0, -0.0)],
    "exp_nonpositive": [(-np.inf, 0.0), (0.0, 1.0)],
}


@pytest.mark.parametrize("target", WHERE, ids=repr)
@pytest.mark.parametrize("name", sorted(SPECIAL))
def test_special_values(name, target):
    x, expected = (np.array(v, np.float32) for v in zip(*SPECIAL[name], (np.nan, np.nan)))
    got = run(name, x, target)
    np.testing.assert_array_equal(got, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize("target", WHERE, ids=repr)
def test_power(target):
    x, y = Param("x", "f32", "in"), Param("y", "f32", "in")
    out, n, i = Param("out", "f32", "out"), Param("n", "i64", "scalar"), ir.var("i", "i64")
    store = Store("out", i, ir.math("pow", x[i], y[i]))
    kernel = Kernel("power", [x, y, out, n], [For("i", n.var(), [store], vector=True)])
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5]
    special += [1e-40, 3e38, 1e9, 16777215.0]
    a, b = (v.ravel() for v in np.meshgrid(special, special))
    rng = np.random.default_rng(0)
    a = np.append(a, np.exp(rng.uniform(-20, 20, 20000))).astype(np.float32)
    b = np.append(b, rng.uniform(-8, 8, 20000)).astype(np.float32)
    got = np.empty_like(a)
    if target is None:
        interpret(kernel, [a, b, got, a.size])
    else:
        call(compiled(kernel, target), kernel, [a, b, got, a.size])
    with np.errstate(all="ignore"):
        expected = np.power(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(got, expected, rtol=1.3e-7, atol=2e-45)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(expected[numbers]))
