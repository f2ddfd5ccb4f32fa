"""Transforms between pictures and tensors, and of their values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor
from rushlight.nn.modules.module import Module
from rushlight.vision.transforms import functional as F


class ToTensor:
    """A Pillow image or an array (height, width, channels) as a tensor (channels, height, width).

    Bytes (0 to 255) become floats (0 to 1); other types keep their values.

    Examples::

        >>> from rushlight.vision import transforms
        >>> transforms.ToTensor()(np.array([[0, 51], [102, 255]], dtype=np.uint8))
        tensor([[[0.0000, 0.2000],
                 [0.4000, 1.0000]]])
    """

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A Pillow image as a tensor (channels, height, width) of its own type, usually uint8."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor (channels, height, width) or an array (height, width, channels) as a Pillow image.

    Args:
        mode: Pillow's mode; default: by the number of channels and the type.
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        mode = "" if self.mode is None else f"mode={self.mode}"
        return f"{type(self).__name__}({mode})"


class ConvertImageDtype(Module):
    """A tensor with another dtype, its values scaled to that dtype's range."""

    def __init__(self, dtype: Dtype) -> None:
        super().__init__()
        if not isinstance(dtype, Dtype):
            raise TypeError("Argument dtype should be of type torch.dtype")
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        """The picture with the other dtype."""
        return F.convert_image_dtype(image, self.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Normalize(Module):
    """``(input[channel] - mean[channel]) / std[channel]``.

    Args:
        mean, std: a number for each channel.
        inplace: change the tensor itself.

    Examples::

        >>> from rushlight.vision import transforms
        >>> transforms.Normalize((0.5,), (0.25,))(torch.ones(1, 1, 2))
        tensor([[[2., 2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace
        self._constants: Any = None

    def forward(self, tensor: Tensor) -> Tensor:
        """The normalised picture(s)."""
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def constants(self, channels: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and std as float32 arrays (channels, 1, 1), for use on whole batches.

        None if they do not fit the channels or a std is zero: then ``forward`` raises.
        """
        mean, std = self.mean, self.std
        if not isinstance(mean, (list, tuple)) or not isinstance(std, (list, tuple)):
            return None
        key = (*mean, None, *std, channels)
        if self._constants is None or self._constants[0] != key:
            self._constants = (key, _column_arrays(mean, std, channels))
        found: tuple[np.ndarray, np.ndarray] | None = self._constants[1]
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


def _column_arrays(
    mean: Sequence[float], std: Sequence[float], channels: int
) -> tuple[np.ndarray, np.ndarray] | None:
    a, b = [np.array(part, np.float32).reshape(-1, 1, 1) for part in (mean, std)]
    fits = len(a) in (1, channels) and len(b) in (1, channels) and b.all()
    return (a, b) if fits else None


class LinearTransformation(Module):
    """``(flattened picture - mean_vector) @ transformation_matrix``, for example for whitening.

    Args:
        transformation_matrix: (D, D), D = channels * height * width.
        mean_vector: (D,).
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise ValueError(
                "transformation_matrix should be square. Got "
                f"{tuple(transformation_matrix.shape)} rectangular matrix."
            )
        if mean_vector.shape[0] != rows:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of the "
                f"dimensions of the transformation_matrix [{tuple(transformation_matrix.shape)}]"
            )
        if transformation_matrix.dtype != mean_vector.dtype:
            raise ValueError(
                "Input tensors should have the same dtype. Got "
                f"{transformation_matrix.dtype} and {mean_vector.dtype}"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        """The transformed picture(s)."""
        shape = tensor.shape
        n = shape[-3] * shape[-2] * shape[-1]
        if n != self.transformation_matrix.shape[0]:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"[{shape[-3]} x {shape[-2]} x {shape[-1]}] != "
                f"{self.transformation_matrix.shape[0]}"
            )
        flat = tensor.view(-1, n) - self.mean_vector
        return (flat @ self.transformation_matrix.to(flat.dtype)).view(shape)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )
