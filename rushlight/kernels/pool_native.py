"""Builtins of float32 pooling in one and two dimensions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache as remembered
from functools import partial
from math import prod
from typing import Any

import numpy as np

from rushlight.codegen import builtin, cache
from rushlight.kernels import _context, _emit, _pool_ir
from rushlight.kernels._geometry import Ints

Fast = Callable[..., Any]
_WINDOW = "kh: int, kw: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int"
_SIZES = "r, h, w, a, b, kh, kw, sh, sw, ph, pw, dh, dw"
_MAX = (
    f"x: f32[...r,h,w], a: int, b: int, {_WINDOW} -> y: f32[...r,a,b], i: i64[...r,a,b];"
    f" call y, i, x, {_SIZES}; work r*h*w"
)
_SCATTER = (
    "g: f32[...r,a,b], i: i64[...r,a,b], h: int, w: int -> x: f32[...r,h,w];"
    " call x, g, i, r, h*w, a*b; work r*h*w"
)
_AVERAGE = (
    f"x: f32[...r,h,w], d: f32[a,b], {_WINDOW} -> y: f32[...r,a,b];"
    f" call y, x, d, {_SIZES}; work r*h*w"
)
_SPREAD = (
    f"g: f32[...r,a,b], d: f32[a,b], h: int, w: int, {_WINDOW} -> x: f32[...r,h,w];"
    f" call g, x, d, {_SIZES}; work r*h*w"
)


def _builtin(name: str, signature: str, variant: str, make_ir: Callable[[], str]) -> Fast | None:
    if not _context.available():
        return None
    key = f"{variant} {_context.width()} {cache.emitter_hash(_emit, _pool_ir)}"
    place = cache.load(name, key, make_ir, [name])[name]
    return builtin.builtin(name, signature, place, _nothing)


def _nothing(*_: object) -> None:
    """Say that the builtin does not do what it was asked for."""


def _column_stride(stride: int) -> int:
    return stride if stride <= 2 else 0


@remembered
def _maximum(stride: int) -> Fast | None:
    make = partial(_pool_ir.max_ir, _context.width(), stride)
    return _builtin("max_pool", _MAX, str(stride), make)


@remembered
def _scatter() -> Fast | None:
    return _builtin("max_pool_backward", _SCATTER, "", _pool_ir.scatter_ir)


@remembered
def _average(stride: int) -> Fast | None:
    make = partial(_pool_ir.average_ir, _context.width(), stride)
    return _builtin("avg_pool", _AVERAGE, str(stride), make)


@remembered
def _spread() -> Fast | None:
    return _builtin("avg_pool_backward", _SPREAD, "", _pool_ir.average_gradient_ir)


def _window(kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    if len(kernel) == 1:
        return (1, *kernel, 1, *stride, 0, *padding, 1, *dilation)
    return (*kernel, *stride, *padding, *dilation)


def max_pool(
    x: np.ndarray, out: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return maxima and indices, or None."""
    native = _maximum(_column_stride(stride[-1]))
    if native is None:
        return None
    x = np.ascontiguousarray(x)
    window = _window(kernel, stride, padding, dilation)
    if len(kernel) == 2:
        both: tuple[np.ndarray, np.ndarray] | None = native(x, *out, *window)
        return both
    lead = x.shape[:-1]
    both = native(x.reshape(*lead, 1, x.shape[-1]), 1, *out, *window)
    return None if both is None else (both[0].reshape(lead + out), both[1].reshape(lead + out))


def max_pool_plan(
    out: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> tuple[Fast, Ints] | None:
    """Return what ``max_pool`` in two dimensions calls, and the numbers behind the array."""
    native = _maximum(_column_stride(stride[-1]))
    if native is None or len(kernel) != 2:
        return None
    return native, (*out, *_window(kernel, stride, padding, dilation))


def max_pool_backward(g: np.ndarray, index: np.ndarray, size: Ints) -> np.ndarray | None:
    """Return the gradient for an input with planes of ``size``, or None."""
    native = _scatter()
    if native is None or not prod(size):
        return None
    gx: np.ndarray | None
    if len(size) == 2:
        gx = native(g, index, *size)
        return gx
    lead = g.shape[: g.ndim - len(size)]
    flat = (*lead, 1, prod(g.shape[len(lead) :]))
    gx = native(g.reshape(flat), index.reshape(flat), 1, prod(size))
    return None if gx is None else gx.reshape(lead + size)


def avg_pool(
    x: np.ndarray, divisor: np.ndarray, kernel: Ints, stride: Ints, padding: Ints
) -> np.ndarray | None:
    """Return the sums of windows over ``divisor``, one number per result of a plane, or None."""
    native = _average(_column_stride(stride[-1]))
    if native is None:
        return None
    window = _window(kernel, stride, padding, (1,) * len(kernel))
    lead = x.shape[: x.ndim - len(kernel)]
    x = np.ascontiguousarray(x)
    y: np.ndarray | None
    if len(kernel) == 2:
        y = native(x, divisor, *window)
        return y
    y = native(x.reshape(*lead, 1, x.shape[-1]), divisor.reshape(1, -1), *window)
    return None if y is None else y.reshape(*lead, -1)


def avg_pool_backward(
    g: np.ndarray, divisor: np.ndarray, size: Ints, kernel: Ints, stride: Ints, padding: Ints
) -> np.ndarray | None:
    """Return the gradient for an input with planes of ``size``, or None."""
    native = _spread()
    if native is None:
        return None
    window = _window(kernel, stride, padding, (1,) * len(kernel))
    lead = g.shape[: g.ndim - len(kernel)]
    g = np.ascontiguousarray(g)
    gx: np.ndarray | None
    if len(kernel) == 2:
        gx = native(g, divisor, *size, *window)
        return gx
    gx = native(g.reshape(*lead, 1, g.shape[-1]), divisor.reshape(1, -1), 1, *size, *window)
    return None if gx is None else gx.reshape(lead + size)
