import numpy as np
import pytest
from native_checks import close, machine, numbers

from rushlight.codegen import builtin
from rushlight.kernels import loss

IGNORE = -100


def expected(x, targets, mean):
    wide = x.astype("f8")
    top = wide.max(1, keepdims=True)
    log_p = wide - top - np.log(np.exp(wide - top).sum(1, keepdims=True))
    kept = targets != IGNORE
    rows = np.arange(len(x))
    losses = np.where(kept, -log_p[rows, np.where(kept, targets, 0)], 0)
    slope = np.exp(log_p)
    slope[rows[kept], targets[kept]] -= 1
    slope[~kept] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = 1 / np.float64(kept.sum()) if mean else 1.0
        return losses.sum() * scale, losses, slope * scale


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (5, 10), (64, 10), (300, 37), (9, 3000)])
def test_forward_and_backward(rows, classes, mean):
    x = numbers((rows, classes), 1)
    targets = np.random.default_rng(2).integers(0, classes, rows)
    targets[1::7] = IGNORE
    value, losses, stats = machine(loss, "cross_entropy")(x, targets, IGNORE, mean)
    wanted, rows_wanted, slope = expected(x, targets, mean)
    close(value, wanted, rtol=1e-6, atol=1e-7)
    close(losses, rows_wanted, rtol=2e-6, atol=2e-7)
    assert stats.shape == (2 * rows + 1,) and stats[-1] == (targets != IGNORE).sum()
    g = np.asarray(1.5, np.float32)
    backward = machine(loss, "cross_entropy_backward")
    close(backward(g, x, targets, stats, IGNORE, mean), slope * 1.5, rtol=2e-6, atol=2e-7)
    each = machine(loss, "cross_entropy_backward", "each")
    if not mean:
        g = numbers(rows, 3)
        got = each(g, x, targets, stats, IGNORE, False)
        close(got, slope * g[:, None], rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("bad", [10, -1, -101, 10**15, -(10**15)])
def test_a_target_that_is_no_class(bad):
    x, targets = numbers((6, 10), 1), np.arange(6)
    targets[4] = bad
    for given in (x, x.astype("f8")):
        with pytest.raises(IndexError, match=f"Target {bad} is out of bounds"):
            loss.cross_entropy(given, targets, IGNORE, True)
    # the gradient of such a row is the softmax alone: nothing outside is touched
    stats = np.zeros(13, np.float32)
    stats[12] = 6
    g = np.asarray(1, np.float32)
    if builtin.available():
        got = loss.cross_entropy_backward(g, x, targets, stats, IGNORE, True)
        assert got.shape == x.shape and np.isfinite(got).all()


def test_all_ignored_and_float64():
    x, targets = numbers((3, 4), 1), np.full(3, IGNORE)
    value, losses, stats = loss.cross_entropy(x, targets, IGNORE, True)
    assert np.isnan(value) and not losses.any()
    assert loss.cross_entropy(x, targets, IGNORE, False)[0] == 0
    targets = np.array([0, 1, IGNORE])
    value, losses, stats = loss.cross_entropy(x.astype("f8"), targets, IGNORE, True)
    wanted, rows_wanted, slope = expected(x, targets, True)
    assert value.dtype == np.float64
    np.testing.assert_allclose(value, wanted)
    np.testing.assert_allclose(losses, rows_wanted)
    got = loss.cross_entropy_backward(np.asarray(1.0), x.astype("f8"), targets, stats, IGNORE, True)
    np.testing.assert_allclose(got, slope, atol=1e-15)


def test_nan_in_a_row():
    x, targets = numbers((3, 4), 1), np.array([0, 1, 2])
    x[1, 3] = np.nan
    _, losses, _ = loss.cross_entropy(x, targets, IGNORE, True)
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False])
