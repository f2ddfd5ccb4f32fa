"""Chains of random changes that need no tuning: RandAugment and TrivialAugment."""

import math
from typing import Any

import numpy as np

from rushlight.nn.modules.module import Module
from rushlight.ops.random import randint
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._setup import fill_for
from rushlight.vision.transforms.interpolation import InterpolationMode

# name: the strengths that can be drawn (none: it has no strength), whether the sign is drawn too
Space = dict[str, tuple[np.ndarray | None, bool]]


def _drawn(high: int) -> int:
    return int(randint(high, (1,)).item())


def _space(bins: int, shear: float, move: tuple[float, float], turn: float, factor: float,
           bits: int) -> Space:  # fmt: skip
    """The changes, in the order in which they are numbered."""

    def up_to(high: float) -> tuple[np.ndarray, bool]:
        return np.linspace(0.0, high, bins, dtype=np.float32), True

    posterize = 8 - np.round(np.arange(bins, dtype=np.float32) / np.float32((bins - 1) / bits))
    return {
        "Identity": (None, False),
        "ShearX": up_to(shear),
        "ShearY": up_to(shear),
        "TranslateX": up_to(move[0]),
        "TranslateY": up_to(move[1]),
        "Rotate": up_to(turn),
        "Brightness": up_to(factor),
        "Color": up_to(factor),
        "Contrast": up_to(factor),
        "Sharpness": up_to(factor),
        "Posterize": (posterize, False),
        "Solarize": (np.linspace(255.0, 0.0, bins, dtype=np.float32), False),
        "AutoContrast": (None, False),
        "Equalize": (None, False),
    }


_FACTORS = {
    "Brightness": F.adjust_brightness,
    "Color": F.adjust_saturation,
    "Contrast": F.adjust_contrast,
    "Sharpness": F.adjust_sharpness,
}


def apply_op(img: Any, name: str, strength: float, interpolation: Any, fill: Any) -> Any:
    """The picture after one change."""
    if name in ("ShearX", "ShearY"):
        angle = math.degrees(math.atan(strength))
        shear = [angle, 0.0] if name == "ShearX" else [0.0, angle]
        return F.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, center=[0, 0])
    if name in ("TranslateX", "TranslateY"):
        move = [int(strength), 0] if name == "TranslateX" else [0, int(strength)]
        return F.affine(img, 0.0, move, 1.0, [0.0, 0.0], interpolation, fill)
    if name == "Rotate":
        return F.rotate(img, strength, interpolation, fill=fill)
    if name in _FACTORS:
        return _FACTORS[name](img, 1.0 + strength)
    if name == "Posterize":
        return F.posterize(img, int(strength))
    if name == "Solarize":
        return F.solarize(img, strength)
    if name == "AutoContrast":
        return F.autocontrast(img)
    return F.equalize(img) if name == "Equalize" else img


class RandAugment(Module):
    """Several random changes of one strength (arXiv:1909.13719).

    Args:
        num_ops: how many.
        magnitude: the strength, below ``num_magnitude_bins``.
        interpolation, fill: as for :class:`RandomRotation`.

    Takes Pillow images and uint8 tensors.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, img: Any) -> Any:
        """The changed picture."""
        fill = None if self.fill is None else fill_for(img, self.fill)
        _, height, width = F.get_dimensions(img)
        move = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
        space = _space(self.num_magnitude_bins, 0.3, move, 30.0, 0.9, 4)
        for _ in range(self.num_ops):
            name = list(space)[_drawn(len(space))]
            strengths, signed = space[name]
            strength = 0.0 if strengths is None else float(strengths[self.magnitude])
            if signed and _drawn(2):
                strength = -strength
            img = apply_op(img, name, strength, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )


class TrivialAugmentWide(Module):
    """One random change of random strength (arXiv:2103.10158).

    Args:
        num_magnitude_bins: how many strengths there are.
        interpolation, fill: as for :class:`RandomRotation`.

    Takes Pillow images and uint8 tensors.
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, img: Any) -> Any:
        """The changed picture."""
        fill = None if self.fill is None else fill_for(img, self.fill)
        space = _space(self.num_magnitude_bins, 0.99, (32.0, 32.0), 135.0, 0.99, 6)
        name = list(space)[_drawn(len(space))]
        strengths, signed = space[name]
        strength = 0.0
        if strengths is not None:
            strength = float(strengths[_drawn(len(strengths))])
        if signed and _drawn(2):
            strength = -strength
        return apply_op(img, name, strength, self.interpolation, fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )
