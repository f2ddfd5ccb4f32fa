import math

import numpy as np
import pytest
from native_checks import SHAPES, close, machine, numbers

from rushlight.kernels import activation, elementwise
from rushlight.runtime import threads

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

ARITHMETIC = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}


def same(got, expected):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_is_numpys(name, shape):
    x, y = numbers(shape, 1, True), numbers(shape, 2, True)
    reference = ARITHMETIC[name]
    same(machine(elementwise, name)(x, y), reference(x, y))
    same(machine(elementwise, name, "number")(x, 1.5), reference(x, np.float32(1.5)))
    out = np.empty(shape, reference(x, y).dtype)
    assert machine(elementwise, f"{name}_out")(x, y, out) is out
    same(out, reference(x, y))
    machine(elementwise, f"{name}_out", "number")(x, 1.5, out)
    same(out, reference(x, np.float32(1.5)))
    if out.dtype == np.float32:
        expected = reference(x, y)
        machine(elementwise, f"{name}_out")(x, y, x)
        same(x, expected)


@pytest.mark.parametrize(
    ("variant", "left", "right"),
    [
        ("row", (5, 37), (37,)),
        ("row", (2, 3, 16), (16,)),
        ("column", (5, 37), (5, 1)),
        ("column", (2, 3, 70), (2, 3, 1)),
        ("channel", (2, 3, 4, 5), (1, 3, 1, 1)),
        ("channel", (1, 70, 33, 17), (1, 70, 1, 1)),
    ],
)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "lt"])
def test_broadcasts(name, variant, left, right):
    x, y = numbers(left, 1, True), numbers(right, 2, True)
    same(machine(elementwise, name, variant)(x, y), ARITHMETIC[name](x, y))


@pytest.mark.parametrize("name", ARITHMETIC)
def test_what_is_not_native_falls_back(name):
    call, reference = getattr(elementwise, name), ARITHMETIC[name]
    x, y = numbers((6, 8), 1), numbers((6, 8), 2)
    cases = [
        (x.T, y.T),
        (x[::2], y[::2]),
        (x.astype("f8"), y.astype("f8")),
        (x.astype("i4"), y.astype("i4")),
        (x[:0], y[:0]),
        (x[:, None], y[None]),
        (x[0], y),
        (np.asarray(x[0, 0]), y[0, 0]),
        (x, y.astype("f8")),
    ]
    for a, b in cases:
        got = call(a, b)
        np.testing.assert_array_equal(got, reference(a, b))
        assert got.dtype == reference(a, b).dtype


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_0d_results_are_arrays(dtype):
    x = np.asarray(2, dtype)
    for got in (elementwise.add(x, x), elementwise.lt(x, x), elementwise.mul(x, 2.0)):
        assert type(got) is np.ndarray and got.shape == ()
    for call in (elementwise.neg, elementwise.exp, elementwise.sin, activation.relu):
        got = call(x)
        assert type(got) is np.ndarray and got.shape == ()


def erf(x):
    return np.array([math.erf(v) for v in x.ravel()]).reshape(x.shape)


