"""layer_norm and rms_norm over trailing dims, forward and backward.

Sums go to float64 in short blocks. Gradients of weight and bias are summed over blocks of rows that depend
on the sizes alone, so results do not depend on the number of threads.
"""

from functools import partial
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Acc, Accum, Expr, For, Kernel, Let, Param, Statement, Store

from ._native import Builder, array, grain_of_rows, index, long_sum, native, size

_native = partial(native, __name__)
_BLOCKS = 16  # partial sums of the gradients of weight and bias


def _wide(x: Expr) -> Expr:
    return ir.cast(x, "f64")


def _narrow(x: Expr) -> Expr:
    return ir.cast(x, "f32")


def _row_statistics(x: Expr, n: Param, eps: Expr, center: bool) -> list[Statement]:
    """Lets ``average`` (when ``center``) and ``inverse`` = 1 / sqrt(variance + eps) of a row."""
    count = _wide(n.var())
    total, first = long_sum("total", n.var(), x, "c")
    average = Let("average", _narrow(total / count))
    shifted = x - average.var() if center else x
    squares, second = long_sum("squares", n.var(), shifted * shifted, "c")
    inverse = Let("inverse", _narrow(ir.math("rsqrt", squares / count + _wide(eps))))
    return [*first, average, *second, inverse] if center else [*second, inverse]


def _forward(center: bool, affine: bool) -> Builder:
    """(x, weight, bias, y, mean, rstd, rows, n, eps); rms_norm: no bias and no mean."""

    def build(name: str) -> Kernel:
        rows, n = size("rows"), size("n")
        eps = Param("eps", "f32", "scalar")
        r, c = index("r"), index("c")
        x, weight, bias = array("x"), array("weight"), array("bias")
        at = r * n.var() + c
        average, inverse = ir.var("average", "f32"), ir.var("inverse", "f32")
        y = (x[at] - average) * inverse if center else x[at] * inverse
        if affine:
            y = ir.fma(y, weight[c], bias[c]) if center else y * weight[c]
        body = [
            *_row_statistics(x[at], n, eps.var(), center),
            *([Store("mean", r, average)] if center else []),
            Store("rstd", r, inverse),
            For("c", n.var(), [Store("y", at, y)], vector=True),
        ]
        params = [x, *_affine(affine, center), Param("y", "f32", "out")]
        params += [Param("mean", "f32", "out")] if center else []
        params += [Param("rstd", "f32", "out"), rows, n, eps]
        loop = For("r", rows.var(), body, parallel=grain_of_rows(n.var()))
        return Kernel(name, params, [loop])

    return build


def _affine(affine: bool, center: bool) -> list[Param]:
    return [array("weight"), *([array("bias")] if center else [])] if affine else []


