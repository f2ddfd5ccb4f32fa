"""Transforms of tensors (..., channels, height, width)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor, wrap
from rushlight.nn import functional as F
from rushlight.ops._late import late
from rushlight.ops.creation import ones_like, tensor, zeros_like
from rushlight.ops.joining import cat, stack

_MAX = {
    dtypes.uint8: 255, dtypes.int8: 127, dtypes.int16: 32767, dtypes.uint16: 65535,
    dtypes.int32: 2147483647, dtypes.int64: 9223372036854775807,
}  # fmt: skip


def _max_value(dtype: Dtype) -> int:
    """The value of white."""
    return _MAX.get(dtype, 1)


def _check(img: Tensor, channels: Sequence[int] = (), ndim: int = 2) -> None:
    if img.ndim < 2:
        raise TypeError("Tensor is not a torch image.")
    if img.ndim < ndim:
        raise TypeError(
            f"Input image tensor should have at least {ndim} dimensions, but found {img.ndim}"
        )
    found = get_dimensions(img)[0] if channels else 0
    if channels and found not in channels:
        raise TypeError(
            f"Input image tensor permitted channel values are {list(channels)}, but found {found}"
        )


def _check_bytes(img: Tensor) -> None:
    if img.dtype is not dtypes.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")


def get_dimensions(img: Tensor) -> list[int]:
    """[channels, height, width]."""
    if img.ndim < 2:
        raise TypeError("Tensor is not a torch image.")
    shape = img.shape
    return [1 if len(shape) == 2 else shape[-3], shape[-2], shape[-1]]


def convert_image_dtype(image: Tensor, dtype: Dtype) -> Tensor:
    """With another dtype, the values scaled to its range."""
    old = image.dtype
    if old is dtype:
        return image
    if old.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        if (old is dtypes.float32 and dtype in (dtypes.int32, dtypes.int64)) or (
            old is dtypes.float64 and dtype is dtypes.int64
        ):
            raise RuntimeError(f"The cast from {old} to {dtype} cannot be performed safely.")
        # just below the next number, so that each integer gets an equal share
        return image.mul(_max_value(dtype) + 1.0 - 1e-3).to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / float(_max_value(old))
    ratio = (_max_value(old) + 1) / (_max_value(dtype) + 1)
    if ratio > 1:
        return late.div(image, int(ratio), rounding_mode="floor").to(dtype)
    return image.to(dtype) * int(1 / ratio)


def hflip(img: Tensor) -> Tensor:
    """Left and right exchanged."""
    _check(img)
    return late.flip(img, (-1,))


def vflip(img: Tensor) -> Tensor:
    """Top and bottom exchanged."""
    _check(img)
    return late.flip(img, (-2,))


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The part with its upper left corner at (top, left)."""
    _check(img)
    h, w = img.shape[-2:]
    right, bottom = left + width, top + height
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return img[..., top:bottom, left:right]
    margins = (
        max(-left + min(0, right), 0), max(-top + min(0, bottom), 0),
        max(right - max(w, left), 0), max(bottom - max(h, top), 0),
    )  # fmt: skip
    return pad(img[..., max(top, 0) : bottom, max(left, 0) : right], margins, 0, "constant")


def pad(img: Tensor, padding: Sequence[int], fill: Any, mode: str) -> Tensor:
    """With a margin of (left, top, right, bottom)."""
    _check(img)
    left, top, right, bottom = padding
    if mode == "constant":
        if isinstance(fill, (tuple, list)) and len(fill) == 1:
            fill = fill[0]
        if fill is not None and not isinstance(fill, (int, float)):
            raise TypeError("Got inappropriate fill arg")
        return F.pad(img, (left, right, top, bottom), value=fill or 0)
    h, w = img.shape[-2:]
    rows = np.pad(np.arange(max(-top, 0), h - max(-bottom, 0)), (max(top, 0), max(bottom, 0)), mode)  # type: ignore[call-overload]
    columns = np.pad(
        np.arange(max(-left, 0), w - max(-right, 0)), (max(left, 0), max(right, 0)), mode
    )  # type: ignore[call-overload]
    return img[..., wrap(rows)[:, None], wrap(columns)]


def _floats(img: Tensor) -> Tensor:
    return img if img.dtype.is_floating_point else img.to(dtypes.float32)


