"""Matrix products against float64, in every storage order."""

import numpy as np
import pytest
from reference import error

from rushlight.kernels import matmul

TOLERANCE = {np.float64: 1e-13, np.float32: 2e-6, np.float16: 2e-3}


def stored(rng, shape, dtype, order):
    if order == "transposed":
        return (
            rng.standard_normal((*shape[:-2], shape[-1], shape[-2])).astype(dtype).swapaxes(-1, -2)
        )
    if order == "strided":
        return rng.standard_normal((*shape[:-1], 2 * shape[-1])).astype(dtype)[..., ::2]
    return rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("left", ["plain", "transposed", "strided"])
@pytest.mark.parametrize("right", ["plain", "transposed", "strided"])
def test_products(dtype, left, right):
    rng = np.random.default_rng(0)
    sizes = [(1, 1, 1), (1, 7, 33), (5, 1, 9), (17, 31, 64), (130, 70, 50), (3, 300, 400)]
    for m, n, k in sizes:
        for lead in ((), (3,), (2, 2)):
            a = stored(rng, (*lead, m, k), dtype, left)
            b = stored(rng, (*lead, k, n), dtype, right)
            expected = a.astype(np.float64) @ b.astype(np.float64)
            c = (matmul.bmm if lead else matmul.matmul2d)(a, b)
            assert c.dtype == dtype
            assert error(c, expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("order", ["plain", "transposed", "strided"])
def test_linear_and_gradients(dtype, order):
    rng = np.random.default_rng(1)
    for m, n, k in [(1, 10, 490), (1, 3, 5), (64, 10, 70), (7, 129, 33), (200, 150, 90)]:
        x, w = stored(rng, (m, k), dtype, order), stored(rng, (n, k), dtype, order)
        bias = rng.standard_normal(n).astype(dtype)
        g = stored(rng, (m, n), dtype, order)
        x64, w64, g64 = (v.astype(np.float64) for v in (x, w, g))
        for b in (None, bias):
            expected = x64 @ w64.T + (0 if b is None else b.astype(np.float64))
            assert error(matmul.linear(x, w, b), expected) < TOLERANCE[dtype]
        for need_w, need_b in ((True, True), (True, False), (False, True)):
            gx, gw, gb = matmul.linear_backward(g, x, w, True, need_w, need_b)
            assert error(gx, g64 @ w64) < TOLERANCE[dtype]
            assert (gw is not None) == need_w and (gb is not None) == need_b
            if need_w:
                assert error(gw, g64.T @ x64) < TOLERANCE[dtype]
            if need_b:
                assert error(gb, g64.sum(0)) < 5 * TOLERANCE[dtype]


def test_large_products_are_cut_into_parts():
    rng = np.random.default_rng(2)
    for m, n, k in [(700, 40, 600), (40, 700, 600), (333, 517, 129), (1, 2000, 300)]:
        x, w = rng.standard_normal((m, k), np.float32), rng.standard_normal((n, k), np.float32)
        b = rng.standard_normal(n, np.float32)
        expected = x.astype(np.float64) @ w.T.astype(np.float64) + b
        assert error(matmul.linear(x, w, b), expected) < 2e-6


@pytest.mark.parametrize("sizes", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
def test_empty(sizes):
    m, n, k = sizes
    x, w, b = np.ones((m, k), np.float32), np.ones((n, k), np.float32), np.ones(n, np.float32)
    y = matmul.linear(x, w, b)
    assert y.shape == (m, n)
    assert (y == 1 + k).all()
    assert matmul.matmul2d(x, w.T).shape == (m, n)


def test_integers():
    a = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(matmul.matmul2d(a, a.T), a @ a.T)


@pytest.mark.parametrize(
    "m, n, k", [(1, 64, 1), (7, 65, 3), (32, 512, 128), (33, 200, 70), (5, 7, 9)]
)
def test_accumulate(m, n, k):
    rng = np.random.default_rng(m)
    a, b, c = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n), (m, n)))
    expected = c + a.astype(np.float64) @ b
    assert matmul.accumulate(c, a, b) is c
    np.testing.assert_allclose(c, expected, atol=1e-5 * k**0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n, k", [(1, 1), (7, 13), (511, 8), (513, 1), (1300, 37)])
def test_one_row(n, k, dtype):
    rng = np.random.default_rng(n)
    x, w = (rng.standard_normal(s).astype(dtype) for s in ((1, k), (k, n)))
    expected = x.astype(np.float64) @ w
    np.testing.assert_allclose(matmul.matmul2d(x, w), expected, atol=1e-5)
