"""cross_entropy over class indices, forward and backward in one pass each.

The forward keeps two numbers a row (the largest input and the logarithm of the sum), from which the
backward makes softmax(x) - onehot(target) again, so that no array of the input's size is saved.
"""

from functools import partial
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import (
    Acc,
    Accum,
    Alloc,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Param,
    Return,
    Statement,
    Store,
    select,
)

from ._native import array, grain_of_rows, index, long_sum, native, size

_native = partial(native, __name__)


def _wide(x: Expr) -> Expr:
    return ir.cast(x, "f64")


def _row_loss(n: Param, ignore: Param) -> list[Statement]:
    """One row: losses[r], stats[2r], stats[2r + 1]; bad[0] when the target is no class."""
    r, c = index("r"), index("c")
    x = ir.load("x", r * n.var() + c, "f32")
    most = Acc("most", "top", "f32")
    target = Let("target", ir.load("targets", r, "i64"))
    power = ir.math("exp_nonpositive", x - most.value())
    total, sums = long_sum("total", n.var(), power, "c")
    shift = Let("shift", ir.math("log", ir.cast(total, "f32")))
    inside = Let("inside", (target.var() >= 0) & (target.var() < n.var()))
    ignored = Let("ignored", ir.compare("eq", target.var(), ignore.var()))
    counted = inside.var() & ir.compare("eq", ignored.var(), ir.const(0, "b1"))
    picked = ir.load("x", r * n.var() + select(inside.var(), target.var(), 0), "f32")
    return [
        For("c", n.var(), [Accum("most", x)], accs=[most], vector=True),
        *sums,
        target,
        shift,
        inside,
        ignored,
        Store("stats", r * 2, most.value()),
        Store("stats", r * 2 + 1, shift.var()),
        Store("losses", r, select(counted, shift.var() - (picked - most.value()), 0.0)),
        If(
            ir.compare("eq", inside.var() | ignored.var(), ir.const(0, "b1")),
            [Store("bad", 0, ir.const(1, "i64"))],
        ),
    ]


def _forward(name: str) -> Kernel:
    """(x, targets, loss, losses, stats, rows, n, ignore, mean)."""
    x, targets = array("x"), array("targets:i64")
    loss, losses = Param("loss", "f32", "out"), Param("losses", "f32", "inout")
    stats = Param("stats", "f32", "out")
    rows, n, ignore, mean = size("rows"), size("n"), size("ignore"), size("mean")
    r = index("r")
    total, count = Acc("sum", "add", "f64"), Acc("count", "add", "i64")
    kept = ir.cast(ir.compare("ne", targets[r], ignore.var()), "i64")
    divisor = select(ir.compare("ne", mean.var(), 0), _wide(count.value()), 1.0)
    return Kernel(
        name,
        [x, targets, loss, losses, stats, rows, n, ignore, mean],
        [
            Alloc("bad", "i64", 1),
            Store("bad", 0, ir.const(0, "i64")),
            For("r", rows.var(), _row_loss(n, ignore), parallel=grain_of_rows(n.var() * 2)),
            For(
                "r",
                rows.var(),
                [Accum("sum", _wide(losses[r])), Accum("count", kept)],
                accs=[total, count],
                vector=True,
            ),
            Store("loss", 0, ir.cast(total.value() / divisor, "f32")),
            Store("stats", rows.var() * 2, ir.cast(count.value(), "f32")),
            Return(ir.load("bad", 0, "i64")),
        ],
    )


