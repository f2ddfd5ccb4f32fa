"""softmax and log_softmax with their gradients, over the last dim or (x[a, n, b]) a middle one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Acc, Accum, Expr, For, Kernel, Let, Param, Statement, Store

from ._native import Builder, Native, Reference, array, grain_of_rows, index, native, size

_native = partial(native, __name__)

# how a pass runs along the reduced dim: (name, body, accumulators) -> loop
Along = Callable[[str, list[Statement], list[Acc]], For]
Formula = Callable[[Along, Callable[[str], Expr]], list[Statement]]


def _wide(x: Expr) -> Expr:
    return ir.cast(x, "f64")


def _narrow(x: Expr) -> Expr:
    return ir.cast(x, "f32")


def _softmax(along: Along, at: Callable[[str], Expr]) -> list[Statement]:
    x, y = ir.load("x", at("c"), "f32"), ir.load("y", at("c"), "f32")
    most, total = Acc("most", "top", "f32"), Acc("total", "add", "f64")
    power = Let("power", ir.math("exp_nonpositive", x - most.value()))
    scale = Let("scale", _narrow(total.value()))
    exponents: list[Statement] = [
        power,
        Store("y", at("c"), power.var()),
        Accum("total", _wide(power.var())),
    ]
    return [
        along("c", [Accum("most", x)], [most]),
        along("c", exponents, [total]),
        scale,
        along("c", [Store("y", at("c"), y / scale.var())], []),
    ]


def _log_softmax(along: Along, at: Callable[[str], Expr]) -> list[Statement]:
    x = ir.load("x", at("c"), "f32")
    most, total = Acc("most", "top", "f32"), Acc("total", "add", "f64")
    power = ir.math("exp_nonpositive", x - most.value())
    shift = Let("shift", ir.math("log", _narrow(total.value())))
    return [
        along("c", [Accum("most", x)], [most]),
        along("c", [Accum("total", _wide(power))], [total]),
        shift,
        along("c", [Store("y", at("c"), (x - most.value()) - shift.var())], []),
    ]


def _softmax_backward(along: Along, at: Callable[[str], Expr]) -> list[Statement]:
    g, out = ir.load("x", at("c"), "f32"), ir.load("out", at("c"), "f32")
    total = Acc("total", "add", "f64")
    mean = Let("mean", _narrow(total.value()))
    return [
        along("c", [Accum("total", _wide(g) * _wide(out))], [total]),
        mean,
        along("c", [Store("y", at("c"), (g - mean.var()) * out)], []),
    ]


def _log_softmax_backward(along: Along, at: Callable[[str], Expr]) -> list[Statement]:
    g, out = ir.load("x", at("c"), "f32"), ir.load("out", at("c"), "f32")
    total = Acc("total", "add", "f64")
    whole = Let("whole", _narrow(total.value()))
    value = g - ir.math("exp", out) * whole.var()
    return [
        along("c", [Accum("total", _wide(g))], [total]),
        whole,
        along("c", [Store("y", at("c"), value)], []),
    ]


def _last(formula: Formula, backward: bool) -> Builder:
    """Along the last dim: (x or g, out when backward, y, rows, n)."""

    def build(name: str) -> Kernel:
        rows, n = size("rows"), size("n")

        def along(c: str, body: list[Statement], accs: list[Acc]) -> For:
            return For(c, n.var(), body, accs=accs, vector=True)

        body = formula(along, lambda c: index("r") * n.var() + index(c))
        loop = For("r", rows.var(), body, parallel=grain_of_rows(n.var() * 2))
        return Kernel(name, [*_buffers(backward), rows, n], [loop])

    return build


def _middle(formula: Formula, backward: bool) -> Builder:
    """Along n in x[outer, n, inner]; a lane for each of the neighbouring columns."""

    def build(name: str) -> Kernel:
        outer, n, inner = size("outer"), size("n"), size("inner")

        def along(c: str, body: list[Statement], accs: list[Acc]) -> For:
            return For(c, n.var(), body, accs=accs)

        def at(c: str) -> Expr:
            return (index("a") * n.var() + index(c)) * inner.var() + index("b")

        tile = 64
        per = (inner.var() + (tile - 1)) // tile
        begin = Let("begin", (index("t") % per) * tile)
        end = ir.minimum(begin.var() + tile, inner.var())
        body: list[Statement] = [
            Let("a", index("t") // per),
            begin,
            For("b", end, formula(along, at), begin=begin.var(), vector=True),
        ]
        grain = grain_of_rows(n.var() * tile)
        loop = For("t", outer.var() * per, body, parallel=grain)
        return Kernel(name, [*_buffers(backward), outer, n, inner], [loop])

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
