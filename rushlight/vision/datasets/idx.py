"""IDX files, the format of MNIST and its relatives: a header and big-endian numbers.

The header: two zero bytes, the code of the type, the number of dimensions, then each dimension as a
32-bit number. (http://yann.lecun.com/exdb/mnist/)
"""

import gzip
import importlib
import math
import os
import zlib
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.errors import with_notes
from rushlight.core.tensor import Tensor, wrap

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
SN3_PASCALVINCENT_TYPEMAP = {
    8: dtypes.uint8, 9: dtypes.int8, 11: dtypes.int16, 12: dtypes.int32, 13: dtypes.float32,
    14: dtypes.float64,
}  # fmt: skip


def get_int(b: bytes) -> int:
    """Big-endian bytes as a number."""
    return int.from_bytes(b, "big")


def read_bytes(path: Any) -> bytes:
    """The contents of a file, unpacked if its name ends in ``.gz`` or ``.xz``.

    What is wrong with a packed file is raised with a note that names it.
    """
    name = os.fspath(path)
    with open(name, "rb") as f:
        data = f.read()
    try:
        if name.endswith(".gz"):
            return _gunzip(data)
        return _unxz(data) if name.endswith(".xz") else data
    except (EOFError, OSError, zlib.error) as error:
        raise with_notes(
            error, f"{name} ({len(data)} bytes) is truncated or corrupt: delete it and get it again"
        ) from None


def _unxz(data: bytes) -> bytes:
    lzma = importlib.import_module("lzma")
    try:
        return bytes(lzma.decompress(data))
    except lzma.LZMAError as error:
        raise EOFError(str(error)) from None


def _gunzip(data: bytes) -> bytes:
    if data[:2] != b"\x1f\x8b":
        raise gzip.BadGzipFile(f"Not a gzipped file ({data[:2]!r})")
    unpacker = zlib.decompressobj(wbits=31)
    result = unpacker.decompress(data)
    if not unpacker.eof:
        raise EOFError("Compressed file ended before the end-of-stream marker was reached")
    return result


def read_sn3_pascalvincent_tensor(path: Any, strict: bool = True) -> Tensor:
    """The tensor in an IDX file, packed or not.

    Raises AssertionError if the header is not that of an IDX file, RuntimeError if the file has
    more or fewer numbers than its header says.
    """
    data = read_bytes(path)
    header = f"{os.fspath(path)} is no IDX file: its header is {data[:4].hex(' ') or 'empty'}"
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or not 1 <= data[3] <= 3:
        raise AssertionError(header)
    ndim = data[3]
    start = 4 * (ndim + 1)
    if len(data) < start:
        raise AssertionError(f"{header}, and it ends there")
    shape = [get_int(data[4 * i : 4 * i + 4]) for i in range(1, ndim + 1)]
    kind = np.dtype(_TYPES[data[2]])
    count, rest = divmod(len(data) - start, kind.itemsize)
    if rest or count != math.prod(shape):
        raise with_notes(
            RuntimeError(f"shape '{shape}' is invalid for input of size {count}"),
            f"{os.fspath(path)} is truncated or corrupt: its header announces "
            f"{math.prod(shape) * kind.itemsize} bytes, and {len(data) - start} follow",
        )
    array = np.frombuffer(data, kind, count, start).reshape(shape)
    return wrap(array.astype(kind.newbyteorder("=")))  # a copy: the file's bytes are read-only


def read_label_file(path: Any) -> Tensor:
    """Labels as int64; TypeError or ValueError if the file does not hold a list of bytes."""
    x = read_sn3_pascalvincent_tensor(path, strict=False)
    if x.dtype is not dtypes.uint8:
        raise TypeError(f"x should be of dtype torch.uint8 instead of {x.dtype}")
    if x.ndim != 1:
        raise ValueError(f"x should have 1 dimension instead of {x.ndim}")
    return wrap(x._array.astype(np.int64))


def read_image_file(path: Any) -> Tensor:
    """Pictures as uint8, (number, height, width); TypeError or ValueError if the file has none."""
    x = read_sn3_pascalvincent_tensor(path, strict=False)
    if x.dtype is not dtypes.uint8:
        raise TypeError(f"x should be of dtype torch.uint8 instead of {x.dtype}")
    if x.ndim != 3:
        raise ValueError(f"x should have 3 dimension instead of {x.ndim}")
    return x