def _batched(img: Tensor) -> Tensor:
    """(number, channels, height, width)."""
    shape = img.shape
    channels = shape[-3] if len(shape) > 2 else 1
    return _floats(img).reshape(-1, channels, shape[-2], shape[-1])


def _like(result: Tensor, img: Tensor) -> Tensor:
    """``result`` with the leading dimensions and the dtype of ``img``; integers are rounded."""
    if not img.dtype.is_floating_point:
        result = late.round(result).to(img.dtype)
    return result.reshape(*img.shape[:-2], *result.shape[-2:])


def resize(img: Tensor, size: tuple[int, int], mode: str, antialias: bool | None) -> Tensor:
    """At the size (height, width)."""
    smooth = mode in ("bilinear", "bicubic")
    result = F.interpolate(
        _batched(img),
        size=list(size),
        mode=mode,
        align_corners=False if smooth else None,
        antialias=bool(antialias) and smooth,
    )
    if mode == "bicubic" and img.dtype is dtypes.uint8:
        result = result.clamp(0, 255)
    return _like(result, img)


def _affine_grid(matrix: Sequence[float], img: Tensor, width: int, height: int) -> np.ndarray:
    """Where each point of a result of this size lies in the picture, from -1 to 1.

    Unlike ``affine_grid`` it counts in pixels around the middle, and the result may be larger.
    """
    kind = _floats(img)._array.dtype
    theta = np.array(matrix, kind).reshape(2, 3)
    base = np.ones((height, width, 3), kind)
    base[..., 0] = np.linspace(-width * 0.5 + 0.5, width * 0.5 - 0.5, width, dtype=kind)
    base[..., 1] = np.linspace(-height * 0.5 + 0.5, height * 0.5 - 0.5, height, dtype=kind)[:, None]
    h, w = img.shape[-2:]
    scaled = theta.T / np.array([0.5 * w, 0.5 * h], kind)
    return (base.reshape(-1, 3) @ scaled).reshape(1, height, width, 2)


def _sample(img: Tensor, grid: np.ndarray, mode: str, fill: Any) -> Tensor:
    """The picture at the points of the grid, ``fill`` outside of it."""
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{mode}' is unsupported with Tensor input")
    channels = get_dimensions(img)[0]
    if isinstance(fill, (tuple, list)) and 1 < len(fill) != channels:
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of "
            f"the image ({len(fill)} != {channels})"
        )
    batch = _batched(img)
    points = wrap(grid.astype(batch._array.dtype)).expand(batch.shape[0], -1, -1, -1)
    if fill is None:
        return _like(F.grid_sample(batch, points, mode, "zeros", align_corners=False), img)
    batch = cat((batch, ones_like(batch[:, :1])), dim=1)  # tells what is inside
    found = F.grid_sample(batch, points, mode, "zeros", align_corners=False)
    values, inside = found[:, :-1], found[:, -1:]
    colors = tensor(list(fill) if isinstance(fill, (tuple, list)) else [fill], dtype=values.dtype)
    colors = colors.view(1, -1, 1, 1)
    if mode == "nearest":
        return _like(late.where(inside < 0.5, colors, values), img)
    return _like(values * inside + (1.0 - inside) * colors, img)


def affine(img: Tensor, matrix: list[float], mode: str, fill: Any) -> Tensor:
    """Each point of the result taken from ``matrix`` times it."""
    h, w = img.shape[-2:]
    return _sample(img, _affine_grid(matrix, img, w, h), mode, fill)


def _size_of_all(matrix: list[float], w: int, h: int) -> tuple[int, int]:
    """(width, height) that holds all of a turned picture; as Pillow computes it."""
    half_w, half_h = 0.5 * w, 0.5 * h
    corners = np.array([[-half_w, -half_h, 1], [-half_w, half_h, 1], [half_w, half_h, 1],
                        [half_w, -half_h, 1]], np.float32)  # fmt: skip
    points = corners @ np.array(matrix, np.float32).reshape(2, 3).T
    points += np.array([half_w, half_h], np.float32)
    tolerance = np.float32(1e-4)
    high = np.ceil(np.trunc(points.max(0) / tolerance) * tolerance)
    low = np.floor(np.trunc(points.min(0) / tolerance) * tolerance)
    return int(high[0] - low[0]), int(high[1] - low[1])


