import numpy as np
import pytest
from native_checks import close, machine, numbers

from rushlight.kernels import batch_norm, group_norm, norm
from rushlight.runtime import threads

EPS = 1e-5
SHAPES = [(1, 7), (3, 5), (64, 10), (40, 37), (4, 3, 5, 17), (300, 100), (3, 5000)]
TOLERANCE = {"rtol": 1e-5, "atol": 3e-6}


def slope(function, arrays, g, k, h=1e-4):
    """The gradient of sum(g * function(arrays)) by central differences along random directions."""
    rng = np.random.default_rng(k)
    direction = rng.standard_normal(arrays[k].shape)
    ends = []
    for sign in (h, -h):
        moved = list(arrays)
        moved[k] = arrays[k] + sign * direction
        ends.append((g * function(*moved)).sum())
    return direction, (ends[0] - ends[1]) / (2 * h)


def agrees(gradient, function, arrays, g, k):
    wide = [a.astype("f8") for a in arrays]
    direction, expected = slope(function, wide, g.astype("f8"), k)
    got = (gradient.astype("f8") * direction).sum()
    size = np.abs(gradient.astype("f8") * direction).sum() + np.abs(g).sum() * 0.1
    assert abs(got - expected) <= 2e-5 * size


def layer(x, w=1.0, b=0.0):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + EPS) * w + b


def rms(x, w=1.0):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * w


