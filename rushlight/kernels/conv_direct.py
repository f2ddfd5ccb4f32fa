"""Direct convolution of float32 for few input channels: builtins with the least overhead."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from rushlight.codegen import builtin, cache
from rushlight.kernels import _context, _direct_ir, _emit

_TAPS = (3, 5)
_BLOCKS = (8, 7, 6, 5, 4)
# Products per result beyond which columns and BLAS are as fast.
_DEPTH = 300

_FORWARD = (
    "x: f32[n,c,h,w], f: f32[k,c,r,s], b: f32[k]?, p: int, q: int"
    " -> y: f32[n,k,h+2*p-r+1,w+2*q-s+1];"
    " call y, x, f, b, n, c, h, w, k, h+2*p-r+1, w+2*q-s+1, p, q;"
    " work n*k*c*h*w"
)
_INPUT = (
    "g: f32[n,k,a,b], f: f32[k,c,r,s], h: int, w: int, p: int, q: int -> x: f32[n,c,h,w];"
    " call x, g, f, 0, n, k, a, b, c, h, w, r-1-p, s-1-q;"
    " if a == h+2*p-r+1, b == w+2*q-s+1; work n*k*c*a*b"
)
_WEIGHT = (
    "g: f32[n,k,a,b], x: f32[n,c,h,w], r: int, s: int, p: int, q: int -> f: f32[k,c,r,s];"
    " call g, x, f, 0, n, c, h, w, k, a, b, p, q;"
    " if a == h+2*p-r+1, b == w+2*q-s+1; work n*k*c*a*b"
)


def block_of(channels: int) -> int:
    """Return how many of this number of output channels a task takes; 0 if none fits."""
    if channels < _BLOCKS[-1]:
        return channels
    return next((b for b in _BLOCKS if channels % b == 0), 0)


def applies(weight_shape: tuple[int, ...]) -> bool:
    """Return whether this path is the best for a stride-1 convolution with such a weight."""
    if len(weight_shape) != 4 or weight_shape[2] != weight_shape[3]:
        return False
    k, c, taps, _ = weight_shape
    small = c * taps * taps <= _DEPTH and k <= 128
    return taps in _TAPS and small and block_of(k) > 0 and block_of(c) > 0


@lru_cache(maxsize=1)
def _key() -> str:
    return f"{_context.width()} {cache.emitter_hash(_emit, _direct_ir)}"


def _load(export: str, variant: str, make_ir: Callable[[], str]) -> int:
    return cache.load(export, f"{variant} {_key()}", make_ir, [export])[export]


def forward(taps: int, channels: int, fallback: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``f(x, weight, bias, pad_h, pad_w)`` for weights of ``channels`` outputs."""
    block = block_of(channels)
    place = _load(
        "direct",
        f"{taps} {block}",
        lambda: _direct_ir.forward_ir(_context.width(), taps, block, False),
    )
    return builtin.builtin("conv_direct", _FORWARD, place, fallback)


def input_gradient(taps: int, channels: int, fallback: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``f(g, weight, h, w, pad_h, pad_w)`` for weights of ``channels`` inputs."""
    block = block_of(channels)
    place = _load(
        "direct",
        f"{taps} {block} flipped",
        lambda: _direct_ir.forward_ir(_context.width(), taps, block, True),
    )
    return builtin.builtin("conv_direct_input", _INPUT, place, fallback)


def weight_gradient(taps: int, channels: int, fallback: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``f(g, x, taps, taps, pad_h, pad_w)`` for weights of ``channels`` outputs."""
    block = block_of(channels)
    if taps == 5 and block > 5:
        block = next(b for b in (4, 3, 2, 1) if channels % b == 0)
    place = _load(
        "direct_gradient",
        f"{taps} {block}",
        lambda: _direct_ir.weight_gradient_ir(_context.width(), taps, block),
    )
    return builtin.builtin("conv_direct_weight", _WEIGHT, place, fallback)


def channel_sum(fallback: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``f(g)``, the sums of ``(N, K, H, W)`` over all but the channels."""
    if not _context.available():
        return fallback
    place = _load("channel_sum", "", lambda: _direct_ir.channel_sum_ir(_context.width()))
    signature = "g: f32[n,k,a,b] -> s: f32[k]; call s, g, n, k, a*b; work n*k*a*b"
    return builtin.builtin("conv_channel_sum", signature, place, fallback)
