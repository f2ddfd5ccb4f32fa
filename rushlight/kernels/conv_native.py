"""Chooses the native path of a float32 convolution; None where NumPy has to do it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rushlight.kernels import (
    _context,
    conv_columns,
    conv_depthwise,
    conv_panels,
    conv_winograd,
)
from rushlight.kernels._geometry import Ints, Padding, conv_output_size, padding_pairs
from rushlight.kernels._winograd_ir import POINTS
from rushlight.kernels.conv_columns import Plan

# Multiplications below which NumPy's overhead is the smaller one.
_SMALL = 1 << 15


@lru_cache(maxsize=1024)
def _plan(
    shape: Ints, weight_shape: Ints, stride: Ints, padding: Padding, dilation: Ints, groups: int
) -> Plan | None:
    """Return the 2-d plan of a convolution in one or two dimensions; None if there is none."""
    if len(shape) not in (3, 4) or 0 in shape or 0 in weight_shape or not _context.available():
        return None
    pairs = padding_pairs(padding)
    out = conv_output_size(shape[2:], weight_shape[2:], stride, padding, dilation)
    if any(o <= 0 for o in out) or any(lo < 0 or hi < 0 for lo, hi in pairs):
        return None
    before = tuple(lo for lo, _ in pairs)
    size, kernel = shape[2:], weight_shape[2:]
    if len(shape) == 3:
        size, kernel, out = (1, *size), (1, *kernel), (1, *out)
        stride, before, dilation = (1, *stride), (0, *before), (1, *dilation)
    return Plan(
        (shape[0], shape[1], size[0], size[1]),
        weight_shape[0],
        (kernel[0], kernel[1]),
        (out[0], out[1]),
        (stride[0], stride[1]),
        (before[0], before[1]),
        (dilation[0], dilation[1]),
        groups,
    )


def _depthwise(plan: Plan) -> bool:
    return plan.groups == plan.shape[1] > 1


def _work(plan: Plan) -> int:
    return plan.shape[0] * plan.width * plan.rows() * plan.out[0] * plan.out[1]


@lru_cache(maxsize=1024)
def _winograd(plan: Plan, channels: int, width: int, out: tuple[int, int]) -> bool:
    """Return whether Winograd's transforms pay for a convolution with this result."""
    if plan.stride != (1, 1) or plan.dilation != (1, 1) or plan.groups != 1:
        return False
    m = 4 if plan.kernel == (3, 3) else 2
    tiles = plan.shape[0] * -(-out[0] // m) * -(-out[1] // m)
    if not conv_winograd.applies(channels, width, plan.kernel, tiles) or tiles < 8:
        return False
    products = plan.shape[0] * out[0] * out[1] * plan.kernel[0] * plan.kernel[1]
    return products > 1.5 * tiles * POINTS


def forward(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    exact: bool,
) -> np.ndarray | None:
    """Return the convolution of float32 arrays, or None."""
    plan = _plan(x.shape, w.shape, stride, padding, dilation, groups)
    if plan is None or _work(plan) < _SMALL:
        return None
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    if bias is not None:
        bias = np.ascontiguousarray(bias)
    if not exact and _winograd(plan, plan.shape[1], plan.width, plan.out):
        u, done = conv_winograd.weight(w, False)
        y = conv_winograd.convolve(x, u, plan.width, bias, plan.kernel[0], plan.padding, plan.out)
        done(u)
        return y
    if _depthwise(plan):
        y = conv_depthwise.forward(x, w, bias, plan)
    elif plan.direct:
        y = conv_columns.forward(x, w, bias, plan)
    else:
        y = conv_panels.forward(x, w, bias, plan)
    return y.reshape(x.shape[0], plan.width, plan.out[1]) if x.ndim == 3 else y


def input_gradient(
    g: np.ndarray,
    w: np.ndarray,
    input_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    exact: bool,
) -> np.ndarray | None:
    """Return the gradient for the input from float32 arrays, or None."""
    plan = _plan(input_shape, w.shape, stride, padding, dilation, groups)
    if plan is None or _work(plan) < _SMALL:
        return None
    g, w = np.ascontiguousarray(g), np.ascontiguousarray(w)
    if not exact and _winograd(plan, plan.width, plan.shape[1], plan.shape[2:]):
        taps = plan.kernel[0]
        before = (taps - 1 - plan.padding[0], taps - 1 - plan.padding[1])
        u, done = conv_winograd.weight(w, True)
        gx = conv_winograd.convolve(g, u, plan.shape[1], None, taps, before, plan.shape[2:])
        done(u)
        return gx
    if _depthwise(plan):
        return conv_depthwise.input_gradient(g, w, plan).reshape(input_shape)
    return conv_columns.input_gradient(g, w, plan).reshape(input_shape)


def weight_gradient(
    g: np.ndarray,
    x: np.ndarray,
    weight_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    exact: bool,
) -> np.ndarray | None:
    """Return the gradient for the weight from float32 arrays, or None."""
    plan = _plan(x.shape, weight_shape, stride, padding, dilation, groups)
    if plan is None or _work(plan) < _SMALL:
        return None
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    channels = plan.shape[1]
    if not exact and channels % 32 == 0 and _winograd(plan, channels, plan.width, plan.out):
        return conv_winograd.weight_gradient(g, x, plan.kernel[0], plan.padding)
    if _depthwise(plan):
        return conv_depthwise.weight_gradient(g, x, plan).reshape(weight_shape)
    if conv_panels.takes_weight_gradient(plan):
        return conv_panels.weight_gradient(g, x, plan).reshape(weight_shape)
    return conv_columns.weight_gradient(g, x, plan).reshape(weight_shape)