@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm(shape):
    x, g = numbers(shape, 1) + np.float32(3), numbers(shape, 2)
    w, b = numbers(shape[-1], 3), numbers(shape[-1], 4)
    wide = x.astype("f8")
    y, mean, rstd = machine(norm, "layer_norm")(x, w, b, EPS)
    close(y, layer(wide, w.astype("f8"), b.astype("f8")), **TOLERANCE)
    close(mean, wide.mean(-1), **TOLERANCE)
    close(rstd, 1 / np.sqrt(wide.var(-1) + EPS), **TOLERANCE)
    gx, gw, gb, _ = machine(norm, "layer_norm_backward")(g, x, w, mean, rstd)
    for k, gradient in enumerate((gx, gw, gb)):
        agrees(gradient, layer, (x, w, b), g, k)
    y, mean, rstd = machine(norm, "layer_norm_plain")(x, EPS)
    close(y, layer(wide), **TOLERANCE)
    agrees(machine(norm, "layer_norm_plain_backward")(g, x, mean, rstd), layer, (x,), g, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_rms_norm(shape):
    x, g, w = numbers(shape, 1), numbers(shape, 2), numbers(shape[-1], 3)
    y, rstd = machine(norm, "rms_norm")(x, w, EPS)
    close(y, rms(x.astype("f8"), w.astype("f8")), **TOLERANCE)
    gx, gw, _ = machine(norm, "rms_norm_backward")(g, x, w, rstd)
    for k, gradient in enumerate((gx, gw)):
        agrees(gradient, rms, (x, w), g, k)
    y, rstd = machine(norm, "rms_norm_plain")(x, EPS)
    close(y, rms(x.astype("f8")), **TOLERANCE)
    agrees(machine(norm, "rms_norm_plain_backward")(g, x, rstd), rms, (x,), g, 0)


CHANNELS = [(2, 7, 1), (3, 5, 4), (64, 10, 1), (30, 67, 1), (4, 3, 35), (30, 10, 49), (3, 40, 400)]


def batch(x, w, b):
    mean, var = x.mean((0, 2), keepdims=True), x.var((0, 2), keepdims=True)
    return (x - mean) / np.sqrt(var + EPS) * w[:, None] + b[:, None]


@pytest.mark.parametrize("shape", CHANNELS)
def test_batch_norm(shape):
    x, g = numbers(shape, 1) + np.float32(3), numbers(shape, 2)
    w, b, running_mean = (numbers(shape[1], k) for k in (3, 4, 5))
    running_var = np.abs(numbers(shape[1], 6))
    wide, count = x.astype("f8"), shape[0] * shape[2]
    new_mean = running_mean * 0.9 + wide.mean((0, 2)) * 0.1
    new_var = running_var * 0.9 + wide.var((0, 2)) * 0.1 * count / (count - 1)
    variant = "columns" if shape[2] == 1 else ""
    y, mean, invstd = machine(batch_norm, "batch_norm", variant)(
        x, w, b, running_mean, running_var, 0.1, EPS
    )
    close(y, batch(wide, w.astype("f8"), b.astype("f8")), rtol=1e-5, atol=1e-5)
    close(running_mean, new_mean, **TOLERANCE)
    close(running_var, new_var, **TOLERANCE)
    backward = machine(batch_norm, "batch_norm_backward", variant)
    if count > 2:  # of two numbers the normalised ones are always 1 and -1
        for k, gradient in enumerate(backward(g, x, w, mean, invstd, True)):
            agrees(gradient, batch, (x, w, b), g, k)
    y = machine(batch_norm, "batch_norm_eval", variant)(x, w, b, mean, invstd)
    shift, scale = mean.astype("f8")[:, None], invstd.astype("f8")[:, None]

    def fixed(x, w, b):
        return (x - shift) * scale * w[:, None] + b[:, None]

    close(y, fixed(wide, w, b), **TOLERANCE)
    for k, gradient in enumerate(backward(g, x, w, mean, invstd, False)):
        agrees(gradient, fixed, (x, w, b), g, k)


@pytest.mark.parametrize(("shape", "groups"), list(zip(CHANNELS, (7, 5, 2, 1, 3, 5, 8))))
def test_group_norm(shape, groups):
    x, g = numbers(shape, 1) + np.float32(3), numbers(shape, 2)
    w, b = numbers(shape[1], 3), numbers(shape[1], 4)

    def group(x, w, b):
        return layer(x.reshape(len(x), groups, -1)).reshape(x.shape) * w[:, None] + b[:, None]

    y, mean, rstd = machine(group_norm, "group_norm")(x, w, b, groups, EPS)
    close(y, group(*(v.astype("f8") for v in (x, w, b))), rtol=1e-5, atol=1e-5)
    if shape[1] // groups * shape[2] > 2:
        backward = machine(group_norm, "group_norm_backward")
        for k, gradient in enumerate(backward(g, x, w, mean, rstd)[:3]):
            agrees(gradient, group, (x, w, b), g, k)


def test_the_numpy_versions_agree():
    x, g = numbers((6, 4, 5), 1), numbers((6, 4, 5), 2)
    w, b = numbers(5, 3), numbers(5, 4)
    wide = [v.astype("f8") for v in (x, w, b)]
    y, mean, rstd = norm.layer_norm(*wide, EPS)
    np.testing.assert_allclose(y, layer(*wide))
    got = norm.layer_norm_backward(g.astype("f8"), wide[0], wide[1], mean, rstd)
    expected = norm.layer_norm_backward(g, x, w, *(v.astype("f4") for v in (mean, rstd)))
    for a, e in zip(got[:3], expected[:3]):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-5)
    w, b = numbers(4, 3), numbers(4, 4)
    wide = [v.astype("f8") for v in (x, w, b)]
    y, mean, invstd = batch_norm.batch_norm(*wide, np.zeros(4), np.ones(4), 0.1, EPS)
    np.testing.assert_allclose(y, batch(*wide))
    got = batch_norm.batch_norm_backward(g.astype("f8"), wide[0], wide[1], mean, invstd, True)
    few = [v.astype("f4") for v in (mean, invstd)]
    for a, e in zip(got, batch_norm.batch_norm_backward(g, x, w, *few, True)):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-5)
    y, mean, rstd = group_norm.group_norm(*wide, 2, EPS)
    got = group_norm.group_norm_backward(g.astype("f8"), wide[0], wide[1], mean, rstd)
    few = [v.astype("f4") for v in (mean, rstd)]
    for a, e in zip(got[:3], group_norm.group_norm_backward(g, x, w, *few)[:3]):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-5)


def test_results_do_not_depend_on_the_number_of_threads():
    x, g = numbers((200, 300), 1), numbers((200, 300), 2)
    w, b = numbers(300, 3), numbers(300, 4)
    before, found = threads.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            y, mean, rstd = norm.layer_norm(x, w, b, EPS)
            found.append((y, *norm.layer_norm_backward(g, x, w, mean, rstd)[:3]))
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)
