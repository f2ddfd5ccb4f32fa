"""Winograd convolution of float32: 3x3 and 5x5 windows, stride 1, forward and input gradient."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from threading import Lock

import numpy as np

from rushlight.codegen import cache
from rushlight.kernels import _columns_ir, _context, _emit, _winograd_gradient_ir, _winograd_ir
from rushlight.kernels._winograd_ir import POINTS, SKEW
from rushlight.runtime import threads

Pair = tuple[int, int]
# Tiles of a block whose transforms one thread keeps in its caches.
_BLOCK_TILES = 48
# Floats of transformed inputs and gradients that a chunk of the weight's gradient holds.
_CHUNK_FLOATS = 4 << 20
# Weights whose fingerprints are remembered, and bytes of transformed ones that are kept.
_KNOWN_WEIGHTS = 256
_KNOWN_BYTES = 1 << 30


def applies(channels: int, out_channels: int, kernel: tuple[int, ...], tiles: int) -> bool:
    """Return whether this path can do a stride-1 convolution, and is worth it."""
    lanes = _context.width()
    if kernel not in ((3, 3), (5, 5)) or not _context.available():
        return False
    return channels % lanes == 0 and out_channels % (2 * lanes) == 0 and tiles > 0


@lru_cache(maxsize=1)
def _key() -> str:
    return f"{_context.width()} {cache.emitter_hash(_emit, _columns_ir, _winograd_ir, _winograd_gradient_ir)}"


def transformed_weight(w: np.ndarray, flipped: bool) -> np.ndarray:
    """Return U of a contiguous weight, flipped with its channels exchanged for the gradient."""
    k, c, taps, _ = w.shape
    panel = 2 * _context.width()
    sk, sc, st, start = c * taps * taps, taps * taps, 1, _context.address(w)
    if flipped:
        k, c, sk, sc, st = c, k, sc, sk, -1
        start += 4 * (taps * taps - 1)
    u = _context.take(POINTS * k * c)
    call = _context.function(
        "weights",
        f"{taps} {_key()}",
        lambda: _winograd_ir.weight_ir(taps, panel),
    )
    call(_context.context((start, _context.address(u), c, k, sk, sc, st)))
    return u


class _Known:
    """A weight seen before: its fingerprint, and once it was seen unchanged, its U."""

    __slots__ = ("mark", "u")

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.u: np.ndarray | None = None


_known: OrderedDict[tuple[object, ...], _Known] = OrderedDict()
_lock = Lock()


def clear() -> None:
    """Forget all transformed weights."""
    with _lock:
        _known.clear()


def fingerprint(w: np.ndarray) -> bytes:
    """Return what tells a contiguous weight's values from others at the same address."""
    width = _context.width()
    mark = np.empty(_winograd_gradient_ir.SEGMENTS * 4 * width, np.int32)
    segment = -(-w.size // (_winograd_gradient_ir.SEGMENTS * 64)) * 64
    call = _context.function(
        "fingerprint", _key(), lambda: _winograd_gradient_ir.fingerprint_ir(width)
    )
    call(_context.context((_context.address(w), _context.address(mark), w.size, segment)))
    return mark.tobytes()


def _keep(_: np.ndarray) -> None:
    """Leave a cached U where it is."""


def weight(w: np.ndarray, flipped: bool) -> tuple[np.ndarray, Callable[[np.ndarray], None]]:
    """Return U of a contiguous weight, and what to call with it after use.

    A weight that is met unchanged a second time keeps its U; one that changes between calls, as
    in training, never takes the memory.
    """
    place = (_context.address(w), w.shape, flipped)
    mark = fingerprint(w)
    with _lock:
        known = _known.get(place)
        same = known is not None and known.mark == mark
        if known is not None and same and known.u is not None:
            _known.move_to_end(place)
            return known.u, _keep
    u = transformed_weight(w, flipped)
    with _lock:
        fresh = _known[place] = _Known(mark)
        _known.move_to_end(place)
        if not same:
            while len(_known) > _KNOWN_WEIGHTS:
                _known.popitem(last=False)
            return u, _context.give
        fresh.u = u
        total = sum(k.u.nbytes for k in _known.values() if k.u is not None)
        while total > _KNOWN_BYTES and len(_known) > 1:
            old = _known.popitem(last=False)[1]
            total -= 0 if old.u is None else old.u.nbytes
    return u, _keep


def _rows_at_once(tiles: int) -> int:
    """Return how many tiles a turn of the product takes, so that few turns are half empty."""
    if _context.width() == 8:
        return 6
    return min((12, 10, 8), key=lambda r: (-(-tiles // r) * r) * (1 + 0.6 / r))


def convolve(
    x: np.ndarray,
    u: np.ndarray,
    out_channels: int,
    bias: np.ndarray | None,
    taps: int,
    before: Pair,
    out: Pair,
    mode: str = "",
    block: int = 0,
) -> np.ndarray:
    """Return the stride-1 convolution of contiguous ``x`` with transformed weights.

    Args:
        before: zeros before the first row and column.
        out: spatial size of the result.
    """
    n, c, h, w = x.shape
    m = 4 if taps == 3 else 2
    y = np.empty((n, out_channels, *out), np.float32)
    th, tw = -(-out[0] // m), -(-out[1] // m)
    tiles = n * th * tw
    workers = threads.get_num_threads()
    staged = (mode == "staged") if mode else tiles < 400 and tiles * c * POINTS < 1 << 23
    if staged:
        rows = _rows_at_once(tiles)
        areas, size = 1, -(-tiles // rows) * rows
    else:
        size = block or _BLOCK_TILES
        rows = _rows_at_once(size)
        size = -(-size // rows) * rows
        areas = workers
    scratch = _context.take(areas * (size * (c + out_channels) + 2 * SKEW) * POINTS)
    if bias is None:
        bias = np.zeros(out_channels, np.float32)
    claim = np.array([(1 << min(areas, 62)) - 1], np.int64)
    name = "staged" if staged else "blocks"
    call = _context.function(
        name,
        f"{m} {rows} {_key()}",
        lambda: _winograd_ir.convolution_ir(_context.width(), m, rows, name),
    )
    a = _context.address
    call(
        _context.context(
            (
                *(a(x), a(u), a(y), a(bias), a(scratch), a(claim)),
                *(c, out_channels, h, w, *out, *before, th, tw, tiles, size),
            )
        )
    )
    _context.give(scratch)
    return y


def weight_gradient(g: np.ndarray, x: np.ndarray, taps: int, before: Pair) -> np.ndarray:
    """Return the gradient of a stride-1 convolution's weight, from contiguous arrays.

    Args:
        g: gradient of the result.
        before: zeros before the first row and column of ``x``.
    """
    n, c, h, w = x.shape
    k, out = g.shape[1], g.shape[2:]
    m = 7 - taps
    th, tw = -(-out[0] // m), -(-out[1] // m)
    tiles = n * th * tw
    size = min(tiles, max(64, _CHUNK_FLOATS // (POINTS * (c + k))))
    size = -(-tiles // -(-tiles // size))
    scratch = _context.take((size * (c + k) + 2 * SKEW) * POINTS)
    sums = _context.take(POINTS * k * c)
    gw = np.empty((k, c, taps, taps), np.float32)
    call = _context.function(
        "winograd_weight_gradient",
        f"{taps} {_key()}",
        lambda: _winograd_gradient_ir.weight_gradient_ir(_context.width(), taps),
    )
    a = _context.address
    call(
        _context.context(
            (
                *(a(x), a(sums), a(g), a(gw), a(scratch), 0),
                *(c, k, h, w, *out, *before, th, tw, tiles, size, 0, 0),
            )
        )
    )
    _context.give(scratch)
    _context.give(sums)
    return gw