def rotate(img: Tensor, matrix: list[float], mode: str, expand: bool, fill: Any) -> Tensor:
    """Turned by the matrix."""
    h, w = img.shape[-2:]
    width, height = _size_of_all(matrix, w, h) if expand else (w, h)
    return _sample(img, _affine_grid(matrix, img, width, height), mode, fill)


def perspective(img: Tensor, c: Sequence[float], mode: str, fill: Any) -> Tensor:
    """Each point of the result taken from where the coefficients say."""
    h, w = img.shape[-2:]
    kind = _floats(img)._array.dtype
    x = np.arange(w, dtype=kind) + kind.type(0.5)
    y = (np.arange(h, dtype=kind) + kind.type(0.5))[:, None]
    c = [kind.type(v) for v in c]
    below = c[6] * x + c[7] * y + 1
    grid = np.stack([
        (c[0] * x + c[1] * y + c[2]) / kind.type(0.5 * w) / below - 1,
        (c[3] * x + c[4] * y + c[5]) / kind.type(0.5 * h) / below - 1,
    ], -1)  # fmt: skip
    return _sample(img, grid[None], mode, fill)


def _blend(img: Tensor, other: Tensor, ratio: float) -> Tensor:
    bound = _max_value(img.dtype)
    return (ratio * img + (1.0 - ratio) * other).clamp(0, bound).to(img.dtype)


