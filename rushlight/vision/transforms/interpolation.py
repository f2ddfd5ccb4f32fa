"""How pictures are resampled."""

from enum import Enum
from typing import Any


class InterpolationMode(Enum):
    """The interpolation of ``Resize``, ``RandomRotation`` and others."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"  # the last three: only for Pillow images
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_FROM_PIL = {
    0: InterpolationMode.NEAREST,
    2: InterpolationMode.BILINEAR,
    3: InterpolationMode.BICUBIC,
    4: InterpolationMode.BOX,
    5: InterpolationMode.HAMMING,
    1: InterpolationMode.LANCZOS,
}
_TO_PIL = {mode: number for number, mode in _FROM_PIL.items()}
_TO_PIL[InterpolationMode.NEAREST_EXACT] = 0


def as_mode(interpolation: Any) -> InterpolationMode:
    """The mode for a mode or one of Pillow's numbers; TypeError for anything else."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int):
        return _FROM_PIL[interpolation]
    raise TypeError("Argument interpolation should be a InterpolationMode or a corresponding "
                    "Pillow integer constant")  # fmt: skip


def to_pil(mode: InterpolationMode) -> int:
    """Pillow's number for a mode."""
    return _TO_PIL[mode]