FUNCTIONS = {
    "neg": np.negative,
    "absolute": np.absolute,
    "square": np.square,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": erf,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, shape):
    x = numbers(shape, 3, True)
    expected = FUNCTIONS[name](x.astype(np.float64))
    close(machine(elementwise, name)(x), expected.astype(np.float32), rtol=3e-7, atol=1e-38)
    out = np.empty_like(x)
    machine(elementwise, f"{name}_out")(x, out)
    np.testing.assert_array_equal(out, machine(elementwise, name)(x))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_other_arrays(name):
    x = np.abs(numbers((4, 6), 5)) + 0.1
    for given in (x.T, x[:, ::2], x[:0], x.astype(np.float64), np.asarray(x[0, 0])):
        got = getattr(elementwise, name)(given)
        expected = FUNCTIONS[name](given.astype(np.float64))
        assert got.shape == given.shape and got.dtype == given.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_circular_functions_take_numpys_for_large_arguments(name):
    reference = getattr(np, name)
    x = numbers(1000, 1) * 100
    close(machine(elementwise, name)(x), reference(x.astype("f8")), rtol=3e-7, atol=1e-7)
    x[17] = 1e12
    got = getattr(elementwise, name)(x)
    np.testing.assert_allclose(got, reference(x.astype("f8")), rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_more_arguments(shape):
    x, y = numbers(shape, 1, True), numbers(shape, 2, True)
    mask = numbers(shape, 3) > 0
    same(machine(elementwise, "rsub")(x, 2.5), np.float32(2.5) - x)
    same(machine(elementwise, "rdiv")(x, 2.5), np.float32(2.5) / x)
    same(machine(elementwise, "where")(mask, x, y), np.where(mask, x, y))
    same(machine(elementwise, "masked_fill")(x, mask, -2.0), np.where(mask, np.float32(-2), x))
    same(machine(elementwise, "clamp")(x, -1.0, np.inf), np.maximum(x, np.float32(-1)))
    scale = np.where(mask, np.float32(2), np.float32(0))
    same(machine(elementwise, "dropout")(x, mask, 2.0), x * scale)
    wide = x.astype("f8") + 0.3 * y.astype("f8")
    x, y = numbers(shape, 1), numbers(shape, 2)
    wide = x.astype("f8") + np.float64(np.float32(0.3)) * y
    close(machine(elementwise, "add_scaled")(x, y, 0.3), wide, rtol=1e-6, atol=1e-7)
    a = np.abs(x)
    close(machine(elementwise, "power")(a, 1.7), a.astype("f8") ** np.float32(1.7), rtol=2e-7)
    close(machine(elementwise, "power_tensor")(a, y), a.astype("f8") ** y, rtol=2e-7)


def leaky(x, s=0.25):
    return np.where(x > 0, x, x * s)


def gelu(x):
    return x * 0.5 * np.array([math.erfc(-v * 0.5**0.5) for v in x.ravel()]).reshape(x.shape)


BETA = (2 / math.pi) ** 0.5


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(BETA * (x + 0.044715 * x**3)))


ACTIVATIONS = {
    "relu": (lambda x: np.maximum(x, 0), ()),
    "leaky_relu": (leaky, (0.25,)),
    "silu": (lambda x: x / (1 + np.exp(-x)), ()),
    "gelu": (gelu, ()),
    "gelu_tanh": (gelu_tanh, ()),
    "softplus": (lambda x: np.where(x > 20, x, np.log1p(np.exp(x))), ()),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, shape):
    function, extra = ACTIVATIONS[name]
    x = numbers(shape, 3)
    x.flat[0] = np.nan
    expected = function(x.astype("f8"))
    close(machine(activation, name)(x, *extra), expected, rtol=6e-7, atol=2e-9)
    got = getattr(activation, name)(x.astype("f8"), *extra)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
    assert got.dtype == np.float64


# name: the function whose slope is meant, and whether the kernel takes its output
BACKWARD = {
    "relu_backward": (lambda x: np.maximum(x, 0), True, ()),
    "leaky_relu_backward": (leaky, False, (0.25,)),
    "clamp_backward": (lambda x: np.clip(x, -1, 2), False, (-1.0, 2.0)),
    "sigmoid_backward": (lambda x: 1 / (1 + np.exp(-x)), True, ()),
    "tanh_backward": (np.tanh, True, ()),
    "absolute_backward": (np.abs, False, ()),
    "silu_backward": (ACTIVATIONS["silu"][0], False, ()),
    "gelu_backward": (gelu, False, ()),
    "gelu_tanh_backward": (gelu_tanh, False, ()),
    "softplus_backward": (ACTIVATIONS["softplus"][0], False, ()),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BACKWARD)
def test_gradients_are_slopes(name, shape):
    function, from_output, extra = BACKWARD[name]
    x, g = numbers(shape, 4), numbers(shape, 5)
    wide, h = x.astype("f8"), 1e-6
    slope = (function(wide + h) - function(wide - h)) / (2 * h)
    saved = function(wide).astype(np.float32) if from_output else x
    close(machine(activation, name)(g, saved, *extra), g * slope, rtol=1e-5, atol=5e-7)
    got = getattr(activation, name)(g.astype("f8"), saved.astype("f8"), *extra)
    np.testing.assert_allclose(got, g * slope, rtol=1e-4, atol=1e-6)


def test_sqrt_backward():
    out, g = np.abs(numbers(50, 1)) + 0.1, numbers(50, 2)
    close(machine(activation, "sqrt_backward")(g, out), g / (2 * out))


def test_nan_goes_through_relu_and_its_gradient():
    x = np.array([np.nan, -1, 0, 2], np.float32)
    np.testing.assert_array_equal(activation.relu(x), [np.nan, 0, 0, 2])
    np.testing.assert_array_equal(activation.relu_backward(np.ones(4, np.float32), x), [1, 0, 0, 1])


def test_unaligned_arrays():
    raw = np.zeros(41 * 4 + 4, np.uint8)[3:]
    x = raw[: 40 * 4].view(np.float32) if raw.ctypes.data % 4 == 0 else None
    odd = np.frombuffer(bytearray(40 * 4 + 1), np.float32, 40, 1)
    assert x is not None or not odd.flags.aligned
    odd[:] = numbers(40, 1)
    np.testing.assert_array_equal(activation.relu(odd), np.maximum(odd, 0))
    shifted = numbers(41, 1)[1:]
    np.testing.assert_array_equal(activation.relu(shifted), np.maximum(shifted, 0))


def test_results_do_not_depend_on_the_number_of_threads():
    x = numbers((700, 1001), 1)
    before = threads.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            found.append((activation.gelu(x), elementwise.add(x, x[0]), elementwise.exp(x)))
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)
