"""Depthwise convolution of float32: as many groups as input channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from rushlight.codegen import cache
from rushlight.kernels import _columns_ir, _context, _depthwise_ir, _emit, _pool_ir
from rushlight.kernels.conv_columns import Plan


@lru_cache(maxsize=1)
def _key() -> str:
    emitter = cache.emitter_hash(_emit, _columns_ir, _pool_ir, _depthwise_ir)
    return f"{_context.width()} {emitter}"


def _column_stride(plan: Plan) -> int:
    return plan.stride[1] if plan.stride[1] <= 2 else 0


def _run(
    name: str, variant: str, make_ir: Callable[[], str], arrays: tuple[int, ...], plan: Plan,
    tasks: int,
) -> None:  # fmt: skip
    call = _context.function(name, f"{variant} {_key()}", make_ir)
    call(_context.context((*arrays, 0, 0, 0, 0, *plan.slots(0, 0), tasks)))


def forward(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, plan: Plan) -> np.ndarray:
    """Return the convolution of contiguous arrays."""
    y = np.empty((plan.shape[0], plan.width, *plan.out), np.float32)
    if bias is None:
        bias = np.zeros(plan.width, np.float32)
    stride, a = _column_stride(plan), _context.address
    make = partial(_depthwise_ir.forward_ir, _context.width(), stride)
    tasks = plan.shape[0] * plan.width
    _run("depthwise", str(stride), make, (a(x), a(w), a(y), a(bias)), plan, tasks)
    return y


def _mirrored(plan: Plan) -> Plan:
    """Return the stride-1 convolution of the result's gradient that gives the input's."""
    n, c, h, w = plan.shape
    edges = zip(plan.kernel, plan.dilation, plan.padding)
    top, left = (d * (k - 1) - p for k, d, p in edges)
    one = (1, 1)
    return Plan((n, c, *plan.out), c, plan.kernel, (h, w), one, (top, left), plan.dilation, c)


def input_gradient(g: np.ndarray, w: np.ndarray, plan: Plan) -> np.ndarray:
    """Return the gradient for the input, from contiguous arrays."""
    if plan.stride == (1, 1) and plan.width == plan.shape[1]:
        return forward(g, np.ascontiguousarray(w[:, :, ::-1, ::-1]), None, _mirrored(plan))
    gx = np.empty(plan.shape, np.float32)
    a = _context.address
    tasks = plan.shape[0] * plan.shape[1]
    if plan.stride[1] == 2:
        halved = partial(_depthwise_ir.halved_gradient_ir, _context.width())
        _run("depthwise_halved", "", halved, (a(gx), a(w), a(g), 0), plan, tasks)
        return gx
    make = partial(_depthwise_ir.input_gradient_ir, _context.width())
    _run("depthwise_input", "", make, (a(gx), a(w), a(g), 0), plan, tasks)
    return gx


def weight_gradient(g: np.ndarray, x: np.ndarray, plan: Plan) -> np.ndarray:
    """Return the gradient for the weight, from contiguous arrays."""
    gw = np.empty((plan.width, 1, *plan.kernel), np.float32)
    stride, a = _column_stride(plan), _context.address
    make = partial(_depthwise_ir.weight_gradient_ir, _context.width(), stride)
    _run("depthwise_weight", str(stride), make, (a(x), a(gw), a(g), 0), plan, plan.width)
    return gw
