"""Convolution against its definition, in all paths: NumPy, columns, Winograd, direct."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reference import convolve, error

from rushlight.kernels import (
    _context,
    conv,
    conv_columns,
    conv_depthwise,
    conv_direct,
    conv_panels,
    conv_winograd,
)
from rushlight.runtime import threads


def ints(rng, low, high, count):
    return tuple(int(v) for v in rng.integers(low, high, count))


def check(x, w, bias, geometry, tolerance, rng):
    """Compare the three functions with the definition; gradients by the adjoint identity."""
    y = conv.conv_forward(x, w, bias, *geometry)
    assert y.dtype == x.dtype
    assert error(y, convolve(x, w, bias, *geometry)) < tolerance
    g = rng.standard_normal(y.shape).astype(x.dtype)
    gx, gw, gb = conv.conv_backward(g, x, w, *geometry, True, True, True)
    assert gx.shape == x.shape and gw.shape == w.shape and gb.shape == (w.shape[0],)
    g64 = g.astype(np.float64)
    dx, dw = rng.standard_normal(x.shape), rng.standard_normal(w.shape)
    scale = np.sqrt(g.size + 1) * max(w.shape[1], 1) * 10
    along_x = (convolve(dx, w, None, *geometry) * g64).sum()
    along_w = (convolve(x, dw, None, *geometry) * g64).sum()
    assert abs(along_x - (gx.astype(np.float64) * dx).sum()) < tolerance * scale
    assert abs(along_w - (gw.astype(np.float64) * dw).sum()) < tolerance * scale
    axes = (0, *range(2, g.ndim))
    np.testing.assert_allclose(gb, g64.sum(axes), atol=tolerance * scale)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_any_geometry(seed, dtype):
    rng = np.random.default_rng(seed)
    nd, groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    c, k = (groups * int(v) for v in rng.integers(1, 4, 2))
    kernel, stride, dilation = ints(rng, 1, 4, nd), ints(rng, 1, 4, nd), ints(rng, 1, 3, nd)
    padding = tuple(
        (a, b) if rng.random() < 0.3 else a for a, b in (ints(rng, 0, 3, 2) for _ in range(nd))
    )
    x = rng.standard_normal((int(rng.integers(0, 4)), c, *ints(rng, 6, 10, nd))).astype(dtype)
    w = rng.standard_normal((k, c // groups, *kernel)).astype(dtype)
    bias = rng.standard_normal(k).astype(dtype) if rng.random() < 0.5 else None
    tolerance = 1e-12 if dtype == np.float64 else 2e-6
    check(x, w, bias, (stride, padding, dilation, groups), tolerance, rng)


@pytest.mark.parametrize("seed", range(20))
def test_columns(seed):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    c, k = groups * int(rng.integers(8, 20)), groups * int(rng.integers(8, 40))
    kernel, stride, dilation = ints(rng, 1, 5, 2), ints(rng, 1, 4, 2), ints(rng, 1, 3, 2)
    x = rng.standard_normal((int(rng.integers(1, 9)), c, *ints(rng, 9, 40, 2)), np.float32)
    w = rng.standard_normal((k, c // groups, *kernel), np.float32)
    bias = rng.standard_normal(k, np.float32)
    check(x, w, bias, (stride, ints(rng, 0, 3, 2), dilation, groups), 2e-6, rng)


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("seed", range(6))
def test_winograd(taps, seed, monkeypatch):
    rng = np.random.default_rng(seed)
    c, k = 32 * int(rng.integers(1, 3)), 32 * int(rng.integers(1, 4))
    padding = ints(rng, 0, taps, 2)
    x = rng.standard_normal((int(rng.integers(1, 5)), c, *ints(rng, 8, 30, 2)), np.float32)
    w = rng.standard_normal((k, c, taps, taps), np.float32)
    geometry = ((1, 1), padding, (1, 1), 1)
    check(x, w, rng.standard_normal(k, np.float32), geometry, 1e-5, rng)
    monkeypatch.setattr(conv, "exact", True)
    check(x, w, None, geometry, 1e-6, rng)


@pytest.fixture
def half_width(monkeypatch):
    """Make the code that machines with 32-byte vectors run."""

    def forget():
        for remembered in (conv_winograd, conv_columns, conv_direct, conv_depthwise):
            remembered._key.cache_clear()
        conv_panels.tile.cache_clear()
        for table in (conv._forwards, conv._input_gradients, conv._weight_gradients):
            table.clear()
        conv.release_memory()

    forget()
    monkeypatch.setattr(_context, "width", lambda: 8)
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.skipif(not _context.available(), reason="generated code is off")
@pytest.mark.usefixtures("half_width")
@pytest.mark.parametrize(
    "sizes", [(32, 32, 3, 1), (16, 48, 5, 1), (24, 20, 3, 2), (5, 10, 3, 1), (3, 6, 5, 1)]
)
def test_half_width_vectors(sizes):
    c, k, taps, stride = sizes
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, c, 19, 22), np.float32)
    w = rng.standard_normal((k, c, taps, taps), np.float32)
    bias = rng.standard_normal(k, np.float32)
    check(x, w, bias, ((stride, stride), (1, 2), (1, 1), 1), 1e-5, rng)


def test_winograd_error_at_512_channels():
    rng = np.random.default_rng(0)
    x = np.maximum(rng.standard_normal((1, 512, 14, 14), np.float32), 0)
    w = (rng.standard_normal((32, 512, 3, 3)) * (2 / (9 * 512)) ** 0.5).astype(np.float32)
    geometry = ((1, 1), (1, 1), (1, 1), 1)
    y = conv.conv_forward(x, w, None, *geometry)
    assert error(y, convolve(x, w, None, *geometry)) < 5e-6


def test_transformed_weight_follows_changes_in_place():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 32, 16, 16), np.float32)
    w = rng.standard_normal((32, 32, 3, 3), np.float32)
    geometry = ((1, 1), (1, 1), (1, 1), 1)
    for _ in range(4):
        for _ in range(3):
            y = conv.conv_forward(x, w, None, *geometry)
            assert error(y, convolve(x, w, None, *geometry)) < 5e-6
        w[3, 4, 1, 1] += 5


def test_released_memory_comes_back():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((1, 32, 16, 16), np.float32)
    w = rng.standard_normal((32, 32, 3, 3), np.float32)
    geometry = ((1, 1), (1, 1), (1, 1), 1)
    results = []
    for _ in range(4):
        results.append(conv.conv_forward(x, w, None, *geometry))
        conv.release_memory()
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_several_python_threads_at_once():
    rng = np.random.default_rng(7)
    x = rng.standard_normal((2, 32, 20, 20), np.float32)
    weights = [rng.standard_normal((32, 32, 3, 3), np.float32) for _ in range(4)]
    cases = [(w, (s, s)) for w in weights for s in (1, 2)]
    expected = [conv.conv_forward(x, w, None, s, (1, 1), (1, 1), 1) for w, s in cases]

    def work(_):
        for (w, s), y in zip(cases, expected):
            np.testing.assert_array_equal(conv.conv_forward(x, w, None, s, (1, 1), (1, 1), 1), y)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(12)))


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("seed", range(12))
def test_direct(taps, seed):
    rng = np.random.default_rng(seed)
    c, k = int(rng.integers(1, 8)), int(rng.choice([1, 2, 3, 5, 6, 8, 10, 16, 11]))
    x = rng.standard_normal((int(rng.integers(1, 4)), c, *ints(rng, 5, 40, 2)), np.float32)
    w = rng.standard_normal((k, c, taps, taps), np.float32)
    bias = rng.standard_normal(k, np.float32) if seed % 2 else None
    check(x, w, bias, ((1, 1), ints(rng, 0, taps + 1, 2), (1, 1), 1), 2e-6, rng)


@pytest.mark.parametrize("groups", [4, 24])
def test_depthwise(groups):
    rng = np.random.default_rng(2)
    for stride in (1, 2):
        x = rng.standard_normal((2, groups, 17, 19), np.float32)
        w = rng.standard_normal((groups, 1, 3, 3), np.float32)
        check(x, w, None, ((stride, stride), (1, 1), (1, 1), groups), 2e-6, rng)


def test_half_precision_accumulates_in_float32():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 64, 9, 9)).astype(np.float16)
    w = rng.standard_normal((8, 64, 3, 3)).astype(np.float16)
    geometry = ((1, 1), (1, 1), (1, 1), 1)
    y = conv.conv_forward(x, w, None, *geometry)
    assert y.dtype == np.float16
    assert error(y, convolve(x, w, None, *geometry)) < 1e-3


def test_views_are_accepted():
    rng = np.random.default_rng(4)
    base = rng.standard_normal((2, 20, 24, 70), np.float32)
    weight = rng.standard_normal((3, 3, 40, 20), np.float32)
    for step in (1, 2):
        x, w = base[:, :, ::step, ::step], weight.transpose(2, 3, 0, 1)
        check(x, w, None, ((1, 1), (1, 1), (1, 1), 1), 2e-6, rng)


@pytest.mark.parametrize(
    "shape", [(2, 5, 14, 14), (3, 64, 20, 20), (16, 12, 7, 7), (1, 32, 60, 60)]
)
@pytest.mark.parametrize("stride", [1, 2])
def test_results_do_not_depend_on_threads(shape, stride):
    rng = np.random.default_rng(5)
    x = rng.standard_normal(shape, np.float32)
    w = rng.standard_normal((32, shape[1], 3, 3), np.float32)
    geometry = ((stride, stride), (1, 1), (1, 1), 1)
    before = threads.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            y = conv.conv_forward(x, w, None, *geometry)
            results.append([y, *conv.conv_backward(y, x, w, *geometry, True, True, False)[:2]])
    finally:
        threads.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", range(8))
def test_depthwise_input_gradient_with_column_stride_two(seed):
    rng = np.random.default_rng(seed)
    c, many = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    kernel, dilation = ints(rng, 1, 6, 2), ints(rng, 1, 3, 2)
    geometry = ((int(rng.integers(1, 4)), 2), ints(rng, 0, 4, 2), dilation, c)
    shape = (2, c, *ints(rng, 40, 80, 2))
    w = rng.standard_normal((c * many, 1, *kernel), np.float32)
    out = conv.conv_output_size(shape[2:], kernel, *geometry[:3])
    g = rng.standard_normal((2, c * many, *out), np.float32)
    found = conv.conv_backward_input(g, w, shape, *geometry)
    expected = conv._input_grad_numpy(g.astype(np.float64), w.astype(np.float64), shape, *geometry)
    assert error(found, expected) < 2e-6
