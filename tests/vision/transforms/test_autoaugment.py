"""RandAugment and TrivialAugmentWide."""

import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight.vision import transforms as T
from rushlight.vision.transforms import autoaugment

ARRAY = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
BYTES = torch.from_numpy(ARRAY.transpose(2, 0, 1).copy())
NAMES = list(autoaugment._space(31, 0.3, (10.0, 10.0), 30.0, 0.9, 4))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", [0.0, 0.25])
def test_each_change_of_both_kinds_of_picture(name, strength):
    strength = {"Posterize": 4.0, "Solarize": 100.0, "Rotate": 90 * strength}.get(name, strength)
    mode = T.InterpolationMode.NEAREST
    of_tensor = autoaugment.apply_op(BYTES, name, strength, mode, None)
    of_image = autoaugment.apply_op(Image.fromarray(ARRAY), name, strength, mode, None)
    assert of_tensor.dtype is torch.uint8
    found, expected = of_tensor.permute(1, 2, 0).numpy(), np.asarray(of_image)
    assert np.abs(found.astype(int) - expected.astype(int)).mean() < 12
    if strength == 0 and name not in ("AutoContrast", "Equalize"):
        assert np.abs(found.astype(int) - ARRAY).mean() < 1


def test_draws_follow_the_random_stream():
    for transform in (T.RandAugment(2, 9), T.TrivialAugmentWide()):
        torch.manual_seed(4)
        first = transform(BYTES)
        torch.manual_seed(4)
        assert torch.equal(transform(BYTES), first)
        assert first.shape == BYTES.shape


def test_printed_forms():
    assert repr(T.RandAugment()) == (
        "RandAugment(num_ops=2, magnitude=9, num_magnitude_bins=31, "
        "interpolation=InterpolationMode.NEAREST, fill=None)"
    )
    assert repr(T.TrivialAugmentWide()) == (
        "TrivialAugmentWide(num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, "
        "fill=None)"
    )
