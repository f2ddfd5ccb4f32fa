"""Transforms as functions, of Pillow images and of tensors (..., channels, height, width)."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops.creation import as_tensor
from rushlight.vision import _pil
from rushlight.vision.transforms import _functional_pil, _functional_tensor
from rushlight.vision.transforms._affine import inverse_affine_matrix, perspective_coefficients
from rushlight.vision.transforms.interpolation import InterpolationMode, as_mode, to_pil


def _backend(img: Any) -> Any:
    """The functions for the kind of picture."""
    if isinstance(img, Tensor):
        return _functional_tensor
    if _pil.is_pil_image(img):
        return _functional_pil
    raise TypeError(f"Unexpected type {type(img)}")


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]."""
    found: list[int] = _backend(img).get_dimensions(img)
    return found


def get_image_size(img: Any) -> list[int]:
    """[width, height]."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return get_dimensions(img)[0]


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or array as a tensor: see :class:`ToTensor`.

    Raises TypeError for anything else, ValueError for arrays of other than 2 or 3 dimensions.
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
        return _scaled(np.ascontiguousarray(array.transpose(2, 0, 1)))
    if not _pil.is_pil_image(pic):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    kind = {"I": np.int32, "I;16": np.uint16, "I;16B": np.int16, "F": np.float32}
    array = np.array(pic, kind.get(pic.mode, np.uint8))
    if pic.mode == "1":
        array *= 255
    array = array.reshape(pic.size[1], pic.size[0], -1)
    return _scaled(np.ascontiguousarray(array.transpose(2, 0, 1)))


def _scaled(array: np.ndarray) -> Tensor:
    """Bytes as floats of the default dtype, divided by 255; other types as they are."""
    if array.dtype != np.uint8:
        return as_tensor(array)
    kind = defaults.dtype.np
    return wrap(np.divide(array, kind.type(255), dtype=kind))


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image as a tensor of its own type; TypeError for anything else."""
    if not _pil.is_pil_image(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    array = np.array(pic)
    return wrap(array.reshape(pic.size[1], pic.size[0], -1).transpose(2, 0, 1))


def convert_image_dtype(image: Tensor, dtype: Dtype = dtypes.float32) -> Tensor:
    """A tensor with another dtype, its values scaled to that dtype's range.

    Raises RuntimeError for float to wide integers, which would lose too much.
    """
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return _functional_tensor.convert_image_dtype(image, dtype)


_MODES_1 = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}
_MODES_N = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}


def _channels_last(pic: Any, mode: str | None) -> np.ndarray:
    """The array (height, width, channels) of a tensor or array."""
    if not isinstance(pic, (Tensor, np.ndarray)):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pic.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    if isinstance(pic, np.ndarray):
        array = pic[:, :, None] if pic.ndim == 2 else pic
        channels = array.shape[-1]
    else:
        if pic.dtype.is_floating_point and mode != "F":
            pic = pic.mul(255).byte()
        array = pic.numpy()
        array = (array[None] if array.ndim == 2 else array).transpose(1, 2, 0)
        channels = array.shape[-1]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    return array


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (channels, height, width) or array (height, width, channels) as a Pillow image.

    Floats are taken to be from 0 to 1. Raises TypeError and ValueError for what makes no picture.
    """
    array = _channels_last(pic, mode)
    channels = array.shape[2]
    if channels == 1:
        array = array[:, :, 0]
        expected = _MODES_1.get(array.dtype.name)
        if mode is not None and mode != expected:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {array.dtype.type}. "
                f"Should be {expected}"
            )
        mode = expected
    else:
        allowed = _MODES_N[channels]
        if mode is not None and mode not in allowed:
            raise ValueError(f"Only modes {list(allowed)} are supported for {channels}D inputs")
        if mode is None and array.dtype == np.uint8:
            mode = allowed[0]
    if mode is None:
        raise TypeError(f"Input type {array.dtype} is not supported")
    image = _pil.from_array(array)
    return image if image.mode == mode else _reinterpreted(array, mode)


def _reinterpreted(array: np.ndarray, mode: str) -> Any:
    """The bytes of an array as an image of a mode that they do not show."""
    size = (array.shape[1], array.shape[0])
    return _pil.image_module().frombytes(mode, size, np.ascontiguousarray(array).tobytes())


def normalize(
    tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> Tensor:
    """``(tensor - mean) / std``, per channel: see :class:`Normalize`."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{tensor.shape}"
        )
    if not inplace:
        tensor = tensor.clone()
    means, stds = as_tensor(mean, dtype=tensor.dtype), as_tensor(std, dtype=tensor.dtype)
    if not stds._array.all():
        raise ValueError(
            f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero."
        )
    if means.ndim == 1:
        means = means.view(-1, 1, 1)
    if stds.ndim == 1:
        stds = stds.view(-1, 1, 1)
    return tensor.sub_(means).div_(stds)


