"""Resampling to another size: nearest, linear, cubic, with or without antialiasing.

Every mode is a linear map along each dimension. For each place of the result it has a number of
taps, elements of the input and their weights. The gradient is the adjoint map.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.tensor import Tensor
from rushlight.ops._primitive import Primitive, apply1

Array = np.ndarray
Taps = tuple[Array, Array]  # which elements (out, taps), and their weights (out, taps)
_TAPS = {"nearest": 1, "nearest-exact": 1, "linear": 2, "cubic": 4, "lanczos": 6}


def _scale(size: int, out: int, align: bool, factor: float | None, kind: Any) -> Any:
    """How far apart, in the input, neighbouring places of the result lie."""
    if align:
        return kind((size - 1) / (out - 1)) if out > 1 else kind(0)
    if factor is not None and factor > 0:
        return kind(1.0 / factor)
    return kind(size) / kind(out)


def _cubic(t: Array, a: float) -> Array:
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((t - 5) * t + 8) * t * a - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _lanczos(t: Array) -> Array:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)


_FILTERS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda t: np.maximum(1 - np.abs(t), 0),
    "cubic": lambda t: _cubic(t, -0.5),
    "lanczos": _lanczos,
}


def _antialiased(size: int, out: int, scale: float, mode: str, kind: Any) -> Taps:
    width = _TAPS[mode]
    support = width * 0.5 * scale if scale >= 1 else width * 0.5
    inverse = 1 / scale if scale >= 1 else 1.0
    center = scale * (np.arange(out) + 0.5)
    low = np.maximum((center - support + 0.5).astype(np.int64), 0)
    high = np.minimum((center + support + 0.5).astype(np.int64), size)
    taps = max(int((high - low).max()), 1)
    index = low[:, None] + np.arange(taps)
    weight = _FILTERS[mode]((index - center[:, None] + 0.5) * inverse)
    weight = np.where(index < high[:, None], weight, 0)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.minimum(index, size - 1), weight.astype(kind)


@lru_cache(maxsize=256)
def _taps(
    size: int, out: int, mode: str, align: bool, factor: float | None, antialias: bool, wide: bool
) -> Taps:
    """The taps along one dimension. ``wide``: computed in float64, else in float32."""
    kind = np.float64 if wide and not mode.startswith("nearest") else np.float32
    scale = _scale(size, out, align, factor, kind)
    if antialias:
        return _antialiased(size, out, float(scale), mode, kind)
    place = np.arange(out, dtype=kind)
    if mode == "nearest":
        index = np.minimum((place * scale).astype(np.int64), size - 1)[:, None]
        return index, np.ones((out, 1), kind)
    if mode == "nearest-exact":
        index = np.minimum(((place + kind(0.5)) * scale).astype(np.int64), size - 1)[:, None]
        return index, np.ones((out, 1), kind)
    at = place * scale if align else (place + kind(0.5)) * scale - kind(0.5)
    if mode == "linear":
        at = np.maximum(at, 0)
        first = np.minimum(at.astype(np.int64), size - 1)
        second = np.minimum(first + 1, size - 1)
        part = np.clip(at - first.astype(kind), 0, 1).astype(kind)
        return np.stack((first, second), 1), np.stack((1 - part, part), 1).astype(kind)
    first = np.floor(at)
    part = np.clip(at - first, 0, 1).astype(kind)
    index = first.astype(np.int64)[:, None] + np.arange(-1, 3)
    weight = _cubic(part[:, None] - np.arange(-1, 3, dtype=kind), -0.75)
    return np.clip(index, 0, size - 1), weight.astype(kind)


def _forward(x: Array, size: tuple[int, ...], settings: tuple[Any, ...]) -> Array:
    mode, align, factors, antialias = settings
    kind = x.dtype
    integer = kind.kind == "u"
    y = x.astype(np.float32) if kind.itemsize <= 2 and not mode.startswith("nearest") else x
    nd = len(size)
    axes: Any = range(x.ndim - nd, x.ndim)
    if antialias:
        axes = reversed(axes)
    for axis in axes:
        i = axis - (x.ndim - nd)
        index, weight = _taps(
            x.shape[axis], size[i], mode, align, factors[i], antialias, kind == np.float64
        )
        if index.shape[1] == 1:
            y = np.take(y, index[:, 0], axis=axis)
            continue
        shape = [1] * x.ndim
        shape[axis] = size[i]
        total: Any = None
        for t in range(index.shape[1]):
            part = np.take(y, index[:, t], axis=axis) * weight[:, t].reshape(shape)
            total = part if total is None else total + part
        y = total
        if integer and antialias:
            y = np.clip(np.rint(y), 0, 255)
    if integer and y.dtype != kind:
        y = np.clip(np.rint(y), 0, 255)
    return np.ascontiguousarray(y.astype(kind, copy=False))


def _adjoint(g: Array, shape: tuple[int, ...], settings: tuple[Any, ...]) -> Array:
    mode, align, factors, antialias = settings
    kind = g.dtype
    y = g.astype(np.float32) if kind.itemsize <= 2 else g
    nd = len(factors)
    for i in range(nd):
        axis = g.ndim - nd + i
        size, out = shape[axis], g.shape[axis]
        index, weight = _taps(size, out, mode, align, factors[i], antialias, kind == np.float64)
        matrix = np.zeros((out, size), y.dtype)
        for t in range(index.shape[1]):
            np.add.at(matrix, (np.arange(out), index[:, t]), weight[:, t])
        y = np.moveaxis(np.matmul(np.moveaxis(y, axis, -1), matrix), -1, axis)
    return np.ascontiguousarray(y.astype(kind, copy=False))


def _pair(name: str, node: str) -> Primitive:
    """The primitive called ``name`` in PyTorch, and its adjoint."""
    adjoint = Primitive(
        f"{name}_backward",
        lambda g, shape, size, settings: _adjoint(g, shape, settings),
        params=("shape", "size", "settings"),
        vjp={"input": lambda h, size, settings: apply1(primitive, h, size, settings)},
    )
    primitive = Primitive(
        name,
        _forward,
        params=("size", "settings"),
        vjp={
            "input": lambda g, input_shape, size, settings: apply1(
                adjoint, g, input_shape, size, settings
            )
        },
        node_name=node,
    )
    return primitive


UPSAMPLE: dict[tuple[str, bool, int], Primitive] = {
    ("linear", False, 1): _pair("upsample_linear1d", "UpsampleLinear1DBackward0"),
    ("linear", False, 2): _pair("upsample_bilinear2d", "UpsampleBilinear2DBackward0"),
    ("linear", False, 3): _pair("upsample_trilinear3d", "UpsampleTrilinear3DBackward0"),
    ("cubic", False, 2): _pair("upsample_bicubic2d", "UpsampleBicubic2DBackward0"),
    ("linear", True, 2): _pair("upsample_bilinear2d_aa", "UpsampleBilinear2DAaBackward0"),
    ("cubic", True, 2): _pair("upsample_bicubic2d_aa", "UpsampleBicubic2DAaBackward0"),
    ("lanczos", True, 2): _pair("upsample_lanczos2d_aa", "UpsampleLanczos2DAaBackward0"),
}
for _n in (1, 2, 3):
    UPSAMPLE["nearest", False, _n] = _pair(
        f"upsample_nearest{_n}d", f"UpsampleNearest{_n}DBackward0"
    )
    UPSAMPLE["nearest-exact", False, _n] = _pair(
        f"upsample_nearest_exact{_n}d", f"UpsampleNearestExact{_n}DBackward0"
    )


def upsample_to(
    input: Tensor,
    mode: str,
    size: Sequence[int] | None,
    factors: Sequence[float] | None,
    align_corners: bool = False,
    antialias: bool = False,
) -> Tensor:
    """``input`` (N, C, *) resampled along its last dimensions.

    Args:
        mode: "nearest", "nearest-exact", "linear", "cubic" or "lanczos".
        size: of the result, or None if ``factors`` give it.
        factors: by which the sizes are multiplied; they also set the distance of the samples.
    """
    shape = input._array.shape
    nd = len(shape) - 2
    if size is None:
        size = [int(n * f) for n, f in zip(shape[2:], factors or ())]
    size = tuple([int(n) for n in size])
    scales = tuple([None if factors is None else float(factors[i]) for i in range(nd)])
    if any(n <= 0 for n in (*size, *shape[2:])):
        names = ("(W: {})", "(H: {}, W: {})", "(D: {}, H: {}, W: {})")[nd - 1]
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{names.format(*shape[2:])} output {names.format(*size)}"
        )
    if 0 in shape[1:]:
        raise RuntimeError(
            f"Non-empty {nd + 2}D data tensor expected but got a tensor with sizes {list(shape)}"
        )
    kind = input._array.dtype
    if kind.kind in "ibc" or (kind.kind == "u" and kind.itemsize != 1):
        kernel = f"upsample_{mode.replace('-', '_')}{nd}d_out_frame"
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    settings = (mode, bool(align_corners), scales, bool(antialias))
    return apply1(UPSAMPLE[mode, bool(antialias), nd], input, size, settings)
