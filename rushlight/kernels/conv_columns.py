"""Convolution of float32 by columns and BLAS: any kernel, stride, padding, dilation, groups."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from rushlight.codegen import cache
from rushlight.kernels import _columns_ir, _context, _emit, _panel_ir
from rushlight.runtime import blas, threads

Pair = tuple[int, int]
# Pixels that a product should have at least: fewer, and packing the weight costs more than it.
_PIXELS = 256
# Floats of one task's columns, about what a core's second-level cache holds.
_COLUMN_FLOATS = 1 << 18
_WITH_BLAS = ("forward", "input_gradient", "weight_gradient")
# Tasks that a convolution is cut into, if its sizes allow: a few per core.
_TASKS = 8


class Plan:
    """Sizes of a 2-d convolution, and how its work is cut."""

    __slots__ = (
        "dilation",
        "direct",
        "groups",
        "images",
        "kernel",
        "out",
        "padding",
        "shape",
        "stride",
        "width",
    )  # fmt: skip

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        width: int,
        kernel: Pair,
        out: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> None:
        self.shape, self.width, self.kernel, self.out = shape, width, kernel, out
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        pixels = out[0] * out[1]
        self.images = min(shape[0], -(-_PIXELS // pixels)) if pixels < _PIXELS else 1
        self.direct = int(
            self.images == 1 and kernel == (1, 1) and stride == (1, 1) and padding == (0, 0)
            and out == shape[2:]
        )  # fmt: skip

    def rows(self) -> int:
        """Return the rows of a group's columns."""
        return self.shape[1] // self.groups * self.kernel[0] * self.kernel[1]

    def chunks(self) -> int:
        """Return how many chunks of joined samples there are."""
        return -(-self.shape[0] // self.images)

    def slots(self, rows_of_block: int, block: int, images: int = 0) -> tuple[int, ...]:
        """Return the sizes as the context holds them; ``images`` of a chunk, if not the plan's."""
        n, c, h, w = self.shape
        return (
            *(n, c, self.width, self.groups, h, w, *self.out, *self.kernel, *self.stride),
            *(
                *self.padding,
                *self.dilation,
                images or self.images,
                rows_of_block,
                block,
                self.direct,
            ),
        )


@lru_cache(maxsize=1)
def _key() -> str:
    return f"{_context.width()} {cache.emitter_hash(_emit, _columns_ir, _panel_ir)}"


def _symbols() -> dict[str, int]:
    return {"cblas_sgemm": blas.address("sgemm")}


def run(
    name: str,
    make_ir: Callable[[int], str],
    pointers: tuple[int, ...],
    joined: int,
    area: int,
    sizes: tuple[int, ...],
    tasks: int,
    key: str = "",
) -> None:
    """Call a kernel with scratch memory, ``area`` floats for each thread."""
    area = -(-(area + 16 * _context.width()) // 16) * 16
    areas = min(threads.get_num_threads(), tasks, 62)
    call = _context.function(
        name,
        f"{key} {_key()}",
        lambda: make_ir(_context.width()),
        _symbols if name in _WITH_BLAS else None,
    )
    scratch = _context.take(area * areas)
    claim = np.array([(1 << areas) - 1], np.int64)
    head = (*pointers, _context.address(scratch), _context.address(claim), joined, area)
    call(_context.context((*head, *sizes, tasks)))
    _context.give(scratch)


def narrow(plan: Plan) -> tuple[int, int, int] | None:
    """Return column stride, vector width and vectors of a row, if ``columns`` is written for them."""
    across, step = plan.out[1], plan.stride[1]
    width = next((w for w in (4, 8) if across <= w), _context.width())
    vectors = -(-across // width)
    return (step, width, vectors) if step in (1, 2, 4) and vectors * step <= 16 else None


def forward(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, plan: Plan) -> np.ndarray:
    """Return the convolution of contiguous arrays."""
    n, width, out = plan.shape[0], plan.width, plan.out
    y = np.empty((n, width, *out), np.float32)
    if bias is None:
        bias = np.zeros(width, np.float32)
    rows, per_group = plan.rows(), width // plan.groups
    high = out[0]
    if plan.images == 1:
        least = max(1, -(-_PIXELS // out[1]))
        high = min(high, max(least, _COLUMN_FLOATS // (rows * out[1])))
    outer = plan.chunks() * plan.groups
    if outer * -(-out[0] // high) < _TASKS:
        high = min(high, max(least if plan.images == 1 else high, -(-out[0] * outer // _TASKS)))
    outer *= -(-out[0] // high)
    block = per_group
    if outer < _TASKS // 2:
        block = min(per_group, max(64, -(-per_group * outer // (_TASKS // 2))))
    tasks = outer * -(-per_group // block)
    length = plan.images * high * out[1]
    area = length * ((0 if plan.direct else rows) + (block if plan.images > 1 else 0))
    a = _context.address
    run(
        "forward", partial(_columns_ir.forward_ir, narrow=narrow(plan)), (a(x), a(w), a(y), a(bias)), 0,
        area, plan.slots(high, block), tasks, str(narrow(plan)),
    )  # fmt: skip
    return y


def _joined(g: np.ndarray, plan: Plan) -> np.ndarray | None:
    """Return the output gradient with each chunk's samples side by side, scratch memory."""
    if plan.images == 1:
        return None
    joined = _context.take(g.size)
    run(
        "join", _columns_ir.join_ir, (0, 0, _context.address(g), 0), _context.address(joined),
        0, plan.slots(0, 0), plan.shape[0],
    )  # fmt: skip
    return joined


def input_gradient(g: np.ndarray, w: np.ndarray, plan: Plan) -> np.ndarray:
    """Return the gradient for the input, from contiguous arrays."""
    gx = np.empty(plan.shape, np.float32)
    joined = _joined(g, plan)
    taps = plan.kernel[0] * plan.kernel[1]
    channels = plan.shape[1] // plan.groups
    length = plan.images * plan.out[0] * plan.out[1]
    outer = plan.chunks() * plan.groups
    block = max(1, min(channels, max(_COLUMN_FLOATS // (taps * length), 64 // taps)))
    if outer * -(-channels // block) < _TASKS:
        block = max(1, min(block, max(-(-channels * outer // _TASKS), 32 // taps)))
    a = _context.address
    run(
        "input_gradient", _columns_ir.input_gradient_ir, (a(gx), a(w), a(g), 0),
        0 if joined is None else a(joined), block * taps * length, plan.slots(0, block),
        outer * -(-channels // block),
    )  # fmt: skip
    if joined is not None:
        _context.give(joined)
    return gx


def weight_gradient(g: np.ndarray, x: np.ndarray, plan: Plan) -> np.ndarray:
    """Return the gradient for the weight, from contiguous arrays."""
    channels = plan.shape[1] // plan.groups
    gw = np.empty((plan.width, channels, *plan.kernel), np.float32)
    joined = _joined(g, plan)
    wide = plan.kernel[1]
    depth = channels * plan.kernel[0]
    length = plan.images * plan.out[0] * plan.out[1]
    high = plan.out[0]
    block = max(1, min(depth, 128 // wide))
    if plan.images == 1 and block * wide * length > 2 * _COLUMN_FLOATS:
        high = max(1, 2 * _COLUMN_FLOATS // (block * wide * plan.out[1]))
        length = high * plan.out[1]
    tasks = plan.groups * -(-depth // block)
    if tasks < _TASKS // 2:
        block = max(1, -(-depth * plan.groups // (_TASKS // 2)))
        tasks = plan.groups * -(-depth // block)
    a = _context.address
    run(
        "weight_gradient", partial(_columns_ir.weight_gradient_ir, narrow=narrow(plan)), (a(x), a(gw), a(g), 0),
        0 if joined is None else a(joined), block * wide * length, plan.slots(high, block), tasks, str(narrow(plan)),
    )  # fmt: skip
    if joined is not None:
        _context.give(joined)
    return gw
