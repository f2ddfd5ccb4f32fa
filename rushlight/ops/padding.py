"""Padding with a constant, by reflection, by repetition and around the circle.

Padding gives, counted from the last dimension, how much to put before and after; a negative amount
cuts off.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor
from rushlight.ops._primitive import Primitive, apply1
from rushlight.ops._promote import to_scalar

Array = np.ndarray
Pairs = tuple[tuple[int, int], ...]  # (before, after) for every dimension


def _pad_constant(x: Array, pairs: Pairs, value: Any) -> Array:
    shape = tuple([n + lo + hi for n, (lo, hi) in zip(x.shape, pairs)])
    out = np.full(shape, value, x.dtype)
    source, target = [], []
    for n, (lo, hi) in zip(x.shape, pairs):
        source.append(slice(max(-lo, 0), n - max(-hi, 0)))
        target.append(slice(max(lo, 0), max(lo, 0) + n - max(-lo, 0) - max(-hi, 0)))
    out[tuple(target)] = x[tuple(source)]
    return out


def _pad_rule(g: Tensor, pairs: Pairs) -> Tensor:
    return apply1(PAD, g, tuple([(-lo, -hi) for lo, hi in pairs]), 0)


PAD = Primitive(
    "constant_pad_nd",
    _pad_constant,
    params=("pairs", "value"),
    vjp={"input": _pad_rule},
    node_name="ConstantPadNdBackward0",
)


def _all_pairs(pad: Sequence[int], ndim: int) -> Pairs:
    pairs = [(0, 0)] * ndim
    for i in range(len(pad) // 2):
        pairs[ndim - 1 - i] = (int(pad[2 * i]), int(pad[2 * i + 1]))
    return tuple(pairs)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """``input`` with ``value`` around it.

    Args:
        pad: (before, after) for the last dimension, then for the one before it, and so on.

    Raises RuntimeError for an odd number of amounts, or more than the dimensions take.
    """
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    shape = input._array.shape
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {len(shape)}"
        )
    pairs = _all_pairs(pad, len(shape))
    for i, (n, (lo, hi)) in enumerate(zip(shape, pairs)):
        if n + min(lo, 0) < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        if n + lo + hi < 0:
            raise RuntimeError(
                f"The input size {n}, plus negative padding {lo} and {hi} resulted in a negative "
                f"output size, which is invalid. Check dimension {i} of your input."
            )
    return apply1(PAD, input, pairs, to_scalar(value, input.dtype))


# by elements of the input -------------------------------------------------------------------------


def _positions(n: int, lo: int, hi: int, mode: str) -> Array:
    """Which element of a dimension of size ``n`` each place of the result takes."""
    at = np.arange(-lo, n + hi)
    if mode == "reflect":
        at = np.abs(at)
        return np.where(at >= n, 2 * (n - 1) - at, at)
    if mode == "replicate":
        return np.clip(at, 0, n - 1)
    first, kept = max(-lo, 0), n - max(-lo, 0) - max(-hi, 0)  # what negative amounts leave
    return first + np.arange(-max(lo, 0), kept + max(hi, 0)) % kept


def _take(x: Array, pairs: Pairs, mode: str) -> Array:
    for axis, (n, (lo, hi)) in enumerate(zip(x.shape, pairs)):
        if lo or hi:
            x = np.take(x, _positions(n, lo, hi, mode), axis=axis)
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


def _add_back(g: Array, shape: tuple[int, ...], pairs: Pairs, mode: str) -> Array:
    kind = g.dtype
    if kind.itemsize <= 2:
        g = g.astype(np.float32)
    for axis, (n, (lo, hi)) in enumerate(zip(shape, pairs)):
        if lo or hi:
            out = np.zeros((*g.shape[:axis], n, *g.shape[axis + 1 :]), g.dtype)
            np.add.at(
                np.moveaxis(out, axis, 0), _positions(n, lo, hi, mode), np.moveaxis(g, axis, 0)
            )
            g = out
    return g.astype(kind, copy=False)


def _pad_pair(mode: str, name: str, node_name: str) -> Primitive:
    """The primitive that pads by ``mode``; its adjoint, which adds the padding back, comes with it."""
    adjoint = Primitive(
        f"{name}_backward",
        lambda g, shape, pairs: _add_back(g, shape, pairs, mode),
        params=("shape", "pairs"),
        vjp={"input": lambda h, pairs: apply1(primitive, h, pairs)},
    )
    primitive = Primitive(
        name,
        lambda x, pairs: _take(x, pairs, mode),
        params=("pairs",),
        vjp={"input": lambda g, input_shape, pairs: apply1(adjoint, g, input_shape, pairs)},
        node_name=node_name,
    )
    return primitive


REFLECT = {
    n: _pad_pair("reflect", f"reflection_pad{n}d", f"ReflectionPad{n}DBackward0") for n in (1, 2, 3)
}
REPLICATE = {
    n: _pad_pair("replicate", f"replication_pad{n}d", f"ReplicationPad{n}DBackward0")
    for n in (1, 2, 3)
}
CIRCULAR = _pad_pair("circular", "circular_pad", "CircularPadBackward0")
_MODES: dict[str, Any] = {"reflect": REFLECT, "replicate": REPLICATE}


def _check_spatial(input: Tensor, pad: Sequence[int], mode: str) -> None:
    shape = input._array.shape
    nd = len(pad) // 2
    if len(shape) not in (nd + 1, nd + 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {len(shape)}D input tensor."
        )
    for i in range(nd):
        n, (lo, hi) = shape[-1 - i], (pad[2 * i], pad[2 * i + 1])
        dim = len(shape) - 1 - i
        if mode == "reflect" and (lo >= n or hi >= n):
            number = 4 + 2 * i
            raise RuntimeError(
                f"Argument #{number}: Padding size should be less than the corresponding input "
                f"dimension, but got: padding ({lo}, {hi}) at dimension {dim} of input {list(shape)}"
            )
        if mode == "circular" and (lo > n or hi > n):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if n == 0:
            raise RuntimeError(
                f"Expected {nd + 1}D or {nd + 2}D (batch mode) tensor with possibly 0 batch size and "
                f"other non-zero dimensions for input, but got: {list(shape)}"
            )
        if n + lo + hi < 1:
            raise RuntimeError(
                f"input (H: {n}) is too small. Calculated output H: {n + lo + hi}"
                if nd > 1
                else f"input (W: {n}) is too small. Calculated output W: {n + lo + hi}"
            )


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """``input`` with something around it.

    Args:
        pad: (before, after) for the last dimension, then for the one before it, and so on; negative
            amounts cut off.
        mode: "constant", "reflect" (without the edge), "replicate" (the edge), or "circular".
        value: for "constant" (default 0).

    Shape:
        - with a mode other than "constant": the last n of n + 1 or n + 2 dimensions, n up to 3

    Examples::

        >>> torch.nn.functional.pad(torch.tensor([[1, 2, 3]]), (1, 2), mode="circular")
        tensor([[3, 1, 2, 3, 1, 2]])
    """
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    ndim = input._array.ndim
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {ndim}"
        )
    pad = [int(p) for p in pad]
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    nd = len(pad) // 2
    if not 1 <= nd <= 3:
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now"
        )
    _check_spatial(input, pad, mode)
    primitive = CIRCULAR if mode == "circular" else _MODES[mode][nd]
    return apply1(primitive, input, _all_pairs(pad, ndim))
