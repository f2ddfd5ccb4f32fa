"""Convolution (cross-correlation) in 1, 2 and 3 dimensions: forward and both gradients.

float32 in 1 and 2 dimensions goes to generated code (``conv_native``), in 3 dimensions by way of 2
(``conv_volume``); the rest is NumPy.

The NumPy path: the windows of the padded input are one strided view; copying it into rows gives
``im2col``, and one matrix product per sample (or per group) does the rest.  Buffers are limited
by working through the batch in pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import numpy as np

from rushlight.kernels import (
    _context,
    conv_direct,
    conv_native,
    conv_volume,
    conv_winograd,
)
from rushlight.kernels._geometry import Ints, Padding, conv_output_size, padding_pairs
from rushlight.kernels.matmul import widened

# Whether float32 convolutions avoid Winograd's transforms, whose rounding error is about ten times
# that of plain sums (2e-6 of the largest result, instead of 3e-7).
exact = False

# Bytes that one im2col buffer may take; a larger batch is worked through in pieces.
_COLUMN_BYTES = 64 << 20


def pad_spatial(x: np.ndarray, padding: Padding) -> np.ndarray:
    """Return ``x`` with zeros around its trailing dimensions, contiguous; negative pads crop."""
    pairs = padding_pairs(padding)
    if not any(lo or hi for lo, hi in pairs):
        return np.ascontiguousarray(x)
    lead = x.ndim - len(pairs)
    size = x.shape[lead:]
    out = np.zeros(x.shape[:lead] + tuple(n + lo + hi for n, (lo, hi) in zip(size, pairs)), x.dtype)
    target: tuple[Any, ...] = tuple(
        slice(max(lo, 0), max(lo, 0) + n + min(lo, 0) + min(hi, 0))
        for n, (lo, hi) in zip(size, pairs)
    )
    source: tuple[Any, ...] = tuple(
        slice(max(-lo, 0), n - max(-hi, 0)) for n, (lo, hi) in zip(size, pairs)
    )
    out[(..., *target)] = x[(..., *source)]
    return out


def windows(xp: np.ndarray, kernel: Ints, out: Ints, stride: Ints, dilation: Ints) -> np.ndarray:
    """Return the view ``(N, C, *kernel, *out)`` of all windows of a contiguous padded input."""
    lead = 2
    steps = xp.strides[lead:]
    return np.ndarray(
        xp.shape[:lead] + kernel + out,
        xp.dtype,
        xp,
        0,
        xp.strides[:lead]
        + tuple(st * d for st, d in zip(steps, dilation))
        + tuple(st * s for st, s in zip(steps, stride)),
    )


def _is_pointwise(kernel: Ints, stride: Ints, padding: Padding) -> bool:
    ones = all(k == 1 for k in kernel) and all(s == 1 for s in stride)
    return ones and not any(lo or hi for lo, hi in padding_pairs(padding))


def _batch_piece(x: np.ndarray, kernel: Ints, out: Ints) -> int:
    per_sample = x.shape[1] * prod(kernel) * prod(out) * x.itemsize
    return int(max(1, _COLUMN_BYTES // max(per_sample, 1)))


def _forward_numpy(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    kernel = w.shape[2:]
    out = conv_output_size(x.shape[2:], kernel, stride, padding, dilation)
    n, k, p = x.shape[0], w.shape[0], prod(out)
    rows = w.shape[1] * prod(kernel)
    weight = w.reshape(groups, k // groups, rows) if groups > 1 else w.reshape(k, rows)
    lead = (groups,) if groups > 1 else ()
    y: np.ndarray
    if _is_pointwise(kernel, stride, padding):
        y = np.matmul(weight, x.reshape((n, *lead, rows, p)))
    else:
        xp = pad_spatial(x, padding)
        view = windows(xp, kernel, out, stride, dilation)
        piece = _batch_piece(x, kernel, out)
        if piece >= n:
            y = np.matmul(weight, view.reshape((n, *lead, rows, p)))
        else:
            y = np.empty((n, *lead, k // groups, p), x.dtype)
            for i in range(0, n, piece):
                part = view[i : i + piece]
                np.matmul(weight, part.reshape((len(part), *lead, rows, p)), out=y[i : i + piece])
    y = y.reshape((n, k, *out))
    if bias is not None:
        y += bias.reshape((k,) + (1,) * len(out))
    return y


def _volume(
    shape: Ints, weight_shape: Ints, stride: Ints, padding: Padding, dilation: Ints, groups: int
) -> conv_volume.Volume | None:
    """Return how to do a 3-d convolution by slices; None for others and without generated code."""
    if len(shape) != 5 or 0 in shape or 0 in weight_shape or not _context.available():
        return None
    out = conv_output_size(shape[2:], weight_shape[2:], stride, padding, dilation)
    if min(out) <= 0 or min(min(pair) for pair in padding_pairs(padding)) < 0:
        return None
    return conv_volume.Volume(shape, weight_shape, out[0], stride, padding, dilation, groups)


def _forward_any(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    if x.dtype == np.float32:
        volume = _volume(x.shape, w.shape, stride, padding, dilation, groups)
        if volume is not None:
            out = conv_output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
            return conv_volume.forward(conv_forward, x, w, bias, out, volume)
        y = conv_native.forward(x, w, bias, stride, padding, dilation, groups, exact)
        if y is not None:
            return y
    wide = widened(x.dtype)
    if wide is not None:
        b = None if bias is None else bias.astype(wide)
        y = _forward_numpy(x.astype(wide), w.astype(wide), b, stride, padding, dilation, groups)
        return y.astype(x.dtype)
    return _forward_numpy(x, w, bias, stride, padding, dilation, groups)


Fast = Callable[..., Any]
_Table = dict[tuple[object, ...], Fast | None]
# The builtin of a convolution that is done directly, by shape of the weight and geometry.
_forwards: _Table = {}
_input_gradients: _Table = {}
_weight_gradients: _Table = {}


def _direct(
    kind: str,
    table: _Table,
    weight_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Fast | None:
    """Put the direct path of a convolution into its table, None where there is none."""
    simple = stride == dilation == (1, 1) and groups == 1
    simple = simple and all(isinstance(p, int) for p in padding)
    fast: Fast | None = None
    if simple and _context.available() and conv_direct.applies(weight_shape):
        k, c, taps, _ = weight_shape
        one = (1, 1)

        def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, p: int, q: int) -> Any:
            return _forward_any(x, w, b, one, (p, q), one, 1)

        def input_gradient(g: np.ndarray, w: np.ndarray, *sizes: int) -> Any:
            shape = (len(g), c, *sizes[:2])
            return _input_gradient_any(g, w, shape, one, sizes[2:], one, 1)

        def weight_gradient(g: np.ndarray, x: np.ndarray, *sizes: int) -> Any:
            return _weight_gradient_any(g, x, weight_shape, one, sizes[2:], one, 1)

        if kind == "forward":
            fast = conv_direct.forward(taps, k, forward)
        elif kind == "input":
            fast = conv_direct.input_gradient(taps, c, input_gradient)
        else:
            fast = conv_direct.weight_gradient(taps, k, weight_gradient)
    table[weight_shape, stride, padding, dilation, groups] = fast
    return fast


def conv_forward(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    """Return the convolution of a batch with a weight.

    Args:
        x: input ``(N, C, *spatial)``, one to three spatial dimensions.
        w: weight ``(K, C // groups, *kernel)``.
        bias: vector ``(K,)`` or None.
        stride: one step per dimension.
        padding: zeros on both sides of a dimension, or a pair (before, after).
        dilation: distance of the kernel's taps, per dimension.
        groups: number of independent groups of channels.
    """
    try:
        fast = _forwards[w.shape, stride, padding, dilation, groups]
    except KeyError:
        fast = _direct("forward", _forwards, w.shape, stride, padding, dilation, groups)
    if fast is not None:
        y: np.ndarray = fast(x, w, bias, *padding)
        return y
    return _forward_any(x, w, bias, stride, padding, dilation, groups)


def _flipped_weight(w: np.ndarray, groups: int) -> np.ndarray:
    """Return the weight of the convolution that maps the result's gradient to the input's."""
    k, c = w.shape[:2]
    flip = w[(slice(None), slice(None)) + (slice(None, None, -1),) * (w.ndim - 2)]
    if groups == 1:
        return flip.swapaxes(0, 1)
    parts = flip.reshape((groups, k // groups, c, *w.shape[2:])).swapaxes(1, 2)
    return parts.reshape((groups * c, k // groups, *w.shape[2:]))


def _input_grad_numpy(
    g: np.ndarray,
    w: np.ndarray,
    input_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    kernel, out, size = w.shape[2:], g.shape[2:], input_shape[2:]
    pairs = padding_pairs(padding)
    dense = all(s == 1 for s in stride)
    if dense and (w.shape[0] <= 2 * input_shape[1] or g.size < 1 << 16):
        around = tuple(
            (d * (k - 1) - lo, n + lo - 1 - (o - 1))
            for d, k, (lo, _), n, o in zip(dilation, kernel, pairs, size, out)
        )
        flip = _flipped_weight(w, groups)
        return _forward_numpy(g, flip, None, stride, around, dilation, groups)
    n, k, p = g.shape[0], w.shape[0], prod(out)
    rows = w.shape[1] * prod(kernel)
    weight = w.reshape(groups, k // groups, rows).swapaxes(1, 2)
    padded = tuple(max(m + lo + hi, 0) for m, (lo, hi) in zip(size, pairs))
    gx = np.zeros(input_shape[:2] + padded, g.dtype)
    piece = _batch_piece(gx, kernel, out)
    spans = tuple(
        tuple(slice(i * d, i * d + s * (o - 1) + 1, s) for i in range(m))
        for m, d, s, o in zip(kernel, dilation, stride, out)
    )
    for i in range(0, n, piece):
        part = g[i : i + piece]
        cols = np.matmul(weight, part.reshape(len(part), groups, k // groups, p))
        cols = cols.reshape((len(part), input_shape[1], *kernel, *out))
        for tap in np.ndindex(*kernel):
            where = tuple(axis[t] for axis, t in zip(spans, tap))
            gx[(slice(i, i + piece), slice(None), *where)] += cols[(slice(None), slice(None), *tap)]
    return pad_spatial(gx, tuple((-lo, -hi) for lo, hi in pairs))


def _input_gradient_any(
    g: np.ndarray,
    w: np.ndarray,
    input_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    if g.dtype == np.float32:
        volume = _volume(input_shape, w.shape, stride, padding, dilation, groups)
        if volume is not None:
            return conv_volume.input_gradient(conv_backward_input, g, w, volume)
        gx = conv_native.input_gradient(g, w, input_shape, stride, padding, dilation, groups, exact)
        if gx is not None:
            return gx
    wide = widened(g.dtype)
    if wide is not None:
        gx = _input_grad_numpy(
            g.astype(wide), w.astype(wide), input_shape, stride, padding, dilation, groups
        )
        return gx.astype(g.dtype)
    return _input_grad_numpy(g, w, input_shape, stride, padding, dilation, groups)


def conv_backward_input(
    g: np.ndarray,
    w: np.ndarray,
    input_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    """Return the gradient of ``conv_forward`` for its input, of shape ``input_shape``.

    Args:
        g: gradient of the result, ``(N, K, *out)``.
        w: weight ``(K, C // groups, *kernel)``.
        input_shape: shape of the input.
    """
    try:
        fast = _input_gradients[w.shape, stride, padding, dilation, groups]
    except KeyError:
        fast = _direct("input", _input_gradients, w.shape, stride, padding, dilation, groups)
    if fast is not None:
        gx: np.ndarray = fast(g, w, *input_shape[2:], *padding)
        return gx
    return _input_gradient_any(g, w, input_shape, stride, padding, dilation, groups)


def _weight_grad_numpy(
    g: np.ndarray,
    x: np.ndarray,
    weight_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    kernel, out = weight_shape[2:], g.shape[2:]
    n, k, p = g.shape[0], weight_shape[0], prod(out)
    rows = weight_shape[1] * prod(kernel)
    xp = pad_spatial(x, padding)
    view = windows(xp, kernel, out, stride, dilation)
    piece = _batch_piece(x, kernel, out)
    total: np.ndarray | None = None
    for i in range(0, n, piece):
        part, gp = view[i : i + piece], g[i : i + piece]
        if len(part) == 1:
            cols = part.reshape(groups, rows, p)
            gp = gp.reshape(groups, k // groups, p)
        else:
            cols = np.moveaxis(part, 0, 1 + len(kernel)).reshape(groups, rows, len(part) * p)
            gp = gp.swapaxes(0, 1).reshape(groups, k // groups, len(part) * p)
        gw = np.matmul(gp, cols.swapaxes(1, 2))
        total = gw if total is None else total + gw
    if total is None:
        return np.zeros(weight_shape, g.dtype)
    return total.reshape(weight_shape)


def _weight_gradient_any(
    g: np.ndarray,
    x: np.ndarray,
    weight_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    if g.dtype == np.float32:
        volume = _volume(x.shape, weight_shape, stride, padding, dilation, groups)
        if volume is not None:
            return conv_volume.weight_gradient(conv_backward_weight, g, x, weight_shape, volume)
        gw = conv_native.weight_gradient(
            g, x, weight_shape, stride, padding, dilation, groups, exact
        )
        if gw is not None:
            return gw
    wide = widened(g.dtype)
    if wide is not None:
        gw = _weight_grad_numpy(
            g.astype(wide), x.astype(wide), weight_shape, stride, padding, dilation, groups
        )
        return gw.astype(g.dtype)
    return _weight_grad_numpy(g, x, weight_shape, stride, padding, dilation, groups)


def conv_backward_weight(
    g: np.ndarray,
    x: np.ndarray,
    weight_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> np.ndarray:
    """Return the gradient of ``conv_forward`` for its weight, of shape ``weight_shape``.

    Args:
        g: gradient of the result, ``(N, K, *out)``.
        x: input ``(N, C, *spatial)``.
        weight_shape: shape of the weight.
    """
    try:
        fast = _weight_gradients[weight_shape, stride, padding, dilation, groups]
    except KeyError:
        fast = _direct("weight", _weight_gradients, weight_shape, stride, padding, dilation, groups)
    if fast is not None:
        gw: np.ndarray = fast(g, x, *weight_shape[2:], *padding)
        return gw
    return _weight_gradient_any(g, x, weight_shape, stride, padding, dilation, groups)


def _channel_sum_any(g: np.ndarray) -> np.ndarray:
    """Return the sums over all but the channels, for what the builtin does not take."""
    if g.ndim == 3 and g.dtype == np.float32 and g.size and _context.available():
        total: np.ndarray = _channel_sum()(np.ascontiguousarray(g)[:, :, None])
        return total
    axes = (0, *range(2, g.ndim))
    total = g.sum(axis=axes, dtype=widened(g.dtype))
    return total.astype(g.dtype, copy=False)


@cache
def _channel_sum() -> Fast:
    return conv_direct.channel_sum(_channel_sum_any)


def conv_backward(
    g: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    need_x: bool,
    need_w: bool,
    need_b: bool,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return the gradients for input, weight and bias, None where not needed."""
    geometry = (stride, padding, dilation, groups)
    gx = conv_backward_input(g, w, x.shape, *geometry) if need_x else None
    gw = conv_backward_weight(g, x, w.shape, *geometry) if need_w else None
    return gx, gw, _channel_sum()(g) if need_b else None


def release_memory() -> None:
    """Let go of scratch memory and of transformed weights; they come back when needed."""
    _context.clear()
    conv_winograd.clear()
