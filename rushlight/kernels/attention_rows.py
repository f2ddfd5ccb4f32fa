"""The element-wise parts of attention over a block of scores, each one pass."""

from __future__ import annotations

from functools import partial

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Acc, Accum, Expr, For, Kernel, Let, Statement, Store

from ._native import array, grain_of_rows, index, native, size

_native = partial(native, __name__)


def _seen() -> Let:
    """How many keys a row may see: all, or with ``causal`` those up to its own place."""
    place = index("r") % index("length") + index("start") + 1
    return Let("seen", ir.minimum(index("n"), place * index("causal") + index("all")))


def _weights(name: str) -> Kernel:
    s, lse = array("s", "f32", "inout"), array("lse", "f32", "inout")
    sizes = [size(n) for n in ("rows", "n", "length", "start", "causal", "all")]
    at = index("r") * index("n") + index("c")
    most, total = Acc("most", "top", "f32"), Acc("total", "add", "f32")
    low = ir.const(-3.0e38, "f32")
    shift = Let("shift", ir.select(most.value() < low, 0.0, most.value()))
    power = Let("power", ir.math("exp", s[at] - shift.var()))
    none = total.value() <= 0.0
    inverse = Let("inverse", 1.0 / ir.select(none, 1.0, total.value()))
    seen = _seen()
    end = seen.var()
    log = ir.math("log", total.value()) + shift.var()
    body: list[Statement] = [
        seen,
        For("c", end, [Accum("most", s[at])], accs=[most], vector=True),
        shift,
        For(
            "c", end, [power, Store("s", at, power.var()), Accum("total", power.var())],
            accs=[total], vector=True,
        ),
        inverse,
        For("c", end, [Store("s", at, s[at] * inverse.var())], vector=True),
        For("c", index("n"), [Store("s", at, ir.const(0.0, "f32"))], begin=end, vector=True),
        Store("lse", index("r"), ir.select(none, ir.const(float("-inf"), "f32"), log)),
    ]  # fmt: skip
    grain = grain_of_rows(index("n") * 4)
    return Kernel(name, [s, lse, *sizes], [For("r", index("rows"), body, parallel=grain)])


def _hide(s: np.ndarray, length: int, start: int) -> None:
    """Put minus infinity where a row of the block must not look."""
    keys = np.arange(s.shape[-1])
    rows = np.arange(s.shape[0]) % length + start
    np.copyto(s, -np.inf, where=keys > rows[:, None])


def _weights_numpy(
    s: np.ndarray, lse: np.ndarray, length: int, start: int, causal: int, every: int
) -> None:
    if causal:
        _hide(s, length, start)
    top = s.max(axis=-1, keepdims=True)
    top[np.isneginf(top)] = 0
    s -= top
    np.exp(s, out=s)
    total = s.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        lse[...] = (np.log(total) + top)[:, 0]
    total[total == 0] = 1
    s /= total


_SIZES = "length: int, start: int, causal: int, all: int"
# Scores become weights, in place; ``all`` is 0 with ``causal``, else the number of keys.
weights = _native(
    "weights",
    f"s: f32[r,n]!, lse: f32[r]!, {_SIZES} -> None;"
    " call s, lse, r, n, length, start, causal, all; work r*n",
    _weights,
    _weights_numpy,
)


def _again(name: str) -> Kernel:
    lse, s = array("lse"), array("s", "f32", "inout")
    sizes = [size(n) for n in ("rows", "n", "length", "start", "causal", "all")]
    at = index("r") * index("n") + index("c")
    seen = _seen()
    low = ir.const(-3.0e38, "f32")
    shift = Let("shift", ir.select(lse[index("r")] < low, ir.const(float("inf"), "f32"),
                                   lse[index("r")]))  # fmt: skip
    value: Expr = ir.math("exp", s[at] - shift.var())
    body: list[Statement] = [
        seen,
        shift,
        For("c", seen.var(), [Store("s", at, value)], vector=True),
        For("c", index("n"), [Store("s", at, ir.const(0.0, "f32"))], begin=seen.var(),
            vector=True),
    ]  # fmt: skip
    grain = grain_of_rows(index("n") * 2)
    return Kernel(name, [lse, s, *sizes], [For("r", index("rows"), body, parallel=grain)])


def _again_numpy(
    lse: np.ndarray, s: np.ndarray, length: int, start: int, causal: int, every: int
) -> None:
    if causal:
        _hide(s, length, start)
    s -= np.where(np.isneginf(lse), np.inf, lse)[:, None]
    np.exp(s, out=s)


# Scores become the weights that ``weights`` made of them, from each row's log-sum-exp.
again = _native(
    "again",
    f"lse: f32[r], s: f32[r,n]!, {_SIZES} -> None;"
    " call lse, s, r, n, length, start, causal, all; work r*n",
    _again,
    _again_numpy,
)


def _score_gradient(name: str) -> Kernel:
    p, delta, d = array("p"), array("delta"), array("d", "f32", "inout")
    scale = ir.Param("scale", "f32", "scalar")
    at = index("r") * index("n") + index("c")
    value = (d[at] - delta[index("r")]) * p[at] * scale.var()
    inner = For("c", index("n"), [Store("d", at, value)], vector=True)
    loop = For("r", index("rows"), [inner], parallel=grain_of_rows(index("n")))
    return Kernel(name, [p, delta, d, size("rows"), size("n"), scale], [loop])


def _score_gradient_numpy(p: np.ndarray, delta: np.ndarray, d: np.ndarray, scale: float) -> None:
    d -= delta[:, None]
    d *= p
    d *= d.dtype.type(scale)


# The gradient of weights becomes that of the products of queries and keys.
score_gradient = _native(
    "score_gradient",
    "p: f32[r,n], delta: f32[r], d: f32[r,n]!, scale: float -> None;"
    " call p, delta, d, r, n, f32(scale); work r*n",
    _score_gradient,
    _score_gradient_numpy,
)
