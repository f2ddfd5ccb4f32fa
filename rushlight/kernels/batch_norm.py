"""batch_norm, forward and backward, on x[batch, channels, pixels].

Sums accumulate in float64; each channel is summed by one thread, so results do not depend
on the number of threads.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Acc, Accum, Expr, For, Kernel, Let, Param, Statement, Store

from ._native import array, grain_of_rows, index, native, size

_native = partial(native, __name__)
_COLUMNS = 64  # channels that one task takes where every channel is one column

Each = Callable[[list[Statement], list[Acc]], Statement]


def _wide(x: Expr) -> Expr:
    return ir.cast(x, "f64")


def _narrow(x: Expr) -> Expr:
    return ir.cast(x, "f32")


def _sums(each: Each, terms: dict[str, Expr]) -> Statement:
    """Accumulate every term over a channel."""
    accs = [Acc(name, "add", "f64") for name in terms]
    return each([Accum(name, term) for name, term in terms.items()], accs)


def _channels(
    body: Callable[[Each, Expr, Expr], list[Statement]], columns: bool
) -> list[Statement]:
    """``body(each, channel, index)`` for every channel of x[batch, channels, pixels].

    ``each`` makes the loop over a channel's elements; ``index`` is an element's place. With
    ``columns`` there is one pixel, and neighbouring channels go side by side.
    """
    batch, channels, pixels = index("batch"), index("channels"), index("pixels")
    b, s, c = index("b"), index("s"), index("c")
    if columns:

        def down(statements: list[Statement], accs: list[Acc]) -> Statement:
            return For("b", batch, statements, accs=accs)

        begin = Let("begin", index("t") * _COLUMNS)
        end = ir.minimum(begin.var() + _COLUMNS, channels)
        inner = For("c", end, body(down, c, b * channels + c), begin=begin.var(), vector=True)
        tasks = (channels + (_COLUMNS - 1)) // _COLUMNS
        return [For("t", tasks, [begin, inner], parallel=grain_of_rows(batch * _COLUMNS))]

    def over(statements: list[Statement], accs: list[Acc]) -> Statement:
        parts = [Acc(f"{a.name}_row", a.op, a.dtype) for a in accs]
        rows = [Accum(f"{x.name}_row", x.value) if isinstance(x, Accum) else x for x in statements]
        row = For("s", pixels, rows, accs=parts, vector=True)
        return For(
            "b", batch, [row, *(Accum(a.name, p.value()) for a, p in zip(accs, parts))], accs=accs
        )

    at = (b * channels + c) * pixels + s
    return [For("c", channels, body(over, c, at), parallel=grain_of_rows(batch * pixels))]


_SIZES = ("batch", "channels", "pixels")


def _train(columns: bool) -> Callable[[str], Kernel]:
    """(x, weight, bias, running_mean, running_var, y, mean, invstd, sizes, momentum, eps)."""

    def build(name: str) -> Kernel:
        x, weight, bias = array("x"), array("weight"), array("bias")
        running = [Param(p, "f32", "inout") for p in ("running_mean", "running_var")]
        outs = [Param(p, "f32", "out") for p in ("y", "mean", "invstd")]
        numbers = [Param(p, "f64", "scalar") for p in ("momentum", "eps")]
        momentum, eps = (p.var() for p in numbers)
        count = Let("count", _wide(index("batch") * index("pixels")))

        def body(each: Each, c: Expr, at: Expr) -> list[Statement]:
            total, squares = ir.var("total", "f64"), ir.var("squares", "f64")
            mean = Let("mean_", total / count.var())
            variance = squares / count.var() - mean.var() * mean.var()
            positive = Let("variance", ir.maximum(variance, 0.0))
            inverse = Let("inverse", _narrow(ir.math("rsqrt", positive.var() + eps)))
            unbiased = positive.var() * (count.var() / (count.var() - 1.0))
            near, scale = Let("near", _narrow(mean.var())), Let("scale", inverse.var() * weight[c])
            shift = Let("shift", bias[c])

            def moved(held: Expr, new: Expr) -> Expr:
                return _narrow(_wide(held) * (1.0 - momentum) + new * momentum)

            y = ir.fma(x[at] - near.var(), scale.var(), shift.var())
            return [
                _sums(each, {"total": _wide(x[at]), "squares": _wide(x[at]) * _wide(x[at])}),
                mean,
                positive,
                inverse,
                near,
                scale,
                shift,
                Store("mean", c, near.var()),
                Store("invstd", c, inverse.var()),
                Store("running_mean", c, moved(running[0][c], mean.var())),
                Store("running_var", c, moved(running[1][c], unbiased)),
                each([Store("y", at, y)], []),
            ]

        params = [x, weight, bias, *running, *outs, *map(size, _SIZES), *numbers]
        return Kernel(name, params, [count, *_channels(body, columns)])

    return build


def _eval(columns: bool) -> Callable[[str], Kernel]:
    """(x, weight, bias, mean, invstd, y, sizes)."""

    def build(name: str) -> Kernel:
        arrays = [array(p) for p in ("x", "weight", "bias", "mean", "invstd")]
        x, weight, bias, mean, invstd = arrays

        def body(each: Each, c: Expr, at: Expr) -> list[Statement]:
            near, scale = Let("near", mean[c]), Let("scale", invstd[c] * weight[c])
            shift = Let("shift", bias[c])
            y = ir.fma(x[at] - near.var(), scale.var(), shift.var())
            return [near, scale, shift, each([Store("y", at, y)], [])]

        params = [*arrays, Param("y", "f32", "out"), *map(size, _SIZES)]
        if columns:
            return Kernel(name, params, _channels(body, columns))
        # Plane by plane, in the order of memory: no sum needs a channel in one hand.
        row, s = index("row"), index("s")
        channels, pixels = index("channels"), index("pixels")

        def over(statements: list[Statement], _: list[Acc]) -> Statement:
            return For("s", pixels, statements, vector=True)

        channel = Let("c", row % channels)
        planes = body(over, channel.var(), row * pixels + s)
        loop = For(
            "row", index("batch") * channels, [channel, *planes], parallel=grain_of_rows(pixels)
        )
        return Kernel(name, params, [loop])

    return build


def _backward(columns: bool) -> Callable[[str], Kernel]:
    """(g, x, weight, mean, invstd, gx, gw, gb, sizes, train)."""

    def build(name: str) -> Kernel:
        arrays = [array(p) for p in ("g", "x", "weight", "mean", "invstd")]
        g, x, weight, mean, invstd = arrays
        outs = [Param(p, "f32", "out") for p in ("gx", "gw", "gb")]
        count = Let("count", _wide(index("batch") * index("pixels")))
        moves = Let("moves", ir.cast(index("train"), "f64"))

        def body(each: Each, c: Expr, at: Expr) -> list[Statement]:
            near, inverse = Let("near", mean[c]), Let("inverse", invstd[c])
            along, across = ir.var("along", "f64"), ir.var("across", "f64")
            away = x[at] - near.var()
            wide = _wide(inverse.var())
            average = Let("average", _narrow(along * moves.var() / count.var()))
            slope = Let("slope", _narrow(across * wide * wide * moves.var() / count.var()))
            scale = Let("scale", inverse.var() * weight[c])
            gx = (g[at] - average.var() - away * slope.var()) * scale.var()
            return [
                near,
                inverse,
                _sums(each, {"along": _wide(g[at]), "across": _wide(g[at]) * _wide(away)}),
                average,
                slope,
                scale,
                Store("gw", c, _narrow(across * wide)),
                Store("gb", c, _narrow(along)),
                each([Store("gx", at, gx)], []),
            ]

        params = [*arrays, *outs, *map(size, _SIZES), size("train")]
        return Kernel(name, params, [count, moves, *_channels(body, columns)])

    return build


# NumPy ----------------------------------------------------------------------------------------


def _numpy_train(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    momentum: float,
    eps: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wide = x.astype(np.float64)
    mean, variance = wide.mean((0, 2)), wide.var((0, 2))
    count = x.shape[0] * x.shape[2]
    invstd = (1 / np.sqrt(variance + eps)).astype(x.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        unbiased = variance * np.divide(count, count - 1)
    running_mean[...] = running_mean * (1 - momentum) + mean * momentum
    running_var[...] = running_var * (1 - momentum) + unbiased * momentum
    mean = mean.astype(x.dtype)
    return _numpy_eval(x, weight, bias, mean, invstd), mean, invstd


def _numpy_eval(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, invstd: np.ndarray
) -> np.ndarray:
    scale = (invstd * weight).astype(x.dtype)
    result: np.ndarray = (x - mean[:, None]) * scale[:, None] + bias[:, None]
    return result.astype(x.dtype, copy=False)


def _numpy_backward(
    g: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    mean: np.ndarray,
    invstd: np.ndarray,
    train: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    away = x.astype(np.float64) - mean[:, None]
    along, across = g.sum((0, 2), dtype=np.float64), (g * away).sum((0, 2))
    gx = g.astype(np.float64)
    if train:
        count = x.shape[0] * x.shape[2]
        slope = across * np.square(invstd, dtype=np.float64) / count
        gx = gx - (along / count)[:, None] - away * slope[:, None]
    gx = gx * (invstd * weight)[:, None]
    return gx.astype(x.dtype), (across * invstd).astype(x.dtype), along.astype(x.dtype)


# kernels --------------------------------------------------------------------------------------

_CHANNEL = "weight: f32[c], bias: f32[c]"
_TRAIN = (
    f"{_CHANNEL}, running_mean: f32[c]!, running_var: f32[c]!, momentum: float, eps: float"
    " -> y: f32[b, c, s], mean: f32[c], invstd: f32[c];"
    "call x, weight, bias, running_mean, running_var, y, mean, invstd, b, c, s, momentum, eps;"
    "work b * c * s * 3"
)
_EVAL = (
    f"{_CHANNEL}, mean: f32[c], invstd: f32[c] -> y: f32[b, c, s];"
    "call x, weight, bias, mean, invstd, y, b, c, s; work b * c * s"
)
_BACK = (
    "weight: f32[c], mean: f32[c], invstd: f32[c], train: bool"
    " -> gx: f32[b, c, s], gw: f32[c], gb: f32[c];"
    "call g, x, weight, mean, invstd, gx, gw, gb, b, c, s, train; work b * c * s * 3"
)


def _both(name: str, given: str, rest: str, build: Any, reference: Any) -> Any:
    """The kernel for one pixel (columns), then for any number."""
    one = ", ".join(f"{p}: f32[b, c, 1]" for p in given)
    many = ", ".join(f"{p}: f32[b, c, s]" for p in given)
    columns = rest.replace("b, c, s", "b, c, 1").replace("* s", "")
    spatial = _native(name, f"{many}, {rest}", build(False), reference)
    return _native(name, f"{one}, {columns}", build(True), spatial, variant="columns")


# (x[b, c, s], weight, bias, running_mean!, running_var!, momentum, eps) -> (y, mean, invstd)
batch_norm = _both("batch_norm", "x", _TRAIN, _train, _numpy_train)
# (x[b, c, s], weight, bias, mean, invstd) -> y
batch_norm_eval = _both("batch_norm_eval", "x", _EVAL, _eval, _numpy_eval)
# (g, x[b, c, s], weight, mean, invstd, train) -> (gx, gw, gb)
batch_norm_backward = _both("batch_norm_backward", "gx", _BACK, _backward, _numpy_backward)