def _backward(each: bool) -> Any:
    """(g, x, targets, stats, gx, rows, n, ignore, mean); ``each``: g has one number a row."""

    def build(name: str) -> Kernel:
        g, x, targets, stats = array("g"), array("x"), array("targets:i64"), array("stats")
        gx = Param("gx", "f32", "inout")
        rows, n, ignore, mean = size("rows"), size("n"), size("ignore"), size("mean")
        r, c = index("r"), index("c")
        at = r * n.var() + c
        target = Let("target", targets[r])
        given = g[r] if each else g[0]
        divided = given / select(ir.compare("ne", mean.var(), 0), stats[rows.var() * 2], 1.0)
        kept = ir.compare("ne", target.var(), ignore.var())
        inside = (target.var() >= 0) & (target.var() < n.var())
        scale = Let("scale", select(kept, divided, 0.0))
        most, shift = Let("most", stats[r * 2]), Let("shift", stats[r * 2 + 1])
        chance = ir.math("exp_nonpositive", (x[at] - most.var()) - shift.var())
        one = r * n.var() + target.var()
        body = [
            target,
            scale,
            most,
            shift,
            For("c", n.var(), [Store("gx", at, chance * scale.var())], vector=True),
            If(kept & inside, [Store("gx", one, gx[one] - scale.var())]),
        ]
        loop = For("r", rows.var(), body, parallel=grain_of_rows(n.var() * 2))
        return Kernel(name, [g, x, targets, stats, gx, rows, n, ignore, mean], [loop])

    return build


def _check(targets: np.ndarray, classes: int, ignore: int) -> None:
    bad = ((targets < 0) | (targets >= classes)) & (targets != ignore)
    if bad.any():
        raise IndexError(f"Target {targets[bad][0]} is out of bounds.")


def _numpy_forward(
    x: np.ndarray, targets: np.ndarray, ignore: int, mean: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _check(targets, x.shape[-1], ignore)
    with np.errstate(invalid="ignore"):
        most = x.max(-1, keepdims=True) if x.size else np.zeros((len(x), 1), x.dtype)
        shift = np.log(np.exp(x - most).sum(-1, keepdims=True))
    kept = targets != ignore
    picked = x[np.arange(len(x)), np.where(kept, targets, 0)] if x.size else x[:, :0].sum(-1)
    zero = np.zeros((), x.dtype)
    losses = np.where(kept, shift[:, 0] - (picked - most[:, 0]), zero)
    count = np.asarray(kept.sum(), x.dtype)
    total = losses.sum(dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        loss = total / np.float64(count) if mean else total
    pairs = np.concatenate([most, shift], 1).reshape(-1)
    return np.asarray(loss, x.dtype), losses, np.append(pairs, count).astype(x.dtype)


def _numpy_backward(
    g: np.ndarray,
    x: np.ndarray,
    targets: np.ndarray,
    stats: np.ndarray,
    ignore: int,
    mean: bool,
) -> np.ndarray:
    pairs = stats[:-1].reshape(-1, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.broadcast_to(g / stats[-1] if mean else g, targets.shape)
    kept = targets != ignore
    scale = np.where(kept, scale, np.zeros((), x.dtype))[:, None]
    result: np.ndarray = np.exp((x - pairs[:, :1]) - pairs[:, 1:]) * scale
    rows = np.flatnonzero(kept)
    result[rows, targets[rows]] -= scale[rows, 0]
    return result


# (x[N, C], targets int64[N], ignore_index, mean) -> (loss, losses[N], stats[2N + 1]): ``loss`` is
# the mean over targets that count, or the sum. A target that is no class raises IndexError.
cross_entropy = _native(
    "cross_entropy",
    "x: f32[r, n], targets: i64[r], ignore: int, mean: bool"
    " -> loss: f32[], losses: f32[r], stats: f32[2 * r + 1];"
    "call x, targets, loss, losses, stats, r, n, ignore, mean; work r * n * 4; status",
    _forward,
    _numpy_forward,
)
_BACKWARD = (
    "x: f32[r, n], targets: i64[r], stats: f32[m], ignore: int, mean: bool -> gx: f32[r, n];"
    "call g, x, targets, stats, gx, r, n, ignore, mean; if m == 2 * r + 1; work r * n * 4"
)
# (grad_output, x, targets, stats, ignore_index, mean) -> grad of x; grad_output 0-d, or [N] for
# reduction "none" (mean False). The targets are those that the forward accepted.
cross_entropy_backward = _native(
    "cross_entropy_backward",
    f"g: f32[], {_BACKWARD}",
    _backward(False),
    _native(
        "cross_entropy_backward",
        f"g: f32[r], {_BACKWARD}",
        _backward(True),
        _numpy_backward,
        variant="each",
    ),
)
