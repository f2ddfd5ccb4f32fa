"""Sizes of windows: padding in pairs, the spatial size of a convolution's result."""

from __future__ import annotations

Ints = tuple[int, ...]
Padding = tuple[int | tuple[int, int], ...]


def padding_pairs(padding: Padding) -> tuple[tuple[int, int], ...]:
    """Return ``padding`` as (before, after) pairs, one per dimension."""
    return tuple((p, p) if isinstance(p, int) else p for p in padding)


def conv_output_size(
    size: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> Ints:
    """Return the spatial size of a convolution's result."""
    return tuple(
        (n + lo + hi - d * (k - 1) - 1) // s + 1
        for n, k, s, (lo, hi), d in zip(size, kernel, stride, padding_pairs(padding), dilation)
    )
