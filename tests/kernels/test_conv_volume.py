"""Convolution in three dimensions by slices, against its definition."""

import numpy as np
import pytest
from reference import convolve, error

from rushlight.kernels import _context, conv, conv_volume

CASES = [
    ((2, 8, 6, 12, 11), 16, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    ((1, 6, 9, 8, 10), 9, (2, 3, 1), (2, 1, 2), (0, 2, 1), (2, 1, 1), 3),
    ((3, 4, 5, 6, 7), 4, (3, 3, 3), (3, 1, 1), (4, 1, 0), (1, 1, 1), 4),
    ((1, 2, 3, 20, 20), 5, (1, 5, 5), (2, 1, 1), (0, 2, 2), (1, 1, 1), 1),
    ((2, 3, 4, 5, 5), 2, (3, 1, 1), (1, 2, 2), ((2, 0), 0, 0), (1, 1, 1), 1),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("limit", [1 << 26, 1])
def test_all_three(case, limit, monkeypatch):
    monkeypatch.setattr(conv_volume, "_SLICE_BYTES", limit)
    shape, width, kernel, stride, padding, dilation, groups = case
    rng = np.random.default_rng(width)
    x = rng.standard_normal(shape, np.float32)
    w = rng.standard_normal((width, shape[1] // groups, *kernel), np.float32)
    bias = rng.standard_normal(width, np.float32)
    geometry = (stride, padding, dilation, groups)
    y = conv.conv_forward(x, w, bias, *geometry)
    assert error(y, convolve(x, w, bias, *geometry)) < 4e-6
    g = rng.standard_normal(y.shape, np.float32)
    gx, gw, gb = conv.conv_backward(g, x, w, *geometry, True, True, True)
    wide = [a.astype(np.float64) for a in (g, x, w)]
    assert error(gx, conv._input_grad_numpy(wide[0], wide[2], shape, *geometry)) < 4e-6
    assert error(gw, conv._weight_grad_numpy(wide[0], wide[1], w.shape, *geometry)) < 4e-6
    np.testing.assert_allclose(gb, g.sum((0, 2, 3, 4), dtype=np.float64), atol=1e-3)


@pytest.mark.skipif(not _context.available(), reason="no generated code")
def test_what_goes_by_slices():
    one, none = (1, 1, 1), (0, 0, 0)
    assert conv._volume((1, 2, 3, 4, 5), (2, 2, 1, 1, 1), one, none, one, 1) is not None
    assert conv._volume((0, 2, 3, 4, 5), (2, 2, 1, 1, 1), one, none, one, 1) is None
    assert conv._volume((1, 2, 3, 4, 5), (2, 2, 1, 1, 1), one, (-1, 0, 0), one, 1) is None
    assert conv._volume((1, 2, 3, 4), (2, 2, 1, 1), (1, 1), (0, 0), (1, 1), 1) is None