def _check_factor(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def to_grayscale(img: Tensor, channels: int = 1) -> Tensor:
    """Without colour (ITU-R 601 luma)."""
    _check(img, (1, 3), ndim=3)
    if channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if img.shape[-3] == 3:
        r, g, b = late.unbind(img, dim=-3)
        grey = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    else:
        grey = img.clone()
    return grey.expand(*img.shape[:-3], 3, *img.shape[-2:]) if channels == 3 else grey


def adjust_brightness(img: Tensor, factor: float) -> Tensor:
    """Lighter or darker."""
    _check_factor("brightness_factor", factor)
    _check(img, (1, 3))
    return _blend(img, zeros_like(img), float(factor))


def adjust_contrast(img: Tensor, factor: float) -> Tensor:
    """More or less contrast."""
    _check_factor("contrast_factor", factor)
    _check(img, (3, 1))
    grey = to_grayscale(img) if get_dimensions(img)[0] == 3 else img
    mean = late.mean(_floats(grey), dim=(-3, -2, -1), keepdim=True)
    return _blend(img, mean, float(factor))


def adjust_saturation(img: Tensor, factor: float) -> Tensor:
    """More or less colour."""
    _check_factor("saturation_factor", factor)
    _check(img, (1, 3))
    if get_dimensions(img)[0] == 1:
        return img
    return _blend(img, to_grayscale(img), float(factor))


def adjust_hue(img: Tensor, factor: float) -> Tensor:
    """Colours shifted around the wheel."""
    _check(img, (1, 3))
    if get_dimensions(img)[0] == 1:
        return img
    h, s, v = _rgb_to_hsv(convert_image_dtype(img, dtypes.float32))
    return convert_image_dtype(_hsv_to_rgb((h + factor) % 1.0, s, v), img.dtype)


def _rgb_to_hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value, from 0 to 1; no colour gives hue and saturation 0."""
    r, g, b = late.unbind(img, dim=-3)
    high, low = late.amax(img, dim=-3), late.amin(img, dim=-3)
    grey = high == low
    one = ones_like(high)
    span = high - low
    s = span / late.where(grey, one, high)
    divisor = late.where(grey, one, span)
    rc, gc, bc = (high - r) / divisor, (high - g) / divisor, (high - b) / divisor
    h = late.where(high == r, bc - gc, late.where(high == g, 2.0 + rc - bc, 4.0 + gc - rc))
    return late.fmod(h / 6.0 + 1.0, 1.0), s, high


def _hsv_to_rgb(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    sector = late.floor(h * 6.0)
    f = h * 6.0 - sector
    p = (v * (1.0 - s)).clamp(0.0, 1.0)
    q = (v * (1.0 - s * f)).clamp(0.0, 1.0)
    t = (v * (1.0 - s * (1.0 - f))).clamp(0.0, 1.0)
    number = (sector.to(dtypes.int64) % 6).unsqueeze(0)
    channels = ((v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q))
    return stack([late.gather(stack(c), 0, number)[0] for c in channels], dim=-3)


def adjust_gamma(img: Tensor, gamma: float, gain: float) -> Tensor:
    """``gain * value ** gamma``."""
    _check(img, (1, 3))
    values = convert_image_dtype(img, dtypes.float32) if not img.dtype.is_floating_point else img
    return convert_image_dtype((gain * values**gamma).clamp(0, 1), img.dtype)


def adjust_sharpness(img: Tensor, factor: float) -> Tensor:
    """Sharper or softer."""
    _check_factor("sharpness_factor", factor)
    _check(img, (1, 3))
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    kernel = np.ones((3, 3), _floats(img)._array.dtype)
    kernel[1, 1] = 5.0
    kernel /= kernel.sum()
    soft = img.clone()
    soft[..., 1:-1, 1:-1] = _filtered(img, kernel)
    return _blend(img, soft, float(factor))


def _filtered(img: Tensor, kernel: np.ndarray, margins: Sequence[int] = ()) -> Tensor:
    """Each channel convolved with the kernel."""
    batch = _batched(img)
    if margins:
        batch = F.pad(batch, margins, mode="reflect")
    channels = batch.shape[1]
    weight = wrap(np.ascontiguousarray(np.broadcast_to(kernel, (channels, 1, *kernel.shape))))
    return _like(F.conv2d(batch, weight, groups=channels), img)


def _gaussian(size: int, sigma: float, kind: np.dtype) -> np.ndarray:
    half = (size - 1) * 0.5
    x = np.linspace(-half, half, size, dtype=kind)
    pdf = np.exp(kind.type(-0.5) * (x / kind.type(sigma)) ** 2)
    return pdf / pdf.sum()


def gaussian_blur(img: Tensor, kernel_size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """Blurred; the sizes and standard deviations are (x, y)."""
    _check(img)
    kind = _floats(img)._array.dtype
    across, down = [_gaussian(k, s, kind) for k, s in zip(kernel_size, sigma)]
    half_x, half_y = kernel_size[0] // 2, kernel_size[1] // 2
    return _filtered(img, np.outer(down, across), (half_x, half_x, half_y, half_y))


def invert(img: Tensor) -> Tensor:
    """The negative."""
    _check(img, (1, 3), ndim=3)
    return _max_value(img.dtype) - img


def posterize(img: Tensor, bits: int) -> Tensor:
    """Only the highest bits."""
    _check(img, (1, 3), ndim=3)
    _check_bytes(img)
    return wrap(img._array & np.uint8(256 - 2 ** (8 - bits) & 255))


def solarize(img: Tensor, threshold: float) -> Tensor:
    """The negative of high values."""
    _check(img, (1, 3), ndim=3)
    if threshold > _max_value(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return late.where(img >= threshold, invert(img), img)


def autocontrast(img: Tensor) -> Tensor:
    """The values of each channel spread over the whole range."""
    _check(img, (1, 3), ndim=3)
    bound = _max_value(img.dtype)
    values = _floats(img)
    low = late.amin(values, dim=(-2, -1), keepdim=True)
    high = late.amax(values, dim=(-2, -1), keepdim=True)
    flat = high == low
    scale = late.where(flat, 1.0, bound / late.where(flat, 1.0, high - low))
    low = late.where(flat, 0.0, low)
    return ((values - low) * scale).clamp(0, bound).to(img.dtype)


def equalize(img: Tensor) -> Tensor:
    """The values of each channel made equally frequent."""
    _check(img, (1, 3))
    if img.ndim not in (3, 4):
        raise TypeError(f"Input image tensor should have 3 or 4 dimensions, but found {img.ndim}")
    _check_bytes(img)
    array = img._array
    planes = array.reshape(math.prod(array.shape[:-2]), -1)
    return wrap(np.stack([_equalized(plane) for plane in planes]).reshape(array.shape))


def _equalized(plane: np.ndarray) -> np.ndarray:
    counts = np.bincount(plane, minlength=256)
    step = counts[counts != 0][:-1].sum() // 255
    if step == 0:
        return plane
    table = (np.cumsum(counts) + step // 2) // step
    table = np.concatenate(([0], table[:-1])).clip(0, 255).astype(np.uint8)
    return table[plane]
