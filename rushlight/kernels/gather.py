"""A batch of images for the data loader: uint8 pictures by number, as normalised float32."""

from functools import partial

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Alloc, For, If, Kernel, Let, Param, Return, Store, select

from ._native import Builder, array, grain_of_rows, index, native, size

_native = partial(native, __name__)


def _images(normalise: bool) -> Builder:
    """(images, indices, out, count, rows, n, mean, std); returns 1 for an index out of range."""

    def build(name: str) -> Kernel:
        images, indices = array("images:u8"), array("indices:i64")
        out = Param("out", "f32", "out")
        count, rows, n = size("count"), size("rows"), size("n")
        mean, std = Param("mean", "f32", "scalar"), Param("std", "f32", "scalar")
        k, c = index("k"), index("c")
        number = Let("number", indices[k])
        positive = select(number.var() < 0, number.var() + rows.var(), number.var())
        wrapped = Let("wrapped", positive)
        inside = Let("inside", (wrapped.var() >= 0) & (wrapped.var() < rows.var()))
        row = Let("row", select(inside.var(), wrapped.var(), 0))
        # the same three roundings as ToTensor and Normalize
        value = ir.cast(images[row.var() * n.var() + c], "f32") / 255.0
        if normalise:
            value = (value - mean.var()) / std.var()
        body = [
            number,
            wrapped,
            inside,
            row,
            For("c", n.var(), [Store("out", k * n.var() + c, value)], vector=True),
            If(ir.compare("eq", inside.var(), ir.const(0, "b1")), [_bad(1)]),
        ]
        loop = For("k", count.var(), body, parallel=grain_of_rows(n.var()))
        numbers = [mean, std] if normalise else []
        return Kernel(
            name,
            [images, indices, out, count, rows, n, *numbers],
            [Alloc("bad", "i64", 1), _bad(0), loop, Return(ir.load("bad", 0, "i64"))],
        )

    return build


def _bad(value: int) -> Store:
    return Store("bad", 0, ir.const(value, "i64"))


def _rows(name: str) -> Kernel:
    """(numbers, indices, out, count, rows): int64 by number, for labels."""
    numbers, indices = array("numbers:i64"), array("indices:i64")
    out, count, rows = Param("out", "i64", "out"), size("count"), size("rows")
    k = index("k")
    number = Let("number", indices[k])
    wrapped = Let("wrapped", select(number.var() < 0, number.var() + rows.var(), number.var()))
    inside = Let("inside", (wrapped.var() >= 0) & (wrapped.var() < rows.var()))
    body = [
        number,
        wrapped,
        inside,
        Store("out", k, numbers[select(inside.var(), wrapped.var(), 0)]),
        If(ir.compare("eq", inside.var(), ir.const(0, "b1")), [_bad(1)]),
    ]
    result = Return(ir.load("bad", 0, "i64"))
    return Kernel(
        name,
        [numbers, indices, out, count, rows],
        [Alloc("bad", "i64", 1), _bad(0), For("k", count.var(), body), result],
    )


def _numpy_images(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    result: np.ndarray = images[indices].astype(np.float32) / np.float32(255)
    return result[:, None]


def _numpy_normalised(
    images: np.ndarray, indices: np.ndarray, mean: float, std: float
) -> np.ndarray:
    return (_numpy_images(images, indices) - np.float32(mean)) / np.float32(std)


def _numpy_rows(numbers: np.ndarray, indices: np.ndarray) -> np.ndarray:
    result: np.ndarray = numbers[indices]
    return result


_IMAGES = "images: u8[v, h, w], indices: i64[s]"
_RESULT = " -> out: f32[s, 1, h, w]; call images, indices, out, s, v, h * w"
# (images uint8[N, H, W], indices int64[B]) -> float32[B, 1, H, W] in [0, 1]
gather_images = _native(
    "gather_images",
    f"{_IMAGES}{_RESULT}; work s * h * w; status",
    _images(False),
    _numpy_images,
)
# (images, indices, mean, std): then less mean, by std
gather_normalised = _native(
    "gather_normalised",
    f"{_IMAGES}, mean: float, std: float{_RESULT}, f32(mean), f32(std); work s * h * w; status",
    _images(True),
    _numpy_normalised,
)
# (numbers int64[N], indices int64[B]) -> int64[B]
gather_numbers = _native(
    "gather_numbers",
    "numbers: i64[v], indices: i64[s] -> out: i64[s]; call numbers, indices, out, s, v; status",
    _rows,
    _numpy_rows,
)
