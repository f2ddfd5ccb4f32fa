"""Picture files as uint8 tensors (channels, height, width), and back, through Pillow."""

import io
import os
from enum import Enum
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.tensor import Tensor, wrap
from rushlight.vision import _pil

__all__ = [
    "ImageReadMode", "decode_image", "decode_jpeg", "decode_png", "encode_jpeg", "encode_png",
    "read_file", "read_image", "write_file", "write_jpeg", "write_png",
]  # fmt: skip


class ImageReadMode(Enum):
    """How many channels a picture is read with."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PIL_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}
_KEPT = ("L", "LA", "RGB", "RGBA", "CMYK", "I;16")  # others are converted even if UNCHANGED


def read_file(path: Any) -> Tensor:
    """The bytes of a file as a uint8 tensor of one dimension; RuntimeError if it cannot be read."""
    try:
        with open(path, "rb") as f:
            data = f.read()
    except OSError as error:
        raise RuntimeError(f"[Errno {error.errno}] {error.strerror}: '{os.fspath(path)}'") from None
    return wrap(np.frombuffer(bytearray(data), np.uint8))


def write_file(filename: Any, data: Tensor) -> None:
    """Writes the bytes of a uint8 tensor of one dimension."""
    if data.dtype is not dtypes.uint8 or data.ndim != 1:
        raise RuntimeError("Input tensor should be of one dimension and of dtype torch.uint8")
    with open(filename, "wb") as f:
        f.write(data.numpy().tobytes())


def decode_image(
    input: Any,
    mode: Any = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """A picture (JPEG, PNG, GIF, WebP, ...) as a uint8 tensor (channels, height, width).

    Args:
        input: the path of a file, or its bytes as a uint8 tensor of one dimension.
        mode: an ImageReadMode, or its name.
        apply_exif_orientation: turn it as its EXIF data says.

    Raises RuntimeError if it is no picture. Pictures of 16 bits give uint16.
    """
    if not isinstance(input, Tensor):
        input = read_file(input)
    if input.dtype is not dtypes.uint8 or input.ndim != 1 or not input.numel():
        raise RuntimeError("Expected a non empty 1-dimensional tensor")
    if isinstance(mode, str):
        mode = ImageReadMode[mode.upper()]
    module = _pil.image_module()
    try:
        image = module.open(io.BytesIO(input.numpy().tobytes()))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise RuntimeError(
            f"Unsupported image file. Only jpeg, png, webp and gif are currently supported: {error}"
        ) from None
    if apply_exif_orientation:
        image = _pil.submodule("ImageOps").exif_transpose(image)
    wanted = _PIL_MODES.get(mode)
    if wanted is None and image.mode not in _KEPT:
        wanted = {"1": "L", "PA": "RGBA"}.get(
            image.mode, "RGBA" if "transparency" in image.info else "RGB"
        )
    if wanted is not None and image.mode != wanted:
        image = image.convert(wanted)
    array = np.array(image)
    array = array[:, :, None] if array.ndim == 2 else array
    return wrap(np.ascontiguousarray(array.transpose(2, 0, 1)))


def decode_png(
    input: Tensor,
    mode: ImageReadMode = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The bytes of a PNG file as a tensor: see :func:`decode_image`."""
    return decode_image(input, mode, apply_exif_orientation)


def decode_jpeg(
    input: Any,
    mode: ImageReadMode = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Any:
    """The bytes of a JPEG file (or of several, in a list) as tensors: see :func:`decode_image`."""
    if isinstance(input, list):
        return [decode_image(data, mode, apply_exif_orientation) for data in input]
    return decode_image(input, mode, apply_exif_orientation)


def read_image(
    path: Any,
    mode: Any = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """A picture file as a uint8 tensor (channels, height, width): see :func:`decode_image`."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def _encode(input: Tensor, kind: str, channels: tuple[int, ...], **options: Any) -> Tensor:
    if input.dtype is not dtypes.uint8:
        raise RuntimeError(f"Input tensor dtype should be uint8, but got {input.dtype}")
    if input.ndim != 3:
        raise RuntimeError("Input data should be a 3-dimensional tensor")
    if input.shape[0] not in channels:
        raise RuntimeError(
            f"The number of channels should be {' or '.join(map(str, channels))}, "
            f"got: {input.shape[0]}"
        )
    array = input.numpy().transpose(1, 2, 0)
    image = _pil.from_array(array[:, :, 0] if array.shape[2] == 1 else array)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return wrap(np.frombuffer(bytearray(stream.getvalue()), np.uint8))


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """A uint8 tensor (1 or 3, height, width) as the bytes of a PNG file."""
    if not 0 <= compression_level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")
    return _encode(input, "PNG", (1, 3), compress_level=compression_level)


def encode_jpeg(input: Any, quality: int = 75) -> Any:
    """A uint8 tensor (1 or 3, height, width), or a list of them, as the bytes of a JPEG file."""
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    if isinstance(input, list):
        return [encode_jpeg(image, quality) for image in input]
    return _encode(input, "JPEG", (1, 3), quality=quality)


def write_png(input: Tensor, filename: Any, compression_level: int = 6) -> None:
    """Writes a uint8 tensor (1 or 3, height, width) as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: Any, quality: int = 75) -> None:
    """Writes a uint8 tensor (1 or 3, height, width) as a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
