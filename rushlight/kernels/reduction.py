"""Sums, means and extremes over all elements, the last dim, the first, or one in the middle.

Sums of float32 accumulate in float64 and round once: more accurate than pairwise summation. Blocks
are fixed by the sizes alone, so results do not depend on the number of threads.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Acc, Accum, Alloc, Expr, For, Kernel, Let, Param, Store, select

from ._native import GRAIN, Builder, Native, Reference, array, grain_of_rows, index, native, size

_native = partial(native, __name__)
_BLOCKS = 256  # most partial results of a reduction over everything
_TILE = 1024  # columns that a reduction over rows keeps at a time
_ROWS = 4  # rows added to them at once


class _Rule:
    """What is accumulated, and what is made of it: ``finish(total, count)``."""

    def __init__(
        self,
        op: str,
        term: Callable[[Expr], Expr],
        finish: Callable[[Expr, Expr], Expr],
    ) -> None:
        self.op, self.term, self.finish = op, term, finish
        self.dtype = "f64" if op == "add" else "f32"


def _narrow(total: Expr, count: Expr) -> Expr:
    return ir.cast(total, "f32")


_RULES = {
    "sum": _Rule("add", lambda x: ir.cast(x, "f64"), _narrow),
    "mean": _Rule(
        "add",
        lambda x: ir.cast(x, "f64"),
        lambda total, count: ir.cast(total / ir.cast(count, "f64"), "f32"),
    ),
    "sum_squares": _Rule("add", lambda x: ir.cast(x, "f64") * ir.cast(x, "f64"), _narrow),
    "amax": _Rule("max", lambda x: x, _narrow),
    "amin": _Rule("min", lambda x: x, _narrow),
}


def _all(rule: _Rule) -> Builder:
    """Everything to one number: (x, out, n)."""

    def build(name: str) -> Kernel:
        x, out, n, i = array("x"), Param("out", "f32", "out"), size("n"), index("i")
        # the block's length depends on n alone, and there are at most _BLOCKS
        least = (n.var() + (_BLOCKS - 1)) // _BLOCKS
        block = Let("length", ir.maximum((least + 63) & -64, GRAIN))
        begin = index("b") * block.var()
        part = Acc("part", rule.op, rule.dtype)
        body = For(
            "i",
            ir.minimum(begin + block.var(), n.var()),
            [Accum("part", rule.term(x[i]))],
            begin=begin,
            accs=[part],
            vector=True,
        )
        blocks = (n.var() + block.var() - 1) // block.var()
        total = Acc("total", rule.op, rule.dtype)
        j = index("j")
        return Kernel(
            name,
            [x, out, n],
            [
                Alloc("parts", rule.dtype, _BLOCKS),
                block,
                For("b", blocks, [body, Store("parts", index("b"), part.value())], parallel=2),
                For("j", blocks, [Accum("total", ir.load("parts", j, rule.dtype))], accs=[total]),
                Store("out", 0, rule.finish(total.value(), n.var())),
            ],
        )

    return build


def _last(rule: _Rule) -> Builder:
    """Each row to a number: (x, out, rows, n)."""

    def build(name: str) -> Kernel:
        x, out, rows, n = array("x"), Param("out", "f32", "out"), size("rows"), size("n")
        at = index("r") * n.var() + index("c")
        acc = Acc("acc", rule.op, rule.dtype)
        body = [
            For("c", n.var(), [Accum("acc", rule.term(x[at]))], accs=[acc], vector=True),
            Store("out", index("r"), rule.finish(acc.value(), n.var())),
        ]
        return Kernel(
            name,
            [x, out, rows, n],
            [For("r", rows.var(), body, parallel=grain_of_rows(n.var()) * 2)],
        )

    return build


def _tiles(outer: Expr, inner: Expr, body: Callable[[Expr, Expr, Expr], list[ir.Statement]]) -> For:
    """A parallel loop over tiles of columns: ``body(outer index, first column, columns)``."""
    per = Let("per", (inner + (_TILE - 1)) // _TILE)
    t = index("t")
    first = Let("first", (t % per.var()) * _TILE)
    a = Let("a", t // per.var())
    width = Let("width", ir.minimum(inner - first.var(), _TILE))
    statements = [per, first, a, width, *body(a.var(), first.var(), width.var())]
    count = outer * ((inner + (_TILE - 1)) // _TILE)
    return For("t", count, statements, parallel=index("grain"))


def _grain_of_tiles(n: Expr, inner: Expr) -> Let:
    return Let("grain", grain_of_rows(n * ir.minimum(inner, _TILE)))


def _middle(rule: _Rule) -> Builder:
    """x[a, n, b] to out[a, b]: (x, out, a, n, b)."""

    def build(name: str) -> Kernel:
        x, out = array("x"), Param("out", "f32", "out")
        outer, n, inner = size("outer"), size("n"), size("inner")
        c, r = index("c"), index("r")
        neutral = Acc("", rule.op, rule.dtype).init

        def tile(a: Expr, first: Expr, width: Expr) -> list[ir.Statement]:
            held = ir.load("tile", c, rule.dtype)

            def update(first_row: Expr, rows: int) -> list[ir.Statement]:
                value = held
                for k in range(rows):
                    at = (a * n.var() + first_row + k) * inner.var() + first + c
                    value = ir.binary(rule.op, value, rule.term(x[at]))
                return [For("c", width, [Store("tile", c, value)], vector=True)]

            whole = Let("whole", n.var() // _ROWS)
            result = rule.finish(held, n.var())
            return [
                Alloc("tile", rule.dtype, _TILE),
                For("c", width, [Store("tile", c, neutral)], vector=True),
                whole,
                For("r", whole.var(), update(r * _ROWS, _ROWS)),
                For("r", n.var(), update(r, 1), begin=whole.var() * _ROWS),
                For(
                    "c",
                    width,
                    [Store("out", a * inner.var() + first + c, result)],
                    vector=True,
                ),
            ]

        grain = _grain_of_tiles(n.var(), inner.var())
        loop = _tiles(outer.var(), inner.var(), tile)
        return Kernel(name, [x, out, outer, n, inner], [grain, loop])

    return build


def _better(op: str, x: Expr, held: Expr) -> Expr:
    """Whether x takes the place of what is held: the first of equals stays, NaN wins."""
    return ir.compare("gt" if op == "max" else "lt", x, held) | (
        ir.compare("ne", x, x) & ir.compare("eq", held, held)
    )


def _last_index(op: str) -> Builder:
    """Each row's extreme and where it is first: (x, values, indices, rows, n)."""

    def build(name: str) -> Kernel:
        x, rows, n = array("x"), size("rows"), size("n")
        values, indices = Param("values", "f32", "out"), Param("indices", "i64", "out")
        at = index("r") * n.var() + index("c")
        best, where = Acc("best", op, "f32"), Acc("where", "min", "i64")
        found = ir.compare("eq", x[at], best.value()) | ir.compare("ne", x[at], x[at])
        place = select(found, index("c"), where.init)
        body = [
            For("c", n.var(), [Accum("best", x[at])], accs=[best], vector=True),
            For("c", n.var(), [Accum("where", place)], accs=[where], vector=True),
            Store("values", index("r"), best.value()),
            Store("indices", index("r"), where.value()),
        ]
        return Kernel(
            name,
            [x, values, indices, rows, n],
            [For("r", rows.var(), body, parallel=grain_of_rows(n.var()) * 2)],
        )

    return build