def _output_size(
    height: int, width: int, size: Sequence[int], max_size: int | None
) -> tuple[int, int]:
    """(height, width) after ``resize`` with a size of one number: that of the smaller edge."""
    if len(size) != 1:
        return size[0], size[1]
    short, long = min(height, width), max(height, width)
    new_short = size[0]
    new_long = int(new_short * long / short)
    if max_size is not None:
        if max_size <= new_short:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the "
                f"smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The picture at another size.

    Args:
        size: (height, width), or one number: that of the smaller edge.
        max_size: of the longer edge, if ``size`` is one number.
        antialias: of tensors, with bilinear and bicubic; Pillow always does.
    """
    mode = as_mode(interpolation)
    wanted = [size] if isinstance(size, int) else list(size)
    if max_size is not None and len(wanted) != 1:
        raise ValueError(
            "max_size should only be passed if size specifies the length of the smaller edge, "
            "i.e. size should be an int or a sequence of length 1 in torchscript mode."
        )
    _, height, width = get_dimensions(img)
    output = _output_size(height, width, wanted, max_size)
    if output == (height, width):
        return img
    if isinstance(img, Tensor):
        return _functional_tensor.resize(img, output, mode.value, antialias)
    if antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is "
            "ignored.",
            stacklevel=2,
        )
    return _functional_pil.resize(img, output, to_pil(mode))


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The picture with a margin.

    Args:
        padding: one number; (left and right, top and bottom); or (left, top, right, bottom).
        fill: the value of a constant margin.
        padding_mode: "constant", "edge", "reflect" or "symmetric".
    """
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if isinstance(padding, (tuple, list)) and len(padding) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element "
            "tuple"
        )
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    p = [padding] if isinstance(padding, int) else list(padding)
    left, top, right, bottom = p if len(p) == 4 else (p * 4 if len(p) == 1 else p * 2)
    return _backend(img).pad(img, (left, top, right, bottom), fill, padding_mode)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part with its upper left corner at (top, left); black where it leaves the picture."""
    return _backend(img).crop(img, top, left, height, width)


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle, (height, width); black where the picture is smaller."""
    if isinstance(output_size, int):
        output_size = (output_size, output_size)
    elif len(output_size) == 1:
        output_size = (output_size[0], output_size[0])
    _, height, width = get_dimensions(img)
    new_height, new_width = output_size
    if new_width > width or new_height > height:
        dx, dy = max(new_width - width, 0), max(new_height - height, 0)
        img = pad(img, [dx // 2, dy // 2, (dx + 1) // 2, (dy + 1) // 2], fill=0)
        _, height, width = get_dimensions(img)
        if (new_width, new_height) == (width, height):
            return img
    top = round((height - new_height) / 2.0)
    left = round((width - new_width) / 2.0)
    return crop(img, top, left, new_height, new_width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """``crop``, then ``resize``."""
    img = crop(img, top, left, height, width)
    return resize(img, size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return _backend(img).hflip(img)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return _backend(img).vflip(img)


def five_crop(img: Any, size: Any) -> tuple[Any, ...]:
    """The four corners and the middle, each (height, width)."""
    crop_height, crop_width = _two(size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        raise ValueError(
            f"Requested crop size {[crop_height, crop_width]} is bigger than input size "
            f"{(height, width)}"
        )
    bottom, right = height - crop_height, width - crop_width
    corners = [crop(img, top, left, crop_height, crop_width)
               for top, left in ((0, 0), (0, right), (bottom, 0), (bottom, right))]  # fmt: skip
    return (*corners, center_crop(img, [crop_height, crop_width]))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """``five_crop`` of the picture and of its mirror image."""
    first = five_crop(img, size)
    return first + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def _two(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    return size[0], size[1]


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """The picture turned counter-clockwise.

    Args:
        angle: in degrees.
        expand: make the picture large enough for all of it.
        center: (x, y) to turn around; default: the middle.
        fill: the value outside the picture.
    """
    mode = as_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    if not isinstance(img, Tensor):
        _backend(img)
        return _functional_pil.rotate(img, angle, to_pil(mode), expand, center, fill)
    offset = _center_offset(img, center)
    # positive angles turn counter-clockwise, and the matrix is the inverse one
    matrix = inverse_affine_matrix(offset, -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    return _functional_tensor.rotate(img, matrix, mode.value, expand, fill)


def _center_offset(img: Tensor, center: Any) -> tuple[float, float]:
    """Where ``center`` lies, from the middle of the picture."""
    if center is None:
        return 0.0, 0.0
    _, height, width = get_dimensions(img)
    return 1.0 * (center[0] - width * 0.5), 1.0 * (center[1] - height * 0.5)


def _check_affine(angle: Any, translate: Any, scale: float, shear: Any, center: Any) -> None:
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, (int, float, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")


def affine(
    img: Any,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: Any,
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """The picture turned (clockwise, in degrees), sheared, scaled and moved."""
    mode = as_mode(interpolation)
    _check_affine(angle, translate, scale, shear, center)
    shears = [float(shear), 0.0] if isinstance(shear, (int, float)) else list(shear)
    if len(shears) == 1:
        shears *= 2
    if len(shears) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    _, height, width = get_dimensions(img)
    if isinstance(img, Tensor):
        offset = _center_offset(img, center)
        moved = (1.0 * translate[0], 1.0 * translate[1])
        matrix = inverse_affine_matrix(offset, angle, moved, scale, shears)
        return _functional_tensor.affine(img, matrix, mode.value, fill)
    middle = (width * 0.5, height * 0.5) if center is None else center
    matrix = inverse_affine_matrix(middle, angle, translate, scale, shears)
    return _functional_pil.affine(img, matrix, to_pil(mode), fill)


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The picture with four points (corners, from the upper left clockwise) moved to four others."""
    mode = as_mode(interpolation)
    coefficients = perspective_coefficients(startpoints, endpoints)
    if isinstance(img, Tensor):
        return _functional_tensor.perspective(img, coefficients, mode.value, fill)
    _backend(img)
    return _functional_pil.perspective(img, coefficients, to_pil(mode), fill)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Lighter (above 1) or darker."""
    return _backend(img).adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """More (above 1) or less contrast; 0 gives grey."""
    return _backend(img).adjust_contrast(img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """More (above 1) or less colour; 0 gives a grey picture."""
    return _backend(img).adjust_saturation(img, saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Colours shifted around the wheel, by -0.5 to 0.5 of it."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return _backend(img).adjust_hue(img, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * value ** gamma``, with values from 0 to 1."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return _backend(img).adjust_gamma(img, gamma, gain)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Sharper (above 1) or softer."""
    return _backend(img).adjust_sharpness(img, sharpness_factor)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A Pillow image without colour, in 1 or 3 channels."""
    if not _pil.is_pil_image(img):
        raise TypeError("Input should be PIL Image")
    return _functional_pil.to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The picture without colour, in 1 or 3 channels."""
    return _backend(img).to_grayscale(img, num_output_channels)


def invert(img: Any) -> Any:
    """The negative."""
    return _backend(img).invert(img)


def posterize(img: Any, bits: int) -> Any:
    """Only the highest ``bits`` of each value."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return _backend(img).posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """The negative of values from ``threshold`` on."""
    return _backend(img).solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """The values of each channel spread over the whole range."""
    return _backend(img).autocontrast(img)


def equalize(img: Any) -> Any:
    """The values of each channel made equally frequent."""
    return _backend(img).equalize(img)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """The picture blurred.

    Args:
        kernel_size: odd numbers (x, y), or one for both.
        sigma: standard deviations (x, y), or one for both; default:
            ``0.3 * ((kernel_size - 1) * 0.5 - 1) + 0.8``.
    """
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(k % 2 == 0 or k < 0 for k in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        sigma = [k * 0.15 + 0.35 for k in sizes]
    sigmas = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else list(sigma)
    if len(sigmas) == 1:
        sigmas *= 2
    if len(sigmas) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigmas)}")
    if any(s <= 0.0 for s in sigmas):
        raise ValueError(f"sigma should have positive values. Got {sigmas}")
    if isinstance(img, Tensor):
        return _functional_tensor.gaussian_blur(img, sizes, sigmas)
    if not _pil.is_pil_image(img):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    blurred = _functional_tensor.gaussian_blur(pil_to_tensor(img), sizes, sigmas)
    return to_pil_image(blurred, mode=img.mode)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """A tensor with the values ``v`` in the part of ``h`` rows and ``w`` columns at (i, j)."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    if not inplace:
        img = img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
