"""Pooling against definitions written window by window."""

import numpy as np
import pytest

from rushlight.kernels import pool


def windows(size, kernel, stride, padding, dilation, ceil_mode):
    """Return, per result, the list of flat positions its window covers, in row-major order."""
    out = pool.pool_output_size(size, kernel, stride, padding, dilation, ceil_mode)
    for place in np.ndindex(*out):
        flat = []
        for tap in np.ndindex(*kernel):
            at = [o * s - p + t * d for o, s, p, t, d in zip(place, stride, padding, tap, dilation)]
            if all(0 <= a < n for a, n in zip(at, size)):
                flat.append(int(np.ravel_multi_index(at, size)))
        yield place, flat


def geometry(seed):
    rng = np.random.default_rng(seed)
    nd = int(rng.integers(1, 4))

    def ints(low, high):
        return tuple(int(v) for v in rng.integers(low, high, nd))

    kernel = ints(1, 5)
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    high = {1: 40, 2: 22, 3: 9}[nd]
    return rng, ints(8, high), kernel, ints(1, 4), padding, ints(1, 3), bool(rng.integers(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("seed", range(25))
def test_max_pool(seed, dtype):
    rng, size, kernel, stride, padding, dilation, ceil_mode = geometry(seed)
    x = np.round(rng.standard_normal((2, 3, *size)) * 2).astype(dtype)
    if dtype != np.int32 and seed % 3 == 0:
        x[rng.random(x.shape) < 0.1] = np.nan
    if dtype != np.int32 and seed % 3 == 1:
        x[rng.random(x.shape) < 0.8] = -np.inf
    y, index = pool.max_pool(x, kernel, stride, padding, dilation, ceil_mode)
    assert y.dtype == dtype and index.dtype == np.int64
    planes = x.reshape(6, -1)
    for place, flat in windows(size, kernel, stride, padding, dilation, ceil_mode):
        for plane, values in enumerate(planes):
            best = flat[0]
            for i in flat[1:]:
                if values[i] > values[best] or np.isnan(values[i]):
                    best = i
            where = (*np.unravel_index(plane, (2, 3)), *place)
            assert index[where] == best
            np.testing.assert_equal(y[where], values[best])
    g = rng.standard_normal(y.shape).astype(dtype)
    gx = pool.max_pool_backward(g, index, x.shape, len(kernel))
    expected = np.zeros((6, planes.shape[1]))
    for plane in range(6):
        np.add.at(expected[plane], index.reshape(6, -1)[plane], g.reshape(6, -1)[plane])
    np.testing.assert_allclose(gx, expected.reshape(x.shape), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(25))
def test_avg_pool(seed, dtype):
    rng, size, kernel, stride, padding, _, ceil_mode = geometry(seed)
    include, override = bool(seed % 2), 3 if seed % 5 == 0 else None
    x = rng.standard_normal((2, 3, *size)).astype(dtype)
    y = pool.avg_pool(x, kernel, stride, padding, ceil_mode, include, override)
    g = rng.standard_normal(y.shape).astype(dtype)
    gx = pool.avg_pool_backward(g, x.shape, kernel, stride, padding, include, override)
    assert y.dtype == gx.dtype == dtype
    expected, back = np.zeros(y.shape), np.zeros((2, 3, int(np.prod(size))))
    ones = (1,) * len(kernel)
    for place, flat in windows(size, kernel, stride, padding, ones, ceil_mode):
        count = len(flat)
        if include:
            spans = [
                min(o * s - p + k, n + p) - (o * s - p)
                for o, s, p, k, n in zip(place, stride, padding, kernel, size)
            ]
            count = int(np.prod(spans))
        count = override or count
        where = (slice(None), slice(None), *place)
        expected[where] = x.reshape(2, 3, -1)[:, :, flat].sum(-1) / count
        back[:, :, flat] += (g[where] / count)[:, :, None]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(gx, back.reshape(x.shape), atol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_adaptive(seed):
    rng, size, *_ = geometry(seed)
    nd = len(size)
    out = tuple(int(v) for v in rng.integers(1, 12, nd))
    x = np.round(rng.standard_normal((2, 3, *size)) * 2).astype(np.float32)
    mean = pool.adaptive_avg_pool(x, out)
    y, index = pool.adaptive_max_pool(x, out)
    g = rng.standard_normal(mean.shape).astype(np.float32)
    gx = pool.adaptive_avg_pool_backward(g, x.shape, nd)
    back = np.zeros(x.shape)
    flat = x.reshape(2, 3, -1)
    for place in np.ndindex(*out):
        window = tuple(slice(i * n // o, -(-(i + 1) * n // o)) for i, n, o in zip(place, size, out))
        values = x[(slice(None), slice(None), *window)].reshape(2, 3, -1)
        where = (slice(None), slice(None), *place)
        np.testing.assert_allclose(mean[where], values.mean(-1), atol=1e-5)
        np.testing.assert_array_equal(y[where], values.max(-1))
        back[(slice(None), slice(None), *window)] += (g[where] / values.shape[-1])[
            (..., *(None,) * nd)
        ]
    np.testing.assert_array_equal(
        np.take_along_axis(flat, index.reshape(2, 3, -1), 2), y.reshape(2, 3, -1)
    )
    np.testing.assert_allclose(gx, back, atol=1e-5)


def test_adaptive_max_takes_the_first_maximum_and_the_last_nan():
    x = np.zeros((1, 2, 3), np.float32)
    assert pool.adaptive_max_pool(x, (1, 1))[1].item() == 0
    x[0, 0, 1] = x[0, 1, 2] = np.nan
    assert pool.adaptive_max_pool(x, (1, 1))[1].item() == 5


def test_empty_batch():
    x = np.zeros((0, 3, 8, 8), np.float32)
    y, index = pool.max_pool(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    assert y.shape == index.shape == (0, 3, 4, 4)
    assert pool.max_pool_backward(y, index, x.shape, 2).shape == x.shape
    assert pool.avg_pool(x, (2, 2), (2, 2), (0, 0), False, True, None).shape == y.shape
