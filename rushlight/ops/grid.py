"""Sampling pictures at given places, and the places of an affine map.

Composites: the place of each tap is a constant of the gradient, its weight a differentiable
function of the grid, the picture's values are gathered by a differentiable primitive.
"""

from itertools import product
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES, float32
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._primitive import apply2
from rushlight.ops._promote import cast
from rushlight.ops.elementwise import add, div, mul, sub
from rushlight.ops.linear_algebra import bmm
from rushlight.ops.pooling import GATHER_PLANE
from rushlight.ops.shape import expand, reshape, select, transpose, unsqueeze

Array = np.ndarray
BILINEAR, NEAREST, BICUBIC = 0, 1, 2
ZEROS, BORDER, REFLECTION = 0, 1, 2


def _constant(values: Any, like: Tensor) -> Tensor:
    return wrap(np.asarray(values).astype(like._array.dtype))


def _unnormalize(x: Tensor, size: int, align: bool) -> Tensor:
    """From -1 to 1 to the numbers of elements."""
    if align:
        return mul(add(x, 1), (size - 1) / 2)
    return div(sub(mul(add(x, 1), size), 1), 2)


def _reflected(x: Array, low: float, high: float) -> tuple[Array, Array]:
    """``x`` reflected into [low, high], and the slope of that."""
    if low == high:
        return np.zeros_like(x), np.zeros_like(x)
    span = high - low
    distance = np.abs(x - low)
    flips = np.floor(distance / span)
    extra = distance - flips * span
    odd = flips % 2 == 1
    slope = np.where(odd, -1.0, 1.0) * np.where(x < low, -1.0, 1.0)
    return np.where(odd, span - extra, extra) + low, slope


def _pad_place(x: Tensor, size: int, padding: int, align: bool) -> Tensor:
    """The place after padding was taken into account."""
    if padding == ZEROS:
        return x
    at = x._array
    slope = np.ones_like(at)
    if padding == REFLECTION:
        low, high = (0, size - 1) if align else (-0.5, size - 0.5)
        at, slope = _reflected(at, low, high)
    inside = (at > 0) & (at < size - 1)
    slope = np.where(inside, slope, 0)
    at = np.clip(at, 0, size - 1)
    shift = np.where(np.isnan(at), 0, at - slope * x._array)
    return add(mul(x, _constant(slope, x)), _constant(shift, x))


def _gathered(input: Tensor, places: list[Array], sizes: tuple[int, ...]) -> tuple[Tensor, Array]:
    """The values (N, C, *out) at integer places, and where these lie inside of the picture."""
    inside = np.ones(places[0].shape, np.bool_)
    flat = np.zeros(places[0].shape, np.int64)
    for at, size in zip(places, sizes):
        inside &= (at >= 0) & (at < size)
        flat = flat * size + np.clip(at, 0, size - 1)
    shape = (*input._array.shape[:2], *flat.shape[1:])
    index = np.ascontiguousarray(np.broadcast_to(flat[:, None], shape))
    flat_input = reshape(input, (*input._array.shape[:2], *sizes))
    if index.ndim - 2 != len(sizes):
        raise RuntimeError("grid_sampler(): the grid does not fit the input")
    return apply2(GATHER_PLANE, flat_input, wrap(index), len(sizes)), inside


def _integers(x: Array) -> Array:
    return np.where(np.isfinite(x), np.clip(x, -(2**31), 2**31), -1).astype(np.int64)


def _sample_linear(input: Tensor, places: list[Tensor], sizes: tuple[int, ...]) -> Tensor:
    floors = [np.floor(p._array) for p in places]
    upper = [sub(p, wrap(np.asarray(f))) for p, f in zip(places, floors)]
    weights = [(sub(1, w), w) for w in upper]
    total: Any = None
    for corner in product((0, 1), repeat=len(sizes)):
        at = [_integers(f) + c for f, c in zip(floors, corner)]
        values, inside = _gathered(input, at, sizes)
        weight = weights[0][corner[0]]
        for w, c in zip(weights[1:], corner[1:]):
            weight = mul(weight, w[c])
        part = mul(values, unsqueeze(mul(weight, _constant(inside, input)), 1))
        total = part if total is None else add(total, part)
    return add(total, 0)  # so that no zero is negative


def _cubic_weights(t: Tensor) -> list[Tensor]:
    """The weights of the four taps around a place, with A = -0.75."""
    a = -0.75

    def near(x: Tensor) -> Tensor:
        return add(mul(mul(sub(mul(x, a + 2), a + 3), x), x), 1)

    def far(x: Tensor) -> Tensor:
        return sub(mul(add(mul(sub(mul(x, a), 5 * a), x), 8 * a), x), 4 * a)

    other = sub(1, t)
    return [far(add(t, 1)), near(t), near(other), far(add(other, 1))]


