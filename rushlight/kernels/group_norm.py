"""group_norm (and instance_norm, one channel a group), forward and backward."""

from functools import partial
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Acc, Accum, Expr, For, Kernel, Let, Param, Statement, Store

from ._native import array, grain_of_rows, index, native, size

_native = partial(native, __name__)


def _wide(x: Expr) -> Expr:
    return ir.cast(x, "f64")


def _narrow(x: Expr) -> Expr:
    return ir.cast(x, "f32")


def _forward(name: str) -> Kernel:
    """(x, weight, bias, y, mean, rstd, batch, groups, per, pixels, eps); per: channels a group."""
    x, weight, bias = array("x"), array("weight"), array("bias")
    outs = [Param(p, "f32", "out") for p in ("y", "mean", "rstd")]
    sizes = [size(p) for p in ("batch", "groups", "per", "pixels")]
    batch, groups, per, pixels = (p.var() for p in sizes)
    eps = Param("eps", "f64", "scalar")
    r, i, c, s = index("r"), index("i"), index("c"), index("s")
    n = Let("n", per * pixels)
    total, squares = Acc("total", "add", "f64"), Acc("squares", "add", "f64")
    average = Let("average", total.value() / _wide(n.var()))
    value = x[r * n.var() + i]
    away = _wide(value) - average.var()
    variance = squares.value() / _wide(n.var())
    inverse = Let("inverse", _narrow(ir.math("rsqrt", variance + eps.var())))
    near = Let("near", _narrow(average.var()))
    channel = (r % groups) * per + c
    scale, shift = Let("scale", inverse.var() * weight[channel]), Let("shift", bias[channel])
    at = (r * per + c) * pixels + s
    write = Store("y", at, ir.fma(x[at] - near.var(), scale.var(), shift.var()))
    body: list[Statement] = [
        For("i", n.var(), [Accum("total", _wide(value))], accs=[total], vector=True),
        average,
        For("i", n.var(), [Accum("squares", away * away)], accs=[squares], vector=True),
        inverse,
        near,
        Store("mean", r, near.var()),
        Store("rstd", r, inverse.var()),
        For("c", per, [scale, shift, For("s", pixels, [write], vector=True)]),
    ]
    rows = For("r", batch * groups, body, parallel=grain_of_rows(n.var()))
    return Kernel(name, [x, weight, bias, *outs, *sizes, eps], [n, rows])


def _backward(name: str) -> Kernel:
    """(g, x, weight, mean, rstd, gx, gw, gb, parts, batch, groups, per, pixels)."""
    arrays = [array(p) for p in ("g", "x", "weight", "mean", "rstd")]
    g, x, weight, mean, rstd = arrays
    outs = [Param(p, "f32", "out") for p in ("gx", "gw", "gb")]
    sizes = [size(p) for p in ("batch", "groups", "per", "pixels")]
    batch, groups, per, pixels = (p.var() for p in sizes)
    r, c, s = index("r"), index("c"), index("s")
    near, inverse = Let("near", mean[r]), Let("inverse", rstd[r])
    # of each channel of each sample: the sum of g, and of g times the normalised input
    at = (r * per + c) * pixels + s
    hat = (x[at] - near.var()) * inverse.var()
    plain, along = Acc("plain", "add", "f64"), Acc("along", "add", "f64")
    place = (r * per + c) * 2
    sums = [Accum("plain", _wide(g[at])), Accum("along", _wide(g[at] * hat))]
    weighed, shared = Acc("weighed", "add", "f64"), Acc("shared", "add", "f64")
    w = _wide(weight[(r % groups) * per + c])
    first: list[Statement] = [
        For("s", pixels, sums, accs=[plain, along], vector=True),
        Store("parts", place, plain.value()),
        Store("parts", place + 1, along.value()),
        Accum("weighed", w * plain.value()),
        Accum("shared", w * along.value()),
    ]
    count = _wide(per * pixels)
    offset = Let("offset", _narrow(weighed.value() / count))
    share = Let("share", _narrow(shared.value() / count))
    slope = Let("slope", weight[(r % groups) * per + c])
    inner = g[at] * slope.var() - hat * share.var() - offset.var()
    write = Store("gx", at, inner * inverse.var())
    body: list[Statement] = [
        near,
        inverse,
        For("c", per, first, accs=[weighed, shared]),
        offset,
        share,
        For("c", per, [slope, For("s", pixels, [write], vector=True)]),
    ]
    rows = For("r", batch * groups, body, parallel=grain_of_rows(per * pixels))
    channels = groups * per
    k, b = index("k"), index("b")
    held = ir.load("parts", (b * channels + k) * 2, "f64")
    held_along = ir.load("parts", (b * channels + k) * 2 + 1, "f64")
    sum_b, sum_w = Acc("sum_b", "add", "f64"), Acc("sum_w", "add", "f64")
    gather = [
        For("b", batch, [Accum("sum_b", held), Accum("sum_w", held_along)], accs=[sum_b, sum_w]),
        Store("gw", k, _narrow(sum_w.value())),
        Store("gb", k, _narrow(sum_b.value())),
    ]
    parts = Param("parts", "f64", "inout")
    return Kernel(name, [*arrays, *outs, parts, *sizes], [rows, For("k", channels, gather)])