def _middle_index(op: str) -> Builder:
    """x[a, n, b] to its extremes over n and their places: (x, values, indices, a, n, b)."""

    def build(name: str) -> Kernel:
        x, outer, n, inner = array("x"), size("outer"), size("n"), size("inner")
        values, indices = Param("values", "f32", "inout"), Param("indices", "i64", "inout")
        c, r = index("c"), index("r")

        def tile(a: Expr, first: Expr, width: Expr) -> list[ir.Statement]:
            at = a * inner.var() + first + c
            source = x[(a * n.var() + r) * inner.var() + first + c]
            better = Let("better", _better(op, source, values[at]))
            update = [
                better,
                Store("indices", at, select(better.var(), r, indices[at])),
                Store("values", at, select(better.var(), source, values[at])),
            ]
            begin = [
                Store("values", at, x[a * n.var() * inner.var() + first + c]),
                Store("indices", at, ir.const(0, "i64")),
            ]
            return [
                For("c", width, begin, vector=True),
                For("r", n.var(), [For("c", width, update, vector=True)], begin=1),
            ]

        grain = _grain_of_tiles(n.var(), inner.var())
        loop = _tiles(outer.var(), inner.var(), tile)
        return Kernel(name, [x, values, indices, outer, n, inner], [grain, loop])

    return build