def _sample_cubic(
    input: Tensor, places: list[Tensor], sizes: tuple[int, ...], padding: int, align: bool
) -> Tensor:
    floors = [np.floor(p._array) for p in places]
    weights = [_cubic_weights(sub(p, wrap(np.asarray(f)))) for p, f in zip(places, floors)]
    total: Any = None
    for taps in product(range(4), repeat=2):
        at = []
        for f, tap, size in zip(floors, taps, sizes):
            place = _pad_place(wrap(np.asarray(f + (tap - 1))), size, padding, align)
            at.append(_integers(np.rint(place._array)))
        values, inside = _gathered(input, at, sizes)
        weight = mul(weights[0][taps[0]], weights[1][taps[1]])
        part = mul(values, unsqueeze(mul(weight, _constant(inside, input)), 1))
        total = part if total is None else add(total, part)
    return add(total, 0)  # so that no zero is negative


def _check(input: Tensor, grid: Tensor) -> None:
    x, g = input._array.shape, grid._array.shape
    if len(x) not in (4, 5) or len(x) != len(g):
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got input with sizes {list(x)} and grid with sizes {list(g)}"
        )
    if input._array.dtype != grid._array.dtype:
        raise RuntimeError(
            "grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{SCALAR_TYPE_NAMES[input.dtype].lower()} and grid has "
            f"{SCALAR_TYPE_NAMES[grid.dtype].lower()}"
        )
    if x[0] != g[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with "
            f"sizes {list(x)} and grid with sizes {list(g)}"
        )
    if g[-1] != len(x) - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {len(x) - 2} in last dimension, but got "
            f"grid with sizes {list(g)}"
        )
    for i in range(2, len(x)):
        if x[i] == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input "
                f"has sizes {list(x)} with dimension {i} being empty"
            )


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``torch.grid_sampler``: the modes are numbers; see ``nn.functional.grid_sample``."""
    _check(input, grid)
    if input._array.dtype.itemsize <= 2:  # places and weights in float32, rounded once
        wide = [cast(t, float32) for t in (input, grid)]
        found = grid_sampler(*wide, interpolation_mode, padding_mode, align_corners)
        return cast(found, input.dtype)
    nd = input._array.ndim - 2
    if interpolation_mode == BICUBIC and nd != 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    sizes = input._array.shape[2:]
    # the grid's last dimension is (x, y, z), the picture's dimensions are (depth, height, width)
    places = [
        _unnormalize(select(grid, -1, nd - 1 - i), sizes[i], align_corners) for i in range(nd)
    ]
    if interpolation_mode == BICUBIC:
        return _sample_cubic(input, places, sizes, padding_mode, align_corners)
    places = [_pad_place(p, n, padding_mode, align_corners) for p, n in zip(places, sizes)]
    if interpolation_mode == BILINEAR:
        return _sample_linear(input, places, sizes)
    at = [_integers(np.rint(p._array)) for p in places]
    values, inside = _gathered(input, at, sizes)
    still = mul(select(grid, -1, 0), 0)  # the grid takes part, with gradient 0
    weight = add(mul(_constant(np.isfinite(grid._array[..., 0]), grid), 0), still)
    return mul(values, unsqueeze(add(_finite(weight), _constant(inside, input)), 1))


def _finite(t: Tensor) -> Tensor:
    return t if bool(np.isfinite(t._array).all()) else wrap(np.zeros_like(t._array))


def _steps(n: int, align: bool, kind: Any) -> Array:
    if n <= 1:
        return np.zeros(n, kind)
    line = np.linspace(-1, 1, n, dtype=np.float64)
    return (line if align else line * (n - 1) / n).astype(kind)


def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """``torch.affine_grid_generator``: see ``nn.functional.affine_grid``."""
    size = tuple([int(n) for n in size])
    kind = theta._array.dtype
    spatial = size[2:]
    lines = [_steps(n, align_corners, kind) for n in spatial]
    mesh = np.meshgrid(*lines, indexing="ij")
    base = np.stack([*reversed(mesh), np.ones(spatial, kind)], axis=-1).reshape(
        1, -1, len(size) - 1
    )
    points = expand(wrap(base), (size[0], base.shape[1], base.shape[2]))
    flat = bmm(points, transpose(theta, 1, 2))
    return reshape(flat, (size[0], *spatial, len(spatial)))
