"""softmax and log_softmax with their gradients, over the last dim or (x[a, n, b]) a middle one."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Acc, Accum, Expr, For, Kernel, Let, Param, Statement, Store

from ._native import Builder, Native, Reference, array, grain_of_rows, index, long_sum, native, size

_native = partial(native, __name__)


class _Row:
    """How a formula goes along the reduced dim; ``at`` is an element's place."""

    def __init__(self, at: Expr, loop: Callable[[list[Statement], list[Acc]], For]) -> None:
        self.at, self.loop = at, loop

    def load(self, buffer: str) -> Expr:
        return ir.load(buffer, self.at, "f32")

    def top(self, value: Expr) -> tuple[Expr, list[Statement]]:
        """The largest value, NaN left out."""
        acc = Acc("most", "top", "f32")
        return acc.value(), [self.loop([Accum("most", value)], [acc])]

    def sum(self, value: Expr, before: Sequence[Statement] = ()) -> tuple[Expr, list[Statement]]:
        """The sum in f64, and the statements; ``before`` run for each element too."""
        acc = Acc("total", "add", "f64")
        return acc.value(), [self.loop([*before, Accum("total", _wide(value))], [acc])]

    def each(self, value: Expr) -> Statement:
        """``value`` to y."""
        return self.loop([Store("y", self.at, value)], [])


class _LastRow(_Row):
    """Neighbouring elements: sums go through short float32 blocks."""

    def sum(self, value: Expr, before: Sequence[Statement] = ()) -> tuple[Expr, list[Statement]]:
        return long_sum("total", index("n"), value, "c", before)


Formula = Callable[[_Row], list[Statement]]


def _wide(x: Expr) -> Expr:
    return ir.cast(x, "f64")


def _narrow(x: Expr) -> Expr:
    return ir.cast(x, "f32")


def _softmax(row: _Row) -> list[Statement]:
    most, first = row.top(row.load("x"))
    power = Let("power", ir.math("exp_nonpositive", row.load("x") - most))
    total, second = row.sum(power.var(), [power, Store("y", row.at, power.var())])
    scale = Let("scale", _narrow(1.0 / total))
    return [*first, *second, scale, row.each(row.load("y") * scale.var())]


def _log_softmax(row: _Row) -> list[Statement]:
    most, first = row.top(row.load("x"))
    away = row.load("x") - most
    total, second = row.sum(ir.math("exp_nonpositive", away))
    shift = Let("shift", ir.math("log", _narrow(total)))
    return [*first, *second, shift, row.each(away - shift.var())]


def _softmax_backward(row: _Row) -> list[Statement]:
    g, out = row.load("x"), row.load("out")
    total, first = row.sum(g * out)
    mean = Let("mean", _narrow(total))
    return [*first, mean, row.each((g - mean.var()) * out)]


def _log_softmax_backward(row: _Row) -> list[Statement]:
    g = row.load("x")
    total, first = row.sum(g)
    whole = Let("whole", _narrow(total))
    return [*first, whole, row.each(g - ir.math("exp", row.load("out")) * whole.var())]


def _last(formula: Formula, backward: bool) -> Builder:
    """Along the last dim: (x or g, out when backward, y, rows, n)."""

    def build(name: str) -> Kernel:
        rows, n = size("rows"), size("n")

        def loop(body: list[Statement], accs: list[Acc]) -> For:
            return For("c", n.var(), body, accs=accs, vector=True)

        body = formula(_LastRow(index("r") * n.var() + index("c"), loop))
        outer = For("r", rows.var(), body, parallel=grain_of_rows(n.var() * 2))
        return Kernel(name, [*_buffers(backward), rows, n], [outer])

    return build


