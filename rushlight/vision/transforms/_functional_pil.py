"""Transforms of Pillow images."""

from typing import Any

import numpy as np

from rushlight.vision import _pil


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]."""
    width, height = img.size
    return [len(img.getbands()), height, width]


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return img.transpose(_pil.image_module().Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return img.transpose(_pil.image_module().Transpose.FLIP_TOP_BOTTOM)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part with its upper left corner at (top, left)."""
    return img.crop((left, top, left + width, top + height))


def resize(img: Any, size: tuple[int, int], resample: int) -> Any:
    """At the size (height, width)."""
    return img.resize((size[1], size[0]), resample)


def _fill(fill: Any, img: Any, name: str = "fillcolor") -> dict[str, Any]:
    """The fill value as Pillow takes it."""
    bands = len(img.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)) and bands > 1:
        fill = tuple([fill] * bands)
    if isinstance(fill, (list, tuple)):
        if len(fill) == 1:
            fill = fill * bands
        elif len(fill) != bands:
            raise ValueError(
                f"The number of elements in 'fill' does not match the number of channels of the "
                f"image ({len(fill)} != {bands})"
            )
        fill = tuple(fill)
    if img.mode != "F":
        fill = tuple([int(x) for x in fill]) if isinstance(fill, tuple) else int(fill)
    return {name: fill}


def pad(img: Any, padding: tuple[int, int, int, int], fill: Any, mode: str) -> Any:
    """With a margin of (left, top, right, bottom)."""
    left, top, right, bottom = padding
    if mode == "constant":
        ops = _pil.submodule("ImageOps")
        color = _fill(fill, img, "fill")
        if img.mode != "P":
            return ops.expand(img, border=padding, **color)
        palette = img.getpalette()
        img = ops.expand(img, border=padding, **color)
        img.putpalette(palette)
        return img
    if min(padding) < 0:
        width, height = img.size
        img = img.crop((max(-left, 0), max(-top, 0), width - max(-right, 0),
                        height - max(-bottom, 0)))  # fmt: skip
        left, top, right, bottom = [max(x, 0) for x in padding]
    array = np.asarray(img)
    widths = ((top, bottom), (left, right), (0, 0))[: array.ndim]
    result = _pil.image_module().fromarray(np.pad(array, widths, mode))  # type: ignore[call-overload]
    if img.mode == "P":
        result.putpalette(img.getpalette())
    return result


def affine(img: Any, matrix: list[float], resample: int, fill: Any) -> Any:
    """Each point of the result taken from ``matrix`` times it."""
    kind = _pil.image_module().Transform.AFFINE
    return img.transform(img.size, kind, matrix, resample, **_fill(fill, img))


def perspective(img: Any, coefficients: list[float], resample: int, fill: Any) -> Any:
    """Each point of the result taken from where the coefficients say."""
    kind = _pil.image_module().Transform.PERSPECTIVE
    return img.transform(img.size, kind, coefficients, resample, **_fill(fill, img))


def rotate(img: Any, angle: float, resample: int, expand: bool, center: Any, fill: Any) -> Any:
    """Turned counter-clockwise."""
    return img.rotate(angle, resample, expand, center, **_fill(fill, img))


def adjust_brightness(img: Any, factor: float) -> Any:
    """Lighter or darker."""
    return _pil.submodule("ImageEnhance").Brightness(img).enhance(factor)


def adjust_contrast(img: Any, factor: float) -> Any:
    """More or less contrast."""
    return _pil.submodule("ImageEnhance").Contrast(img).enhance(factor)


def adjust_saturation(img: Any, factor: float) -> Any:
    """More or less colour."""
    return _pil.submodule("ImageEnhance").Color(img).enhance(factor)


def adjust_sharpness(img: Any, factor: float) -> Any:
    """Sharper or softer."""
    return _pil.submodule("ImageEnhance").Sharpness(img).enhance(factor)


def adjust_hue(img: Any, factor: float) -> Any:
    """Colours shifted around the wheel."""
    mode = img.mode
    if mode in ("L", "1", "I", "F"):
        return img
    h, s, v = img.convert("HSV").split()
    shift = int(factor * 255) & 0xFF
    hue = np.asarray(h) + np.uint8(shift)  # wraps around, as hues do
    h = _pil.from_array(hue)
    return _pil.image_module().merge("HSV", (h, s, v)).convert(mode)


def adjust_gamma(img: Any, gamma: float, gain: float) -> Any:
    """``gain * value ** gamma``."""
    mode = img.mode
    img = img.convert("RGB")
    table = [int((255 + 1 - 1e-3) * gain * pow(i / 255.0, gamma)) for i in range(256)] * 3
    return img.point(table).convert(mode)


def to_grayscale(img: Any, channels: int) -> Any:
    """Without colour."""
    grey = img.convert("L")
    if channels == 1:
        return grey
    if channels == 3:
        return _pil.image_module().merge("RGB", (grey, grey, grey))
    raise ValueError("num_output_channels should be either 1 or 3")


def invert(img: Any) -> Any:
    """The negative."""
    return _pil.submodule("ImageOps").invert(img)


def posterize(img: Any, bits: int) -> Any:
    """Only the highest bits."""
    return _pil.submodule("ImageOps").posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """The negative of high values."""
    return _pil.submodule("ImageOps").solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """The values spread over the whole range."""
    return _pil.submodule("ImageOps").autocontrast(img)


def equalize(img: Any) -> Any:
    """The values made equally frequent."""
    return _pil.submodule("ImageOps").equalize(img)