# NumPy ----------------------------------------------------------------------------------------


def _wide(x: np.ndarray) -> Any:
    return np.float64 if x.dtype == np.float32 else None


def _as(result: Any, x: np.ndarray) -> np.ndarray:
    """``result`` in x's dtype; of integers and booleans as NumPy gives it."""
    return np.asarray(result, x.dtype if x.dtype.kind in "fcV" else None)


def _numpy_sum(x: np.ndarray, axis: int | None) -> Any:
    with np.errstate(invalid="ignore"):
        return _as(np.sum(x, axis, dtype=_wide(x)), x)


def _numpy_mean(x: np.ndarray, axis: int | None) -> Any:
    with np.errstate(invalid="ignore"):
        return _as(np.mean(x, axis, dtype=_wide(x)), x)


def _numpy_squares(x: np.ndarray, axis: int | None) -> Any:
    squares = np.square(x, dtype=_wide(x))
    return _as(np.sum(squares, axis), x)


_NUMPY: dict[str, Callable[[np.ndarray, int | None], Any]] = {
    "sum": _numpy_sum,
    "mean": _numpy_mean,
    "sum_squares": _numpy_squares,
    "amax": lambda x, axis: np.asarray(np.max(x, axis)),
    "amin": lambda x, axis: np.asarray(np.min(x, axis)),
}