def _middle(formula: Formula, backward: bool) -> Builder:
    """Along n in x[outer, n, inner]; a lane for each of the neighbouring columns."""

    def build(name: str) -> Kernel:
        outer, n, inner = size("outer"), size("n"), size("inner")

        def loop(body: list[Statement], accs: list[Acc]) -> For:
            return For("c", n.var(), body, accs=accs)

        at = (index("a") * n.var() + index("c")) * inner.var() + index("b")
        tile = 64
        per = (inner.var() + (tile - 1)) // tile
        begin = Let("begin", (index("t") % per) * tile)
        end = ir.minimum(begin.var() + tile, inner.var())
        body: list[Statement] = [
            Let("a", index("t") // per),
            begin,
            For("b", end, formula(_Row(at, loop)), begin=begin.var(), vector=True),
        ]
        grain = grain_of_rows(n.var() * tile)
        tiles = For("t", outer.var() * per, body, parallel=grain)
        return Kernel(name, [*_buffers(backward), outer, n, inner], [tiles])

    return build


def _buffers(backward: bool) -> list[Param]:
    saved = [array("out")] if backward else []
    return [array("x"), *saved, Param("y", "f32", "inout")]


# NumPy ----------------------------------------------------------------------------------------


def _numpy_softmax(x: np.ndarray, axis: int) -> Any:
    with np.errstate(invalid="ignore"):
        power = np.exp(x - x.max(axis, keepdims=True))
    return power / power.sum(axis, keepdims=True)


def _numpy_log_softmax(x: np.ndarray, axis: int) -> Any:
    with np.errstate(invalid="ignore"):
        shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def _numpy_softmax_backward(g: np.ndarray, out: np.ndarray, axis: int) -> Any:
    return (g - (g * out).sum(axis, keepdims=True)) * out


def _numpy_log_softmax_backward(g: np.ndarray, out: np.ndarray, axis: int) -> Any:
    return g - np.exp(out) * g.sum(axis, keepdims=True)


def _pair(name: str, formula: Formula, reference: Reference, backward: bool) -> tuple[Native, ...]:
    saved, passed = (", out: f32[...r, n]", ", out") if backward else ("", "")
    last = f"x: f32[...r, n]{saved} -> y: f32[...r, n]; call x{passed}, y, r, n; work r * n * 4"
    saved = ", out: f32[a, n, b]" if backward else ""
    middle = (
        f"x: f32[a, n, b]{saved} -> y: f32[a, n, b];call x{passed}, y, a, n, b; work a * n * b * 4"
    )
    return (
        _native(f"{name}_last", last, _last(formula, backward), lambda *x: reference(*x, -1)),
        _native(f"{name}_middle", middle, _middle(formula, backward), lambda *x: reference(*x, 1)),
    )


# the forward takes (x), the backward (grad_output, output)
softmax_last, softmax_middle = _pair("softmax", _softmax, _numpy_softmax, False)
log_softmax_last, log_softmax_middle = _pair("log_softmax", _log_softmax, _numpy_log_softmax, False)
softmax_backward_last, softmax_backward_middle = _pair(
    "softmax_backward", _softmax_backward, _numpy_softmax_backward, True
)
log_softmax_backward_last, log_softmax_backward_middle = _pair(
    "log_softmax_backward", _log_softmax_backward, _numpy_log_softmax_backward, True
)


def along_dim(name: str, dim: int, *arrays: np.ndarray) -> np.ndarray:
    """A kernel of this module over any dim.

    Args:
        name: "softmax", "log_softmax", "softmax_backward" or "log_softmax_backward".
        dim: not negative.
        arrays: x, or grad_output and output.
    """
    kernels = globals()
    shape = arrays[0].shape
    if dim == len(shape) - 1:
        result: np.ndarray = kernels[f"{name}_last"](*arrays)
        return result
    if not arrays[0].size:
        return np.empty_like(arrays[0])
    outer = int(np.prod(shape[:dim]))
    flat = [x.reshape(outer, shape[dim], -1) for x in arrays]
    result = kernels[f"{name}_middle"](*flat)
    return result.reshape(shape)
