"""Convolution of float32 by panels of columns and a product of our own: few pixels, few channels."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from rushlight.kernels import _context, _panel_ir, conv_columns
from rushlight.kernels.conv_columns import Plan
from rushlight.runtime import threads

# Pixels of a panel, kernel columns of a task of the weight's gradient, and floats of its windows.
_PIXELS, _COLUMNS, _WINDOW_FLOATS = 256, 224, 64 << 10
# By vectors in a row of registers: how many rows fit beside them, with 32 and with 16 registers.
_ROWS_32 = {7: 3, 6: 4, 5: 4, 4: 6, 3: 8, 2: 8, 1: 8}
_ROWS_16 = {3: 4, 2: 6, 1: 8}


@lru_cache(maxsize=1024)
def tile(columns: int) -> tuple[int, int, int]:
    """Return the vector width, vectors and rows of the product's tile for so many columns."""
    wide = _context.width() == 16
    best, choice = 1 << 60, (0, 0, 0)
    for width in (16, 8) if wide else (8,):
        for vectors, rows in (_ROWS_32 if wide else _ROWS_16).items():
            if width == 16 and vectors > 4:
                continue
            span = width * vectors
            cost = -(-columns // span) * span * (1000 + 400 // min(vectors * width // 8, 6))
            if cost < best:
                best, choice = cost, (width, vectors, rows)
    return choice


def _panel(plan: Plan) -> tuple[int, int]:
    """Return how many samples and output rows a panel of the forward has."""
    rows, across = plan.out
    if rows * across * 2 <= _PIXELS:
        return min(plan.shape[0], _PIXELS // (rows * across)), rows
    panels = -(-rows * across // _PIXELS)
    return 1, max(1, -(-rows // panels))


def forward(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, plan: Plan) -> np.ndarray:
    """Return the convolution of contiguous arrays."""
    n, width, out = plan.shape[0], plan.width, plan.out
    y = np.empty((n, width, *out), np.float32)
    if bias is None:
        bias = np.zeros(width, np.float32)
    images, high = _panel(plan)
    length = images * high * out[1]
    outer = -(-n // images) * plan.groups * -(-out[0] // high)
    per_group = width // plan.groups
    # Results do not depend on how the channels are cut; each block makes its columns anew.
    threads_left = -(-2 * (threads.get_num_threads() - 1) // outer)
    blocks = max(1, min(-(-per_group // 32), threads_left))
    block = -(-per_group // blocks)
    block = -(-block // 8) * 8
    tasks = outer * -(-per_group // block)
    shape, narrow = tile(length), conv_columns.narrow(plan)
    area = min(plan.rows() * length, _panel_ir.PIECE + plan.kernel[1] * length) + 32 * 16
    area += block * length if images > 1 else 0
    a = _context.address
    conv_columns.run(
        "panels",
        partial(_panel_ir.forward_ir, narrow=narrow, tile=shape),
        (a(x), a(w), a(y), a(bias)),
        0,
        area,
        plan.slots(high, block, images),
        tasks,
        f"{shape} {narrow}",
    )
    return y


def takes_weight_gradient(plan: Plan) -> bool:
    """Return whether ``weight_gradient`` can do a convolution, and is worth it."""
    pixels = plan.out[0] * plan.out[1]
    narrow = plan.kernel[1] <= 16 and plan.dilation[1] == 1 and plan.dilation[0] == 1
    return narrow and plan.kernel[1] > 1 and pixels >= 128 and plan.rows() <= 640


def weight_gradient(g: np.ndarray, x: np.ndarray, plan: Plan) -> np.ndarray:
    """Return the gradient for the weight, from contiguous arrays."""
    channels = plan.shape[1] // plan.groups
    gw = np.empty((plan.width, channels, *plan.kernel), np.float32)
    wide = plan.kernel[1]
    depth = channels * plan.kernel[0]
    blocks = max(2 if plan.groups == 1 else 1, -(-depth * wide // _COLUMNS))
    block = -(-depth // min(blocks, depth))
    high = max(1, min(plan.out[0], _WINDOW_FLOATS // (block * wide * plan.out[1])))
    window = 8 if wide <= 8 else 16
    shape = tile(block * wide)
    a = _context.address
    conv_columns.run(
        "window_gradient",
        partial(_panel_ir.weight_gradient_ir, window=window, tile=shape),
        (a(x), a(gw), a(g), 0),
        0,
        block * wide * high * plan.out[1] + 256,
        plan.slots(high, block, 1),
        plan.groups * -(-depth // block),
        f"{window} {shape}",
    )
    return gw