def _backward(center: bool, affine: bool) -> Builder:
    """(g, x, weight, mean, rstd, gx, gw, gb, parts, rows, n); without what there is not."""

    def build(name: str) -> Kernel:
        rows, n = size("rows"), size("n")
        g, x, weight, rstd = array("g"), array("x"), array("weight"), array("rstd")
        r, c, block = index("r"), index("c"), index("block")
        at = r * n.var() + c
        average, inverse = Let("average", ir.load("mean", r, "f32")), Let("inverse", rstd[r])
        hat = (x[at] - average.var()) * inverse.var() if center else x[at] * inverse.var()
        slope = g[at] * weight[c] if affine else g[at]
        across, sums = long_sum("across", n.var(), slope * hat, "c")
        along, more = long_sum("along", n.var(), slope, "c")
        count = _wide(n.var())
        share = Let("share", _narrow(across / count))
        offset = Let("offset", _narrow(along / count))
        inner = slope - hat * share.var() - offset.var() if center else slope - hat * share.var()
        part = ir.load("parts", block * 2 * n.var() + c, "f32")
        part_b = ir.load("parts", (block * 2 + 1) * n.var() + c, "f32")
        writes: list[Statement] = [Store("gx", at, inner * inverse.var())]
        if affine:
            held = ir.fma(g[at], hat, part)
            writes.append(Store("parts", block * 2 * n.var() + c, held))
            if center:
                held = part_b + g[at]
                writes.append(Store("parts", (block * 2 + 1) * n.var() + c, held))
        row = [
            *([average] if center else []),
            inverse,
            *sums,
            *(more if center else []),
            share,
            *([offset] if center else []),
            For("c", n.var(), writes, vector=True),
        ]
        # few rows: few blocks, for clearing and adding them up costs as much as eight rows
        parts = Let("blocks", ir.maximum(ir.minimum(rows.var() // 8, _BLOCKS), 1))
        per = Let("per", (rows.var() + parts.var() - 1) // parts.var())
        begin = block * per.var()
        end = ir.minimum(begin + per.var(), rows.var())
        grain = grain_of_rows(per.var() * n.var())
        block_of_rows = [_clear(n), For("r", end, row, begin=begin)]
        blocks = For("block", parts.var(), block_of_rows, parallel=grain)
        lone = For("r", rows.var(), row, parallel=grain_of_rows(n.var()))
        params = [g, x, *([weight] if affine else []), *([array("mean")] if center else []), rstd]
        params.append(Param("gx", "f32", "out"))
        if not affine:
            return Kernel(name, [*params, rows, n], [lone])
        params += [Param(p, "f32", "out") for p in (("gw", "gb") if center else ("gw",))]
        params += [Param("parts", "f32", "inout"), rows, n]
        return Kernel(name, params, [parts, per, blocks, _gather(n, center)])

    return build


def _clear(n: Param) -> Statement:
    """Zero the partial sums of a block."""
    at = index("block") * 2 * n.var() + index("c")
    zero = ir.const(0.0, "f32")
    return For("c", n.var() * 2, [Store("parts", at, zero)], vector=True)


def _gather(n: Param, center: bool) -> Statement:
    """gw and gb from the blocks' partial sums."""
    k, c = index("k"), index("c")
    weight, bias = Acc("sum_w", "add", "f64"), Acc("sum_b", "add", "f64")
    adds: list[Statement] = [Accum("sum_w", _wide(ir.load("parts", k * 2 * n.var() + c, "f32")))]
    stores: list[Statement] = [Store("gw", c, _narrow(weight.value()))]
    if center:
        adds.append(Accum("sum_b", _wide(ir.load("parts", (k * 2 + 1) * n.var() + c, "f32"))))
        stores.append(Store("gb", c, _narrow(bias.value())))
    accs = [weight, bias] if center else [weight]
    return For("c", n.var(), [For("k", index("blocks"), adds, accs=accs), *stores], vector=True)


# NumPy ----------------------------------------------------------------------------------------


def _statistics(x: np.ndarray, eps: float, center: bool) -> tuple[Any, Any]:
    wide = x.astype(np.float64)
    mean = wide.mean(-1) if center else np.zeros(x.shape[:-1])
    variance = np.square(wide - mean[..., None]).mean(-1)
    return mean.astype(x.dtype), (1 / np.sqrt(variance + eps)).astype(x.dtype)


def _numpy_layer_norm(x: np.ndarray, *rest: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, rstd = _statistics(x, rest[-1], True)
    y = (x - mean[..., None]) * rstd[..., None]
    if len(rest) == 3:
        y = y * rest[0] + rest[1]
    return y, mean, rstd


def _numpy_rms_norm(x: np.ndarray, *rest: Any) -> tuple[np.ndarray, np.ndarray]:
    _, rstd = _statistics(x, rest[-1], False)
    y = x * rstd[..., None]
    return (y * rest[0] if len(rest) == 2 else y), rstd


def _numpy_slope(g: Any, hat: Any, rstd: Any, weight: Any, center: bool) -> Any:
    """The gradient of x, in float64."""
    slope = g if weight is None else g * weight
    share = (slope * hat).mean(-1, keepdims=True)
    offset = slope.mean(-1, keepdims=True) if center else 0.0
    return (slope - hat * share - offset) * rstd[..., None]


def _numpy_layer_norm_backward(g: np.ndarray, x: np.ndarray, *rest: Any) -> Any:
    *weight, mean, rstd = rest
    hat = (x.astype(np.float64) - mean[..., None]) * rstd[..., None]
    gx = _numpy_slope(g, hat, rstd, weight[0] if weight else None, True).astype(x.dtype)
    if not weight:
        return gx
    rows = tuple(range(x.ndim - 1))
    sums = (g * hat).sum(rows), g.sum(rows, dtype=np.float64)
    return gx, sums[0].astype(x.dtype), sums[1].astype(x.dtype)


def _numpy_rms_norm_backward(g: np.ndarray, x: np.ndarray, *rest: Any) -> Any:
    *weight, rstd = rest
    hat = x.astype(np.float64) * rstd[..., None]
    gx = _numpy_slope(g, hat, rstd, weight[0] if weight else None, False).astype(x.dtype)
    return (gx, (g * hat).sum(tuple(range(x.ndim - 1))).astype(x.dtype)) if weight else gx


# kernels --------------------------------------------------------------------------------------


def _layer_norm_backward_affine(g: Any, x: Any, weight: Any, mean: Any, rstd: Any) -> Any:
    return (*_numpy_layer_norm_backward(g, x, weight, mean, rstd), None)


def _rms_norm_backward_affine(g: Any, x: Any, weight: Any, rstd: Any) -> Any:
    return (*_numpy_rms_norm_backward(g, x, weight, rstd), None)


_SIZES = "r, n, f32(eps); work r * n * 2"
# (x, weight, bias, eps) -> (y, mean, rstd) over the last dim
layer_norm = _native(
    "layer_norm",
    "x: f32[...r, n], weight: f32[n], bias: f32[n], eps: float"
    " -> y: f32[...r, n], mean: f32[...r], rstd: f32[...r];"
    f"call x, weight, bias, y, mean, rstd, {_SIZES}",
    _forward(True, True),
    _numpy_layer_norm,
)
# (x, eps) -> (y, mean, rstd)
layer_norm_plain = _native(
    "layer_norm_plain",
    "x: f32[...r, n], eps: float -> y: f32[...r, n], mean: f32[...r], rstd: f32[...r];"
    f"call x, y, mean, rstd, {_SIZES}",
    _forward(True, False),
    _numpy_layer_norm,
)
# (x, weight, eps) -> (y, rstd)
rms_norm = _native(
    "rms_norm",
    "x: f32[...r, n], weight: f32[n], eps: float -> y: f32[...r, n], rstd: f32[...r];"
    f"call x, weight, y, rstd, {_SIZES}",
    _forward(False, True),
    _numpy_rms_norm,
)
# (x, eps) -> (y, rstd)
rms_norm_plain = _native(
    "rms_norm_plain",
    f"x: f32[...r, n], eps: float -> y: f32[...r, n], rstd: f32[...r]; call x, y, rstd, {_SIZES}",
    _forward(False, False),
    _numpy_rms_norm,
)
_GRADS = "g: f32[...r, n], x: f32[...r, n]"
_WORK = "work r * n * 2"
# (g, x, weight, mean, rstd) -> (gx, gw, gb, scratch)
layer_norm_backward = _native(
    "layer_norm_backward",
    f"{_GRADS}, weight: f32[n], mean: f32[...r], rstd: f32[...r]"
    f" -> gx: f32[...r, n], gw: f32[n], gb: f32[n], parts: f32[{_BLOCKS}, 2, n];"
    f"call g, x, weight, mean, rstd, gx, gw, gb, parts, r, n; {_WORK}",
    _backward(True, True),
    _layer_norm_backward_affine,
)
# (g, x, mean, rstd) -> gx
layer_norm_plain_backward = _native(
    "layer_norm_plain_backward",
    f"{_GRADS}, mean: f32[...r], rstd: f32[...r] -> gx: f32[...r, n];"
    f"call g, x, mean, rstd, gx, r, n; {_WORK}",
    _backward(True, False),
    _numpy_layer_norm_backward,
)
# (g, x, weight, rstd) -> (gx, gw, scratch)
rms_norm_backward = _native(
    "rms_norm_backward",
    f"{_GRADS}, weight: f32[n], rstd: f32[...r]"
    f" -> gx: f32[...r, n], gw: f32[n], parts: f32[{_BLOCKS}, 2, n];"
    f"call g, x, weight, rstd, gx, gw, parts, r, n; {_WORK}",
    _backward(False, True),
    _rms_norm_backward_affine,
)
# (g, x, rstd) -> gx
rms_norm_plain_backward = _native(
    "rms_norm_plain_backward",
    f"{_GRADS}, rstd: f32[...r] -> gx: f32[...r, n]; call g, x, rstd, gx, r, n; {_WORK}",
    _backward(False, False),
    _numpy_rms_norm_backward,
)
