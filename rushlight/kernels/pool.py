"""Pooling in 1, 2 and 3 dimensions: maximum and average, also adaptive, both ways.

A kernel, stride, padding or dilation is a tuple of ints, one per pooled (trailing) dimension; all
dimensions before them are a batch.  Indices are positions in the flattened, unpadded plane.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from rushlight.kernels import matmul, pool_native, reduction
from rushlight.kernels._geometry import Ints
from rushlight.kernels.conv import pad_spatial

# Elements from which a plane's mean is a reduction, not a product with ones.
_LARGE_PLANE = 512


@lru_cache(maxsize=1024)
def pool_output_size(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Ints:
    """Return the spatial size after pooling; in ceil mode no window starts in the right padding."""
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation):
        o = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (o - 1) * s >= n + p:
            o -= 1
        out.append(o)
    return tuple(out)


def _cover(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints
) -> tuple[tuple[int, int], ...]:
    """Return paddings (before, after) with which every window lies inside; after may crop."""
    return tuple(
        (p, (o - 1) * s + d * (k - 1) + 1 - n - p)
        for n, k, s, p, d, o in zip(size, kernel, stride, padding, dilation, out)
    )


def _tap_slices(kernel: Ints, stride: Ints, dilation: Ints, out: Ints) -> list[tuple[Any, ...]]:
    """Return, per tap of the kernel in row-major order, the strided slice of what it reads."""
    return [
        tuple(
            slice(t * d, t * d + s * (o - 1) + 1, s)
            for t, s, d, o in zip(tap, stride, dilation, out)
        )
        for tap in np.ndindex(*kernel)
    ]


@lru_cache(maxsize=256)
def _tap_indices(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the flat index of each window's first valid tap, and each tap's flat offset.

    The offsets are relative to the window's origin, the first array to the plane; the window's
    own origin is kept in the last row of the first array.
    """
    strides = [prod(size[i + 1 :]) for i in range(len(size))]
    origin = np.zeros(out, np.int64)
    first = np.zeros(out, np.int64)
    for axis, (o, s, p, d, step) in enumerate(zip(out, stride, padding, dilation, strides)):
        shape = [1] * len(out)
        shape[axis] = o
        start = np.arange(o, dtype=np.int64) * s - p
        valid = np.where(start < 0, start + (-start + d - 1) // d * d, start)
        origin += (start * step).reshape(shape)
        first += (valid * step).reshape(shape)
    offsets = tuple(
        sum(t * d * step for t, d, step in zip(tap, dilation, strides))
        for tap in np.ndindex(*kernel)
    )
    both = np.stack((first, origin))
    both.setflags(write=False)
    return both, offsets


def lowest(dtype: np.dtype) -> object:
    """Return the value below all others of ``dtype``: minus infinity, or the least integer."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    if dtype.kind == "b":
        return False
    return dtype.type(-np.inf)


def _padded_lowest(x: np.ndarray, pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
    if not any(hi > 0 or lo > 0 for lo, hi in pairs):
        return x
    lead = x.shape[: x.ndim - len(pairs)]
    size = x.shape[len(lead) :]
    shape = tuple(n + lo + max(hi, 0) for n, (lo, hi) in zip(size, pairs))
    xp = np.full(lead + shape, lowest(x.dtype), x.dtype)
    inside: tuple[Any, ...] = tuple(slice(lo, lo + n) for n, (lo, _) in zip(size, pairs))
    xp[(..., *inside)] = x
    return xp


_plans: dict[Any, Any] = {}  # native calls of ``max_pool`` by shape and window


def max_pool(
    x: np.ndarray, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each window and its int64 index in the plane.

    The first of equal maxima counts; a NaN wins over everything, the last of several.
    """
    key = (x.shape, x.dtype, kernel, stride, padding, dilation, ceil_mode)
    plan = _plans.get(key)
    if plan is not None:
        both: tuple[np.ndarray, np.ndarray] | None = plan[0](x, *plan[1])
        if both is not None:
            return both
    nd = len(kernel)
    size = x.shape[x.ndim - nd :]
    out = pool_output_size(size, kernel, stride, padding, dilation, ceil_mode)
    if nd == 2 and plan is None and x.dtype == np.float32 and len(_plans) < 4096:
        _plans[key] = pool_native.max_pool_plan(out, kernel, stride, padding, dilation)
    if nd <= 2 and x.dtype == np.float32:
        both = pool_native.max_pool(x, out, kernel, stride, padding, dilation)
        if both is not None:
            return both
    xp = _padded_lowest(x, _cover(size, kernel, stride, padding, dilation, out))
    (first, origin), offsets = _tap_indices(size, kernel, stride, padding, dilation, out)
    shape = x.shape[: x.ndim - nd] + out
    best = np.full(shape, lowest(x.dtype), x.dtype)
    index = np.empty(shape, np.int64)
    index[...] = first
    floating = x.dtype.kind not in "iub"
    for where, offset in zip(_tap_slices(kernel, stride, dilation, out), offsets):
        value = xp[(..., *where)]
        better = value > best
        if floating:
            better |= value != value  # true for NaN only
        np.copyto(best, value, where=better)
        np.copyto(index, origin + offset, where=better)
    return best, index


def max_pool_backward(g: np.ndarray, index: np.ndarray, input_shape: Ints, nd: int) -> np.ndarray:
    """Return the gradient of ``max_pool``: each gradient added where its maximum came from.

    Args:
        g: gradient of the result.
        index: the indices ``max_pool`` returned, same shape.
        input_shape: shape of the input.
        nd: number of pooled dimensions.
    """
    if g.dtype == np.float32:
        gx = pool_native.max_pool_backward(g, index, input_shape[len(input_shape) - nd :])
        if gx is not None:
            return gx
    plane = prod(input_shape[len(input_shape) - nd :])
    planes = prod(input_shape[: len(input_shape) - nd])
    if not planes:
        return np.zeros(input_shape, g.dtype)
    flat = index.reshape(planes, -1) + np.arange(0, planes * plane, max(plane, 1))[:planes, None]
    total = np.bincount(
        flat.ravel(), weights=g.ravel().astype(np.float64, copy=False), minlength=planes * plane
    )
    return total.astype(g.dtype).reshape(input_shape)


@lru_cache(maxsize=256)
def _divisor(
    size: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    out: Ints,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray | int:
    """Return what each window's sum is divided by, a number where it is the same everywhere."""
    if divisor_override is not None:
        return divisor_override
    total: np.ndarray | int = 1
    for axis, (n, k, s, p, o) in enumerate(zip(size, kernel, stride, padding, out)):
        start = np.arange(o) * s - p
        stop = np.minimum(start + k, n + p)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        count = stop - start
        if (count == k).all():
            total = total * k
        else:
            shape = [1] * len(out)
            shape[axis] = o
            total = total * count.reshape(shape)
    return total


@lru_cache(maxsize=256)
def _divisor_plane(
    size: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    out: Ints,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    """Return the divisor of every result of a plane as float32."""
    divisor = _divisor(size, kernel, stride, padding, out, count_include_pad, divisor_override)
    plane = np.empty(out, np.float32)
    plane[...] = divisor
    plane.setflags(write=False)
    return plane


def _axis_slice(ndim: int, axis: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (part,) + (slice(None),) * (ndim - axis - 1)


def avg_pool(
    x: np.ndarray,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    """Return the mean of each window.

    Args:
        count_include_pad: whether padding counts in the divisor.
        divisor_override: divisor used instead of the window's size, or None.
    """
    nd = len(kernel)
    size = x.shape[x.ndim - nd :]
    ones = (1,) * nd
    out = pool_output_size(size, kernel, stride, padding, ones, ceil_mode)
    if nd <= 2 and x.dtype == np.float32 and all(out):
        plane = _divisor_plane(
            size, kernel, stride, padding, out, count_include_pad, divisor_override
        )
        y = pool_native.avg_pool(x, plane, kernel, stride, padding)
        if y is not None:
            return y
    wide = matmul.widened(x.dtype)
    total = pad_spatial(
        x if wide is None else x.astype(wide), _cover(size, kernel, stride, padding, ones, out)
    )
    for axis, k, s, o in zip(range(x.ndim - nd, x.ndim), kernel, stride, out):
        parts = [
            total[_axis_slice(x.ndim, axis, slice(t, t + s * (o - 1) + 1, s))] for t in range(k)
        ]
        total = parts[0] if k == 1 else parts[0] + parts[1]
        for part in parts[2:]:
            total += part
    divisor = _divisor(size, kernel, stride, padding, out, count_include_pad, divisor_override)
    if x.dtype.kind in "iu":
        whole: np.ndarray = np.sign(total) * np.sign(divisor) * (np.abs(total) // np.abs(divisor))
        return whole.astype(x.dtype)  # rounded towards zero
    return (total / divisor).astype(x.dtype, copy=False)


def avg_pool_backward(
    g: np.ndarray,
    input_shape: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    """Return the gradient of ``avg_pool`` for an input of shape ``input_shape``."""
    nd = len(kernel)
    lead = g.ndim - nd
    size, out = input_shape[lead:], g.shape[lead:]
    if nd <= 2 and g.dtype == np.float32 and all(out):
        plane = _divisor_plane(
            size, kernel, stride, padding, out, count_include_pad, divisor_override
        )
        gx = pool_native.avg_pool_backward(g, plane, size, kernel, stride, padding)
        if gx is not None:
            return gx
    pairs = _cover(size, kernel, stride, padding, (1,) * nd, out)
    divisor = _divisor(size, kernel, stride, padding, out, count_include_pad, divisor_override)
    wide = matmul.widened(g.dtype)
    part = ((g if wide is None else g.astype(wide)) / divisor).astype(wide or g.dtype, copy=False)
    for axis, k, s, o in zip(range(lead, g.ndim), kernel, stride, out):
        shape = list(part.shape)
        shape[axis] = s * (o - 1) + k
        spread = np.zeros(shape, part.dtype)
        for t in range(k):
            spread[_axis_slice(g.ndim, axis, slice(t, t + s * (o - 1) + 1, s))] += part
        part = spread
    gx = pad_spatial(part, tuple((-lo, -hi) for lo, hi in pairs))
    return gx.astype(g.dtype, copy=False)


def _bounds(size: int, out: int) -> list[tuple[int, int]]:
    """Return the (start, stop) of each window of an adaptive pooling along one dimension."""
    return [(i * size // out, -((-(i + 1) * size) // out)) for i in range(out)]


@lru_cache(maxsize=64)
def _ones(count: int) -> np.ndarray:
    return np.ones((1, count), np.float32)


def adaptive_avg_pool(x: np.ndarray, output_size: Ints) -> np.ndarray:
    """Return the means over ``output_size`` windows that share out each trailing dimension."""
    nd = len(output_size)
    wide = matmul.widened(x.dtype)
    y: np.ndarray = x if wide is None else x.astype(wide)
    if all(o == 1 for o in output_size):
        area = prod(x.shape[x.ndim - nd :])
        if x.dtype == np.float32 and area >= _LARGE_PLANE and x.size and x.flags.c_contiguous:
            means: np.ndarray = reduction.mean_last(x.reshape(-1, area))
            return means.reshape(x.shape[: x.ndim - nd] + output_size)
        if x.dtype == np.float32 and x.size:
            # One row of ones times the planes: the dot kernel sums them.
            sums = matmul.linear(_ones(area), x.reshape(-1, area), None)
            return (sums / np.float32(area)).reshape(x.shape[: x.ndim - nd] + output_size)
        y = y.mean(axis=tuple(range(x.ndim - nd, x.ndim)), keepdims=True)
        return y.astype(x.dtype, copy=False)
    for axis, o in zip(range(x.ndim - nd, x.ndim), output_size):
        if y.shape[axis] == o:
            continue
        parts = [
            y[_axis_slice(x.ndim, axis, slice(lo, hi))].mean(axis=axis, keepdims=True)
            for lo, hi in _bounds(y.shape[axis], o)
        ]
        y = np.concatenate(parts, axis=axis) if parts else y[_axis_slice(x.ndim, axis, slice(0))]
    return y.astype(x.dtype) if y is x or y.dtype != x.dtype else y


def adaptive_avg_pool_backward(g: np.ndarray, input_shape: Ints, nd: int) -> np.ndarray:
    """Return the gradient of ``adaptive_avg_pool`` over ``nd`` trailing dimensions."""
    wide = matmul.widened(g.dtype)
    part = g if wide is None else g.astype(wide)
    if all(o == 1 for o in g.shape[g.ndim - nd :]):
        gx = np.empty(input_shape, g.dtype)
        gx[...] = part / part.dtype.type(prod(input_shape[g.ndim - nd :]))
        return gx
    for axis in range(g.ndim - nd, g.ndim):
        o = part.shape[axis]
        if input_shape[axis] == o:
            continue
        shape = list(part.shape)
        shape[axis] = input_shape[axis]
        spread = np.zeros(shape, part.dtype)
        for i, (lo, hi) in enumerate(_bounds(input_shape[axis], o)):
            piece = part[_axis_slice(g.ndim, axis, slice(i, i + 1))]
            spread[_axis_slice(g.ndim, axis, slice(lo, hi))] += piece / part.dtype.type(hi - lo)
        part = spread
    return part.astype(g.dtype) if part is g or part.dtype != g.dtype else part


def adaptive_max_pool(x: np.ndarray, output_size: Ints) -> tuple[np.ndarray, np.ndarray]:
    """Return maxima and their int64 plane indices over ``output_size`` windows, as ``max_pool``."""
    nd = len(output_size)
    y, index = x, None
    for axis in reversed(range(x.ndim - nd, x.ndim)):
        step = prod(x.shape[axis + 1 :])
        values, places = [], []
        for lo, hi in _bounds(x.shape[axis], output_size[axis - x.ndim + nd]):
            window = y[_axis_slice(x.ndim, axis, slice(lo, hi))]
            best = _last_nan_or_argmax(window, axis)
            values.append(np.take_along_axis(window, best, axis))
            place = (best + lo) * step
            if index is not None:
                inner = index[_axis_slice(x.ndim, axis, slice(lo, hi))]
                place = place + np.take_along_axis(inner, best, axis)
            places.append(place)
        y, index = np.concatenate(values, axis=axis), np.concatenate(places, axis=axis)
    if index is None:
        raise ValueError("adaptive_max_pool needs at least one dimension")
    return y, index.astype(np.int64, copy=False)


def _last_nan_or_argmax(window: np.ndarray, axis: int) -> np.ndarray:
    best: np.ndarray = np.argmax(window, axis=axis, keepdims=True)
    if window.dtype.kind in "iub":
        return best
    nan = window != window  # true for NaN only
    if not nan.any():
        return best
    last = window.shape[axis] - 1 - np.argmax(np.flip(nan, axis), axis=axis, keepdims=True)
    place: np.ndarray = np.where(nan.any(axis=axis, keepdims=True), last, best)
    return place
