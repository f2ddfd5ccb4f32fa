import numpy as np
import pytest
from native_checks import close, machine, numbers

from rushlight.kernels import reduction
from rushlight.runtime import threads

NUMPY = {
    "sum": np.sum,
    "mean": np.mean,
    "sum_squares": lambda x, axis=None, keepdims=False: np.sum(x * x, axis, keepdims=keepdims),
    "amax": np.max,
    "amin": np.min,
}
SHAPES = [(1,), (7,), (65,), (3, 5), (64, 10), (33, 37), (2, 3, 5, 7), (2, 30, 1030), (90000,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NUMPY)
def test_all_dims(name, shape):
    x = numbers(shape, 1)
    wide = x.astype("f8")
    dims = [None, *((d,) for d in range(len(shape)))]
    dims += [(0, 1), (1, 2, 3), (0, 2), (0, 2, 3)] if len(shape) == 4 else []
    for d in dims:
        for keepdim in (False, True):
            expected = NUMPY[name](wide, axis=d, keepdims=keepdim)
            close(reduction.reduce(name, x, d, keepdim), expected, rtol=3e-7, atol=1e-7)
            got = reduction.reduce(name, x.T, d, keepdim)
            close(got, NUMPY[name](wide.T, axis=d, keepdims=keepdim), rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("name", NUMPY)
def test_kernels(name):
    for rows, n in [(1, 1), (5, 16), (19, 37), (300, 1100)]:
        x = numbers((rows, n), n)
        wide = x.astype("f8")
        check = NUMPY[name]
        tolerance = {"rtol": 3e-7, "atol": 1e-7}
        close(machine(reduction, f"{name}_all")(x), check(wide), **tolerance)
        close(machine(reduction, f"{name}_last")(x), check(wide, axis=1), **tolerance)
        keep = check(wide, axis=1, keepdims=True)
        close(machine(reduction, f"{name}_last_keep")(x), keep, **tolerance)
        close(machine(reduction, f"{name}_first")(x), check(wide, axis=0), **tolerance)
        stack = numbers((3, rows, n), n)
        expected = check(stack.astype("f8"), axis=1)
        close(machine(reduction, f"{name}_middle")(stack), expected, **tolerance)


@pytest.mark.parametrize("nan", [False, True])
@pytest.mark.parametrize("shape", SHAPES[:-1])
@pytest.mark.parametrize("op", ["max", "min"])
def test_extremes_and_their_first_places(op, shape, nan):
    x = np.round(numbers(shape, 2))
    if nan:
        x = np.where(np.random.default_rng(0).random(shape) < 0.1, np.float32(np.nan), x)
    values, places = machine(reduction, f"{op}_last")(x)
    np.testing.assert_array_equal(places, getattr(np, f"arg{op}")(x, -1))
    np.testing.assert_array_equal(values, getattr(np, op)(x, -1))
    stack = x.reshape(1, -1, shape[-1])
    values, places = machine(reduction, f"{op}_middle")(stack)
    np.testing.assert_array_equal(places, getattr(np, f"arg{op}")(stack, 1))
    np.testing.assert_array_equal(values, getattr(np, op)(stack, 1))
    assert places.dtype == np.int64


def test_nan_and_infinities():
    x = np.array([1, np.inf, 2], np.float32)
    assert reduction.sum_all(x) == np.inf and reduction.amin_all(x) == 1
    x[2] = np.nan
    for name in NUMPY:
        assert np.isnan(reduction.reduce(name, x, None, False))
    assert np.isnan(reduction.sum_all(np.array([np.inf, -np.inf], np.float32)))


def test_empty_arrays():
    x = np.zeros((0, 3), np.float32)
    assert reduction.reduce("sum", x, None, False) == 0
    np.testing.assert_array_equal(reduction.reduce("sum", x, (0,), False), np.zeros(3))
    assert reduction.reduce("sum", x, (1,), True).shape == (0, 1)
    with pytest.raises(ValueError, match="zero-size"):
        reduction.reduce("amax", x, None, False)


def test_a_sum_is_more_accurate_than_numpys():
    x = numbers(1 << 20, 3) + np.float32(1000)
    exact = x.astype("f8").sum()
    got = abs(float(reduction.sum_all(x)) - exact)
    assert got <= abs(float(x.sum()) - exact) and got <= np.spacing(np.float32(exact))


def test_tall_arrays():
    x = numbers((1 << 18, 10), 4)
    close(reduction.reduce("sum", x, (0,), False), x.astype("f8").sum(0), rtol=1e-6, atol=1e-6)


def test_other_dtypes():
    x = numbers((4, 6), 1).astype("f8")
    got = reduction.reduce("sum", x, (0,), False)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, x.sum(0))
    half = reduction.reduce("mean", x.astype("f2"), None, False)
    assert half.dtype == np.float16


def test_integers_and_booleans():
    x = np.full((3, 4), 1 << 30, np.int32)
    assert reduction.reduce("sum", x, None, False) == 12 << 30
    assert reduction.reduce("sum", x > 0, None, False) == 12
    np.testing.assert_array_equal(reduction.reduce("mean", x, (0,), False), np.full(4, 1 << 30))


def test_results_do_not_depend_on_the_number_of_threads():
    x = numbers((1100, 1300), 1)
    before, found = threads.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            parts = [reduction.sum_all(x), reduction.mean_last(x), reduction.sum_first(x)]
            found.append([*parts, reduction.amax_middle(x[None])])
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)
