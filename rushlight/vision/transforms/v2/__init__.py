"""The second version of the transforms: those of the first, plus ``ToImage`` and ``ToDtype``.

They take one picture. What torchvision's version adds beyond that (boxes, masks and videos beside
the picture) is not supported.
"""

from typing import Any

import numpy as np

from rushlight.base.dtypes import dtype as Dtype
from rushlight.base.errors import unsupported
from rushlight.core.tensor import Tensor
from rushlight.nn.modules.module import Module
from rushlight.ops.creation import as_tensor
from rushlight.vision import _pil
from rushlight.vision.transforms import functional
from rushlight.vision.transforms.transforms import *  # noqa: F403
from rushlight.vision.transforms.transforms import __all__ as _names

__all__ = [*_names, "Identity", "RGB", "ToDtype", "ToImage", "ToPureTensor", "functional"]  # noqa: PLE0604


class ToImage(Module):
    """A Pillow image or an array (height, width, channels) as a tensor of the same values."""

    def forward(self, img: Any) -> Any:
        """The tensor (channels, height, width)."""
        if isinstance(img, Tensor):
            return img
        if isinstance(img, np.ndarray):
            array = img[:, :, None] if img.ndim == 2 else img
            return as_tensor(np.ascontiguousarray(array.transpose(2, 0, 1)))
        if not _pil.is_pil_image(img):
            raise TypeError(
                "Input can either be a pure Tensor, a numpy array, or a PIL image, but got "
                f"{type(img)} instead."
            )
        return functional.pil_to_tensor(img).contiguous()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToDtype(Module):
    """A tensor with another dtype; with ``scale``, its values scaled to that dtype's range."""

    def __init__(self, dtype: Dtype, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, Dtype):
            raise unsupported("v2.ToDtype with a dict of dtypes", "there are only pictures")
        self.dtype = dtype
        self.scale = scale

    def forward(self, img: Any) -> Any:
        """The tensor with the other dtype."""
        if not isinstance(img, Tensor):
            return img
        if self.scale:
            return functional.convert_image_dtype(img, self.dtype)
        return img.to(self.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scale={self.scale})"


class ToPureTensor(Module):
    """Nothing: pictures are plain tensors here."""

    def forward(self, img: Any) -> Any:
        """The picture itself."""
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Identity(ToPureTensor):
    """Nothing."""


class RGB(Module):
    """Three channels, also for grey pictures."""

    def forward(self, img: Any) -> Any:
        """The picture in three channels."""
        if isinstance(img, Tensor):
            return img if img.shape[-3] == 3 else img.expand(*img.shape[:-3], 3, *img.shape[-2:])
        return img.convert("RGB")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
