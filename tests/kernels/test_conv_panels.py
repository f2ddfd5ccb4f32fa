"""Convolution by panels against its definition: strides, tiny planes, groups, thread counts."""

import numpy as np
import pytest
from reference import convolve, error

from rushlight.kernels import _context, conv, conv_native, conv_panels
from rushlight.runtime import threads

pytestmark = pytest.mark.skipif(not _context.available(), reason="no generated code")

# input shape, output channels, kernel, stride, padding, dilation, groups
CASES = [
    ((1, 3, 40, 40), 16, (7, 7), (2, 2), (3, 3), (1, 1), 1),
    ((2, 3, 63, 50), 11, (11, 11), (4, 4), (2, 2), (1, 1), 1),
    ((1, 5, 23, 31), 9, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    ((9, 40, 4, 4), 24, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    ((21, 17, 2, 2), 33, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 70, 7, 7), 65, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 12, 20, 21), 8, (3, 2), (3, 3), (2, 1), (1, 1), 2),
    ((2, 6, 17, 90), 12, (2, 3), (1, 2), (0, 4), (2, 3), 3),
    ((1, 8, 9, 300), 7, (1, 5), (1, 1), (0, 2), (1, 1), 1),
    ((3, 33, 28, 28), 34, (1, 1), (2, 2), (0, 0), (1, 1), 1),
    ((1, 4, 5, 130), 3, (3, 3), (1, 4), (5, 7), (1, 1), 1),
]


def _case(case):
    shape, width, kernel, stride, padding, dilation, groups = case
    rng = np.random.default_rng(len(shape) + width)
    x = rng.standard_normal(shape).astype(np.float32)
    w = rng.standard_normal((width, shape[1] // groups, *kernel)).astype(np.float32)
    geometry = (stride, padding, dilation, groups)
    return rng, x, w, geometry, conv_native._plan(x.shape, w.shape, *geometry)


@pytest.mark.parametrize("case", CASES)
def test_forward(case):
    rng, x, w, geometry, plan = _case(case)
    bias = rng.standard_normal(len(w)).astype(np.float32)
    for b in (None, bias):
        y = conv_panels.forward(x, w, b, plan)
        assert error(y, convolve(x, w, b, *geometry)) < 2e-6


@pytest.mark.parametrize("case", [c for c in CASES if c[5] == (1, 1)])
def test_weight_gradient(case):
    rng, x, w, geometry, plan = _case(case)
    g = rng.standard_normal((x.shape[0], len(w), *plan.out)).astype(np.float32)
    found = conv_panels.weight_gradient(g, x, plan)
    expected = conv._weight_grad_numpy(
        g.astype(np.float64), x.astype(np.float64), w.shape, *geometry
    )
    assert error(found, expected) < 4e-6


@pytest.mark.parametrize("case", CASES[:6])
def test_same_for_any_number_of_threads(case):
    rng, x, w, _, plan = _case(case)
    g = rng.standard_normal((x.shape[0], len(w), *plan.out)).astype(np.float32)
    results = []
    before = threads.get_num_threads()
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            made = conv_panels.forward(x, w, None, plan), conv_panels.weight_gradient(g, x, plan)
            results.append(b"".join(a.tobytes() for a in made))
    finally:
        threads.set_num_threads(before)
    assert len(set(results)) == 1


def test_what_the_weight_gradient_takes():
    plan = _case(CASES[0])[4]
    assert conv_panels.takes_weight_gradient(plan)
    assert not conv_panels.takes_weight_gradient(_case(CASES[4])[4])
    assert not conv_panels.takes_weight_gradient(_case(CASES[7])[4])


@pytest.mark.parametrize("columns", range(1, 300, 7))
def test_tiles_fit_into_registers(columns):
    width, vectors, rows = conv_panels.tile(columns)
    registers = 32 if _context.width() == 16 else 16
    assert width in (8, 16) and vectors * rows + vectors + 1 <= registers