def _grouped(x: np.ndarray, rstd: np.ndarray) -> np.ndarray:
    return x.reshape(*rstd.shape, -1).astype(np.float64)


def _numpy_forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, groups: int, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wide = x.reshape(len(x), groups, -1).astype(np.float64)
    mean, variance = wide.mean(-1), wide.var(-1)
    rstd = 1 / np.sqrt(variance + eps)
    hat = ((wide - mean[..., None]) * rstd[..., None]).reshape(x.shape)
    y = hat * weight[:, None] + bias[:, None]
    return y.astype(x.dtype), mean.astype(x.dtype), rstd.astype(x.dtype)


def _numpy_backward(
    g: np.ndarray, x: np.ndarray, weight: np.ndarray, mean: np.ndarray, rstd: np.ndarray, *_: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, None]:
    hat = (_grouped(x, rstd) - mean[..., None]) * rstd[..., None]
    slope = _grouped(g * weight[:, None], rstd)
    share, offset = (slope * hat).mean(-1), slope.mean(-1)
    gx = (slope - hat * share[..., None] - offset[..., None]) * rstd[..., None]
    gw = (g * hat.reshape(x.shape)).sum((0, 2))
    gb = g.sum((0, 2), dtype=np.float64)
    return gx.reshape(x.shape).astype(x.dtype), gw.astype(x.dtype), gb.astype(x.dtype), None


# (x[b, c, s], weight, bias, groups, eps) -> (y, mean[b, groups], rstd[b, groups])
group_norm = _native(
    "group_norm",
    "x: f32[b, c, s], weight: f32[c], bias: f32[c], groups: int, eps: float"
    " -> y: f32[b, c, s], mean: f32[b, groups], rstd: f32[b, groups];"
    "call x, weight, bias, y, mean, rstd, b, groups, c // groups, s, eps;"
    "if groups > 0, (c // groups) * groups == c; work b * c * s * 2",
    _forward,
    _numpy_forward,
)
# (g, x[b, c, s], weight, mean, rstd) -> (gx, gw, gb, scratch)
group_norm_backward = _native(
    "group_norm_backward",
    "g: f32[b, c, s], x: f32[b, c, s], weight: f32[c], mean: f32[b, groups], rstd: f32[b, groups]"
    " -> gx: f32[b, c, s], gw: f32[c], gb: f32[c], parts: f64[b, c, 2];"
    "call g, x, weight, mean, rstd, gx, gw, gb, parts, b, groups, c // groups, s;"
    "if (c // groups) * groups == c; work b * c * s * 3",
    _backward,
    _numpy_backward,
)
