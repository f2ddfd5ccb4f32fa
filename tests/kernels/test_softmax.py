import numpy as np
import pytest
from native_checks import close, machine, numbers

from rushlight.kernels import softmax
from rushlight.runtime import threads

SHAPES = [(1,), (7,), (3, 5), (64, 10), (10, 37), (2, 3, 5, 7), (2, 6, 513), (3, 9000)]


def forward(name, x, axis):
    shifted = x - x.max(axis, keepdims=True)
    total = np.exp(shifted).sum(axis, keepdims=True)
    return np.exp(shifted) / total if name == "softmax" else shifted - np.log(total)


def backward(name, g, out, axis):
    if name == "softmax":
        return (g - (g * out).sum(axis, keepdims=True)) * out
    return g - np.exp(out) * g.sum(axis, keepdims=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_every_dim(name, shape):
    x, g = numbers(shape, 1) * 3, numbers(shape, 2)
    for dim in range(len(shape)):
        expected = forward(name, x.astype("f8"), dim)
        out = softmax.along_dim(name, dim, x)
        close(out, expected, rtol=4e-6, atol=0 if name == "softmax" else 1e-7)
        expected = backward(name, g.astype("f8"), expected, dim)
        close(softmax.along_dim(f"{name}_backward", dim, g, out), expected, rtol=2e-6, atol=1e-6)
        got = softmax.along_dim(name, dim, x.astype("f8"))
        np.testing.assert_allclose(got, forward(name, x.astype("f8"), dim), rtol=1e-12)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_kernels_are_native(name):
    x, g = numbers((4, 9), 1), numbers((4, 9), 2)
    out = machine(softmax, f"{name}_last")(x)
    close(out, forward(name, x.astype("f8"), 1), rtol=1e-6, atol=1e-7)
    close(machine(softmax, f"{name}_middle")(x[:, :, None])[:, :, 0], out.astype("f8"), atol=1e-7)
    expected = backward(name, g.astype("f8"), out.astype("f8"), 1)
    close(machine(softmax, f"{name}_backward_last")(g, out), expected, rtol=2e-6, atol=1e-6)
    got = machine(softmax, f"{name}_backward_middle")(g[..., None], out[..., None])
    close(got[..., 0], expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("columns", [3, 40])
def test_special_rows(name, columns):
    x = numbers((6, columns), 1)
    x[0, 1] = np.nan
    x[1, :] = -np.inf
    x[2, 1] = -np.inf
    x[3, 2] = np.inf
    x[4] = x[4] * 1e30
    with np.errstate(all="ignore"):
        expected = forward(name, x.astype("f8"), 1)
    got = getattr(softmax, f"{name}_last")(x)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-37)
    got = getattr(softmax, f"{name}_middle")(np.ascontiguousarray(x.T)[None])[0].T
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-37)


def test_results_do_not_depend_on_the_number_of_threads():
    x = numbers((300, 700), 1)
    before, found = threads.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            found.append((softmax.softmax_last(x), softmax.log_softmax_middle(x[None])))
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)
