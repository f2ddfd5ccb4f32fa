"""Sampling by a grid, with the names of the modes."""

import warnings
from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.ops.grid import affine_grid_generator, grid_sampler

_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


def _default_corners() -> bool:
    warnings.warn(
        "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
        "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
        "documentation of grid_sample for details.",
        stacklevel=3,
    )
    return False


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The values of pictures at the places of ``grid``.

    Args:
        grid: places (x, y) or (x, y, z), from -1 to 1 across the picture.
        mode: "bilinear", "nearest" or "bicubic" (4-D input only).
        padding_mode: what lies outside: "zeros", the "border" value, or its "reflection".
        align_corners: whether -1 and 1 are the centres of the outermost elements, or their edges.

    Shape:
        - input: (N, C, H, W), grid: (N, H', W', 2), result: (N, C, H', W')
        - input: (N, C, D, H, W), grid: (N, D', H', W', 3), result: (N, C, D', H', W')
    """
    if mode not in _MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        align_corners = _default_corners()
    return grid_sampler(input, grid, _MODES[mode], _PADDINGS[padding_mode], align_corners)


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid, for :func:`grid_sample`, of affine maps.

    Args:
        theta: (N, 2, 3) for pictures, (N, 3, 4) for volumes.
        size: of the result of sampling, (N, C, H, W) or (N, C, D, H, W).
        align_corners: as for :func:`grid_sample`.
    """
    if align_corners is None:
        align_corners = _default_corners()
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    nd = len(size) - 2
    if theta.ndim != 3 or tuple(theta.shape[-2:]) != (nd, nd + 1):
        raise ValueError(
            f"Expected a batch of {nd}D affine matrices of shape Nx{nd}x{nd + 1} for size {size}. "
            f"Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return affine_grid_generator(theta, size, align_corners)
