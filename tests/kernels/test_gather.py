import numpy as np
import pytest
from native_checks import machine

from rushlight.kernels import gather

MEAN, STD = 0.1307, 0.3081


def test_every_byte_has_pytorchs_roundings():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    unit = (images[[0]].astype(np.float32) / np.float32(255))[:, None]
    got = machine(gather, "gather_images")(images, np.array([0]))
    assert got.shape == (1, 1, 16, 16) and got.dtype == np.float32
    np.testing.assert_array_equal(got, unit)
    got = machine(gather, "gather_normalised")(images, np.array([0]), MEAN, STD)
    np.testing.assert_array_equal(got, (unit - np.float32(MEAN)) / np.float32(STD))
    # x.float().div(255).sub_(mean).div_(std), recorded from PyTorch 2.13 for 0, 100 and 255
    expected = np.array([-0.4242129623889923, 0.8486104011535645, 2.821486711502075], np.float32)
    np.testing.assert_array_equal(got.ravel()[[0, 100, 255]], expected)


@pytest.mark.parametrize("count", [1, 64, 300])
def test_batches(count):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, 70)
    indices = rng.integers(-70, 70, count)
    got = machine(gather, "gather_images")(images, indices)
    np.testing.assert_array_equal(got[:, 0], images[indices].astype(np.float32) / np.float32(255))
    got = machine(gather, "gather_numbers")(labels, indices)
    np.testing.assert_array_equal(got, labels[indices])


@pytest.mark.parametrize("bad", [70, -71])
def test_an_index_out_of_range(bad):
    images, labels = np.zeros((70, 4, 4), np.uint8), np.zeros(70, np.int64)
    indices = np.array([0, bad, 3])
    with pytest.raises(IndexError, match="out of bounds"):
        gather.gather_images(images, indices)
    with pytest.raises(IndexError, match="out of bounds"):
        gather.gather_normalised(images, indices, MEAN, STD)
    with pytest.raises(IndexError, match="out of bounds"):
        gather.gather_numbers(labels, indices)


def test_what_is_not_native():
    images = np.zeros((5, 4, 6), np.uint8)[:, :, ::2]
    assert gather.gather_images(images, np.array([1, 2])).shape == (2, 1, 4, 3)
    assert gather.gather_images(images, np.zeros(0, np.int64)).shape == (0, 1, 4, 3)