def _argument(op: str, axis: int) -> Reference:
    def run(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = (np.argmax if op == "max" else np.argmin)(x, axis)
        taken = np.take_along_axis(x, np.expand_dims(places, axis), axis).squeeze(axis)
        return np.asarray(taken), np.asarray(places, np.int64)

    return run


# kernels --------------------------------------------------------------------------------------


def _family(name: str) -> tuple[Native, Native, Native, Native, Native]:
    """The kernels over everything, the last dim (and keepdim), the middle one, the first of two."""
    rule, reference = _RULES[name], _NUMPY[name]

    def keep(x: np.ndarray) -> Any:
        return reference(x, -1)[..., None]

    everything = "x: f32[...s] -> out: f32[]; call x, out, s; work s"
    last = "x: f32[...r, n] -> out: f32[...r]; call x, out, r, n; work r * n"
    last_keep = "x: f32[...r, n] -> out: f32[...r, 1]; call x, out, r, n; work r * n"
    middle = "x: f32[a, n, b] -> out: f32[a, b]; call x, out, a, n, b; work a * n * b"
    first = "x: f32[n, b] -> out: f32[b]; call x, out, 1, n, b; work n * b"
    rows = _last(rule)
    return (
        _native(f"{name}_all", everything, _all(rule), lambda x: reference(x, None)),
        _native(f"{name}_last", last, rows, lambda x: reference(x, -1)),
        _native(f"{name}_last_keep", last_keep, rows, keep, stem=f"{name}_last"),
        _native(f"{name}_middle", middle, _middle(rule), lambda x: reference(x, 1)),
        _native(
            f"{name}_first", first, _middle(rule), lambda x: reference(x, 0), stem=f"{name}_middle"
        ),
    )


# over all elements; the last dim; the same with keepdim; x[a, n, b] over n; x[n, b] over n
sum_all, sum_last, sum_last_keep, sum_middle, sum_first = _family("sum")
mean_all, mean_last, mean_last_keep, mean_middle, mean_first = _family("mean")
sum_squares_all, sum_squares_last, sum_squares_last_keep, sum_squares_middle, sum_squares_first = (
    _family("sum_squares")
)
amax_all, amax_last, amax_last_keep, amax_middle, amax_first = _family("amax")
amin_all, amin_last, amin_last_keep, amin_middle, amin_first = _family("amin")

_LAST = (
    "x: f32[...r, n] -> values: f32[...r], indices: i64[...r];"
    "call x, values, indices, r, n; work r * n"
)
_MIDDLE = (
    "x: f32[a, n, b] -> values: f32[a, b], indices: i64[a, b];"
    "call x, values, indices, a, n, b; work a * n * b"
)
# (values, indices), the first of equals; NaN wins
max_last = _native("max_last", _LAST, _last_index("max"), _argument("max", -1))
min_last = _native("min_last", _LAST, _last_index("min"), _argument("min", -1))
max_middle = _native("max_middle", _MIDDLE, _middle_index("max"), _argument("max", 1))
min_middle = _native("min_middle", _MIDDLE, _middle_index("min"), _argument("min", 1))

_TALL = 1 << 20  # from this many elements on, a reduction to few columns goes in two steps


def reduce(name: str, x: np.ndarray, dims: tuple[int, ...] | None, keepdim: bool) -> np.ndarray:
    """``x`` reduced over ``dims`` (normalised and sorted; None: all) by a kernel of this module.

    Args:
        name: "sum", "mean", "sum_squares", "amax" or "amin".
        x: an array of any dtype, layout and size that the operation allows.
        dims: not negative, rising.
        keepdim: whether reduced dims stay, with size 1.
    """
    kernels = globals()
    shape = x.shape
    if dims is None or len(dims) == x.ndim:
        result: np.ndarray = kernels[f"{name}_all"](x)
        return result.reshape((1,) * x.ndim) if keepdim and x.ndim else result
    if dims == (0,) and len(shape) == 2 and (x.size < _TALL or shape[1] > _TILE):
        result = kernels[f"{name}_first"](x)
        return result[None] if keepdim else result
    kept = tuple(1 if d in dims else s for d, s in enumerate(shape))
    squeezed = tuple(s for d, s in enumerate(shape) if d not in dims)
    if dims[-1] - dims[0] + 1 != len(dims) or not x.size:
        result = x
        if not x.size or name not in ("sum", "mean", "amax", "amin") or x.dtype != np.float32:
            result = np.asarray(_over(name, x, dims))
        else:  # apart: one run of neighbours after another, the last first
            first = next(k for k in range(len(dims)) if dims[-1] - dims[k] == len(dims) - 1 - k)
            step = "sum" if name == "mean" else name
            result = reduce(step, reduce(step, x, dims[first:], False), dims[:first], False)
            if name == "mean":
                result = np.asarray(result / np.float32(x.size // result.size))
        return result.reshape(kept if keepdim else squeezed)
    n = prod(shape[dims[0] : dims[-1] + 1])
    if dims[-1] == x.ndim - 1:
        result = kernels[f"{name}_last"](x.reshape(*shape[: dims[0]], n))
    else:
        inner = prod(shape[dims[-1] + 1 :])
        result = _reduce_middle(name, x.reshape(-1, n, inner))
    return result.reshape(kept if keepdim else squeezed)


def _over(name: str, x: np.ndarray, dims: tuple[int, ...]) -> Any:
    """By NumPy, over dims that are not neighbours."""
    moved = np.moveaxis(x, dims, range(-len(dims), 0))
    count = prod(moved.shape[-len(dims) :])
    return _NUMPY[name](moved.reshape(*moved.shape[: -len(dims)], count), -1)


def _reduce_middle(name: str, x: np.ndarray) -> np.ndarray:
    kernels = globals()
    outer, n, inner = x.shape
    if x.size >= _TALL and outer * inner <= 2 * _TILE and name in ("sum", "amax", "amin"):
        parts = next((k for k in (64, 32, 16, 8, 4, 2) if n % k == 0), 1)
        if parts > 1 and outer == 1:
            x = kernels[f"{name}_middle"](x.reshape(parts, n // parts, inner))[None]
    result: np.ndarray = kernels[f"{name}_middle"](x)
    return result
