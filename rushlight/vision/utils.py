"""Pictures side by side, and into a file."""

import math
from typing import Any

import numpy as np

from rushlight.autograd.modes import no_grad
from rushlight.core.tensor import Tensor
from rushlight.ops.joining import cat, stack
from rushlight.vision import _pil

__all__ = ["make_grid", "save_image"]


def _as_batch(tensor: Any) -> Tensor:
    """(number, 3 or more channels, height, width)."""
    if not isinstance(tensor, Tensor):
        if not isinstance(tensor, list):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        for t in tensor:
            if not isinstance(t, Tensor):
                raise TypeError(
                    f"tensor or list of tensors expected, got a list containing {type(t)}"
                )
        tensor = stack(tensor, dim=0)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.shape[1] == 1:
        tensor = cat((tensor, tensor, tensor), 1)
    found: Tensor = tensor
    return found


def _stretch(images: Tensor, value_range: tuple[float, float] | None) -> None:
    """Shifts the values to the range from 0 to 1, in place."""
    if value_range is None:
        low, high = float(images.min()), float(images.max())
    else:
        low, high = value_range
    images.clamp_(min=low, max=high)
    images.sub_(low).div_(max(high - low, 1e-5))


@no_grad()
def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[int, int] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """One picture of many.

    Args:
        tensor: (number, channels, height, width), or a list of pictures of one size.
        nrow: pictures in a row.
        padding: pixels between them.
        normalize: shift the values to the range from 0 to 1.
        value_range: what to take for 0 and 1, instead of the least and the largest value.
        scale_each: each picture by itself.
        pad_value: the value between the pictures.

    Shape:
        output: (channels, rows * (height + padding) + padding, ...); grey becomes three channels.
    """
    images = _as_batch(tensor)
    if normalize:
        images = images.clone()
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max "
                            "are numbers")  # fmt: skip
        for part in images if scale_each else (images,):
            _stretch(part, value_range)
    if images.shape[0] == 1:
        return images.squeeze(0)
    count, channels, height, width = images.shape
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    grid = images.new_full(
        (channels, height * rows + padding, width * columns + padding), pad_value
    )
    for k in range(count):
        top = k // columns * height + padding
        left = k % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = images[k]
    return grid


@no_grad()
def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Writes pictures (values from 0 to 1) into one file.

    Args:
        tensor, kwargs: as for :func:`make_grid`.
        fp: a path or a file.
        format: default: by the ending of the path.
    """
    grid = make_grid(tensor, **kwargs)
    array = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).numpy().astype(np.uint8)
    _pil.from_array(array).save(fp, format=format)
