"""Convolution in three dimensions by way of two: slices in depth become input channels.

Each slice of the result reads as many slices of the input as the kernel is deep; laid out as
channels they make a 2-d convolution whose weight is the 3-d weight, reshaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from rushlight.kernels._geometry import Ints, Padding, padding_pairs

# Bytes of slices that are laid out at a time; a larger batch is worked through in pieces.
_SLICE_BYTES = 64 << 20
Convolution = Callable[..., np.ndarray]


class Volume:
    """The depth of a 3-d convolution, and the geometry of its slices.

    Args:
        shape: of the input, ``(N, C, D, H, W)``.
        weight_shape: ``(K, C // groups, depth, height, width)``.
        deep: slices of the result.
    """

    def __init__(
        self, shape: Ints, weight_shape: Ints, deep: int, stride: Ints, padding: Padding,
        dilation: Ints, groups: int,
    ) -> None:  # fmt: skip
        self.shape, self.deep, self.taps = shape, deep, weight_shape[2]
        self.step, self.apart = stride[0], dilation[0]
        self.before, self.after = padding_pairs(padding)[0]
        self.slices = (shape[1] * self.taps, *shape[3:])
        self.weight_shape = (weight_shape[0], weight_shape[1] * self.taps, *weight_shape[3:])
        self.geometry = (stride[1:], padding[1:], dilation[1:], groups)

    def pieces(self) -> Iterator[slice]:
        """Return parts of the batch whose slices fit into the memory allowed."""
        n, c, _, h, w = self.shape
        piece = max(1, _SLICE_BYTES // max(4 * self.deep * c * self.taps * h * w, 1))
        return (slice(i, min(n, i + piece)) for i in range(0, n, piece))

    def laid_out(self, x: np.ndarray) -> np.ndarray:
        """Return ``(N * deep, C * taps, H, W)``: the slices that each slice of the result reads."""
        n, c, d, h, w = x.shape
        out = np.zeros((n, self.deep, c, self.taps, h, w), x.dtype)
        for tap in range(self.taps):
            into, source = self._span(tap, d)
            out[:, into, :, tap] = x[:, :, source].swapaxes(1, 2)
        return out.reshape(n * self.deep, *self.slices)

    def gathered(self, slices: np.ndarray, n: int) -> np.ndarray:
        """Return ``(N, C, D, H, W)``: the sums of what was laid out from each place."""
        _, c, d, h, w = self.shape
        parts = slices.reshape(n, self.deep, c, self.taps, h, w)
        out = np.zeros((n, c, d, h, w), slices.dtype)
        for tap in range(self.taps):
            source, into = self._span(tap, d)
            out[:, :, into] += parts[:, source, :, tap].swapaxes(1, 2)
        return out

    def _span(self, tap: int, size: int) -> tuple[slice, slice]:
        """Return the slices of the result that read inside at this tap, and what they read."""
        offset = tap * self.apart - self.before
        first = max(0, -(offset // self.step))
        stop = min(self.deep, max(first, (size - 1 - offset) // self.step + 1))
        begin = first * self.step + offset
        end = begin + (stop - first - 1) * self.step + 1 if stop > first else begin
        return slice(first, stop), slice(begin, end, self.step)


def _flat(g: np.ndarray) -> np.ndarray:
    """Return ``(N * deep, K, H, W)`` of ``(N, K, deep, H, W)``."""
    n, k, d, h, w = g.shape
    return np.ascontiguousarray(g.swapaxes(1, 2)).reshape(n * d, k, h, w)


def forward(
    conv: Convolution, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, out: Ints,
    volume: Volume,
) -> np.ndarray:  # fmt: skip
    """Return the convolution; ``conv`` is the 2-d one."""
    y = np.empty((x.shape[0], w.shape[0], *out), x.dtype)
    flat = np.ascontiguousarray(w).reshape(volume.weight_shape)
    for part in volume.pieces():
        slices = conv(volume.laid_out(x[part]), flat, bias, *volume.geometry)
        y[part] = slices.reshape(-1, out[0], w.shape[0], *out[1:]).swapaxes(1, 2)
    return y


def input_gradient(conv: Convolution, g: np.ndarray, w: np.ndarray, volume: Volume) -> np.ndarray:
    """Return the gradient for the input; ``conv`` is the 2-d one."""
    gx = np.empty(volume.shape, g.dtype)
    flat = np.ascontiguousarray(w).reshape(volume.weight_shape)
    for part in volume.pieces():
        some = _flat(g[part])
        slices = conv(some, flat, (len(some), *volume.slices), *volume.geometry)
        gx[part] = volume.gathered(slices, part.stop - part.start)
    return gx


def weight_gradient(
    conv: Convolution, g: np.ndarray, x: np.ndarray, weight_shape: Ints, volume: Volume
) -> np.ndarray:
    """Return the gradient for the weight; ``conv`` is the 2-d one."""
    gw = np.zeros(volume.weight_shape, g.dtype)
    for part in volume.pieces():
        slices = volume.laid_out(x[part])
        gw += conv(_flat(g[part]), slices, volume.weight_shape, *volume.geometry)
    return gw.reshape(weight_shape)
