"""Whole batches of pictures: which transforms can run on all of them at once, and how.

Known are ``ToTensor``, then any number of ``Normalize``, alone or in a ``Compose``. The numbers are
those of the transforms to the last bit: float32 division by 255, then less the mean, then by the
standard deviation, each rounded.
"""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, wrap
from rushlight.kernels import gather
from rushlight.utils.data.collate import default_collate
from rushlight.vision.transforms.container import Compose
from rushlight.vision.transforms.conversion import Normalize, ToTensor

_255 = np.float32(255)
Steps = list[tuple[np.ndarray, np.ndarray]]


def plan(transform: Any, channels: int) -> Steps | None:
    """The (mean, std) pairs to apply after ``ToTensor``; None for transforms that are not known."""
    kind = type(transform)
    if kind is ToTensor:
        chain = [transform]
    elif kind is Compose:
        chain = list(transform.transforms)
    else:
        return None
    if not chain or type(chain[0]) is not ToTensor or defaults.dtype is not dtypes.float32:
        return None
    steps: Steps = []
    for step in chain[1:]:
        found = step.constants(channels) if type(step) is Normalize else None
        if found is None:
            return None
        steps.append(found)
    return steps


def finish(images: np.ndarray, steps: Steps) -> np.ndarray:
    """Pictures (..., channels, height, width) after ``ToTensor`` and ``steps``."""
    result = np.empty(images.shape, np.float32)
    np.divide(images, _255, out=result)
    for mean, std in steps:
        result -= mean
        result /= std
    return result


def grey_batch(images: np.ndarray, indices: np.ndarray, steps: Steps) -> np.ndarray:
    """Rows of (number, height, width) as a batch (size, 1, height, width)."""
    if not steps:
        return gather.gather_images(images, indices)
    if len(steps) == 1:
        mean, std = steps[0]
        return gather.gather_normalised(images, indices, mean.item(), std.item())
    return finish(images.take(indices, 0)[:, None], steps)


def targets_of(targets: Any, indices: np.ndarray, target_transform: Any) -> Any | None:
    """The targets of a batch, as ``default_collate`` joins them; None if they are of no known kind."""
    if type(targets) is Tensor:
        array = targets._array
    elif type(targets) is list:
        array = np.array([targets[i] for i in indices.tolist()])
        indices = np.arange(len(indices))
    else:
        return None
    if array.dtype != np.int64 or array.ndim != 1:
        return None
    chosen = gather.gather_numbers(array, indices)
    if target_transform is None:
        return wrap(chosen)
    return default_collate([target_transform(t) for t in chosen.tolist()])
