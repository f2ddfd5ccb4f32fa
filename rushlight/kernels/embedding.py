"""Rows of a table by number, and the sum of gradients back into the rows."""

from functools import partial

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Alloc, For, If, Kernel, Let, Param, Return, Store, select

from ._native import array, grain_of_rows, index, native, size

_native = partial(native, __name__)


def _forward(name: str) -> Kernel:
    """(weight, indices, out, count, rows, n); returns 1 when an index is out of range."""
    weight, indices, out = array("weight"), array("indices:i64"), Param("out", "f32", "out")
    count, rows, n = size("count"), size("rows"), size("n")
    k, c = index("k"), index("c")
    number = Let("number", indices[k])
    inside = Let("inside", (number.var() >= 0) & (number.var() < rows.var()))
    row = Let("row", select(inside.var(), number.var(), 0))
    copy = Store("out", k * n.var() + c, weight[row.var() * n.var() + c])
    body = [
        number,
        inside,
        row,
        For("c", n.var(), [copy], vector=True),
        If(ir.compare("eq", inside.var(), ir.const(0, "b1")), [_bad(1)]),
    ]
    loop = For("k", count.var(), body, parallel=grain_of_rows(n.var()))
    result = Return(ir.load("bad", 0, "i64"))
    return Kernel(
        name,
        [weight, indices, out, count, rows, n],
        [Alloc("bad", "i64", 1), _bad(0), loop, result],
    )


def _bad(value: int) -> Store:
    return Store("bad", 0, ir.const(value, "i64"))


def _backward(name: str) -> Kernel:
    """(g, indices, gw, count, rows, n, padding): columns side by side, indices one by one."""
    g, indices, gw = array("g"), array("indices:i64"), Param("gw", "f32", "inout")
    count, rows, n, padding = size("count"), size("rows"), size("n"), size("padding")
    k, c = index("k"), index("c")
    number = Let("number", indices[k])
    taken = (number.var() >= 0) & (number.var() < rows.var())
    taken = taken & ir.compare("ne", number.var(), padding.var())
    at = number.var() * n.var() + c
    add = For("c", n.var(), [Store("gw", at, gw[at] + g[k * n.var() + c])], vector=True)
    clear = Store("gw", index("z"), ir.const(0.0, "f32"))
    body = [
        For("z", rows.var() * n.var(), [clear], vector=True, parallel=1 << 18),
        For("k", count.var(), [number, If(taken, [add])]),
    ]
    return Kernel(name, [g, indices, gw, count, rows, n, padding], body)


def _numpy_forward(weight: np.ndarray, indices: np.ndarray) -> np.ndarray:
    if indices.size and (indices.min() < 0 or indices.max() >= len(weight)):
        raise IndexError("index out of range in self")
    result: np.ndarray = weight[indices]
    return result


def _numpy_backward(g: np.ndarray, indices: np.ndarray, rows: int, padding: int = -1) -> np.ndarray:
    flat = indices.reshape(-1)
    kept = (flat != padding) & (flat >= 0) & (flat < rows)
    result = np.zeros((rows, g.shape[-1]), g.dtype)
    np.add.at(result, flat[kept], g.reshape(-1, g.shape[-1])[kept])
    return result


# (weight[rows, n], indices int64[...]) -> [..., n]; an index out of range raises IndexError
embedding = _native(
    "embedding",
    "weight: f32[v, n], indices: i64[...s] -> out: f32[...s, n];"
    "call weight, indices, out, s, v, n; work s * n; status",
    _forward,
    _numpy_forward,
)
# (g[..., n], indices, rows, padding_idx or -1) -> gradient of weight; others are left out
embedding_backward = _native(
    "embedding_backward",
    "g: f32[...s, n], indices: i64[...s], rows: int, padding: int -> gw: f32[rows, n];"
    "call g, indices, gw, s, rows, n, padding; if rows > 0; work rows * n + s * n",
    _backward,
    _numpy_backward,
)
