"""Rearrangements: sliding windows as columns and back, pixel and channel shuffles."""

from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor
from rushlight.ops._primitive import Primitive, apply1
from rushlight.ops.shape import permute, reshape, squeeze, unsqueeze

Array = np.ndarray
Geometry = tuple[tuple[int, int], ...]  # kernel, dilation, padding, stride


def _counts(size: Any, geometry: Geometry) -> tuple[int, int]:
    kernel, dilation, padding, stride = geometry
    counts = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride)
    ]
    return counts[0], counts[1]


def _slices(tap: tuple[int, int], geometry: Geometry, counts: tuple[int, int]) -> Any:
    _, dilation, _, stride = geometry
    return tuple(
        [
            slice(t * d, t * d + s * (c - 1) + 1, s)
            for t, d, s, c in zip(tap, dilation, stride, counts)
        ]
    )


def _im2col(x: Array, size: Any, geometry: Geometry) -> Array:
    kernel, _, (ph, pw), _ = geometry
    counts = _counts(size, geometry)
    n, c = x.shape[:2]
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))) if ph or pw else x
    out = np.empty((n, c, *kernel, *counts), x.dtype)
    for tap in np.ndindex(*kernel):
        out[:, :, tap[0], tap[1]] = padded[(..., *_slices(tap, geometry, counts))]
    return out.reshape(n, c * kernel[0] * kernel[1], counts[0] * counts[1])


def _col2im(x: Array, size: Any, geometry: Geometry) -> Array:
    kernel, _, (ph, pw), _ = geometry
    counts = _counts(size, geometry)
    n, channels = x.shape[0], x.shape[1] // (kernel[0] * kernel[1])
    columns = x.reshape(n, channels, *kernel, *counts)
    kind = x.dtype
    wide = np.float32 if kind.itemsize <= 2 and kind.kind in "fV" else kind
    out = np.zeros((n, channels, size[0] + 2 * ph, size[1] + 2 * pw), wide)
    for tap in np.ndindex(*kernel):
        out[(..., *_slices(tap, geometry, counts))] += columns[:, :, tap[0], tap[1]]
    inside = out[:, :, ph : ph + size[0], pw : pw + size[1]]
    return np.ascontiguousarray(inside).astype(kind, copy=False)


IM2COL = Primitive(
    "im2col",
    _im2col,
    params=("size", "geometry"),
    vjp={"input": lambda g, size, geometry: apply1(COL2IM, g, size, geometry)},
    node_name="Im2ColBackward0",
)
COL2IM = Primitive(
    "col2im",
    _col2im,
    params=("size", "geometry"),
    vjp={"input": lambda g, size, geometry: apply1(IM2COL, g, size, geometry)},
    node_name="Col2ImBackward0",
)


def _pair(value: Any, name: str) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        if len(value) == 1:
            return int(value[0]), int(value[0])
        if len(value) != 2:
            raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(value)}")
        return int(value[0]), int(value[1])
    return int(value), int(value)


def _geometry(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Geometry:
    kernel = _pair(kernel_size, "kernel_size")
    spread = _pair(dilation, "dilation")
    around = _pair(padding, "padding")
    step = _pair(stride, "stride")
    for name, values in (("kernel size", kernel), ("dilation", spread), ("stride", step)):
        if min(values) <= 0:
            label = {"kernel size": "kernel", "dilation": "dilation", "stride": "stride"}[name]
            raise RuntimeError(
                f"{name} should be greater than zero, but got {label}_height: {values[0]} "
                f"{label}_width: {values[1]}"
            )
    if min(around) < 0:
        raise RuntimeError(
            f"padding should be non-negative, but got pad_height: {around[0]} pad_width: {around[1]}"
        )
    return kernel, spread, around, step


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The sliding windows of pictures as columns.

    Shape:
        - input: (N, C, H, W) or (C, H, W)
        - result: (N, C * kernel height * kernel width, number of windows)

    Examples::

        >>> torch.nn.functional.unfold(torch.arange(4.).view(1, 1, 2, 2), (1, 2))
        tensor([[[0., 2.],
                 [1., 3.]]])
    """
    geometry = _geometry(kernel_size, dilation, padding, stride)
    shape = input._array.shape
    if len(shape) not in (3, 4) or 0 in shape[len(shape) - 3 :]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    size = shape[-2:]
    counts = _counts(size, geometry)
    if min(counts) < 1:
        raise RuntimeError(
            f"Given input with spatial size ({size[0]}, {size[1]}), kernel_size={geometry[0]}, "
            f"dilation={geometry[1]}, padding={geometry[2]}, calculated shape of the array of "
            f"sliding blocks as ({counts[0]}, {counts[1]}), but its components must be at least "
            "one."
        )
    if len(shape) == 3:
        return squeeze(apply1(IM2COL, unsqueeze(input, 0), size, geometry), 0)
    return apply1(IM2COL, input, size, geometry)


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Pictures from columns of sliding windows, summed where they overlap.

    Shape:
        - input: (N, C * kernel height * kernel width, number of windows), or without N
        - result: (N, C, *output_size)
    """
    geometry = _geometry(kernel_size, dilation, padding, stride)
    size = _pair(output_size, "output_size")
    shape = input._array.shape
    if len(shape) not in (2, 3) or 0 in shape[len(shape) - 2 :]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(shape)}"
        )
    kernel = geometry[0]
    if shape[-2] % (kernel[0] * kernel[1]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={shape[-2]} and kernel_size=({kernel[0]}, {kernel[1]})."
        )
    counts = _counts(size, geometry)
    if shape[-1] != counts[0] * counts[1]:
        raise RuntimeError(
            f"Given output_size=({size[0]}, {size[1]}), kernel_size=({kernel[0]}, {kernel[1]}), "
            f"dilation=({geometry[1][0]}, {geometry[1][1]}), padding=({geometry[2][0]}, "
            f"{geometry[2][1]}), stride=({geometry[3][0]}, {geometry[3][1]}), expected size of "
            f"input's dimension 2 to match the calculated number of sliding blocks {counts[0]} * "
            f"{counts[1]} = {counts[0] * counts[1]}, but got input.size(2)={shape[-1]}."
        )
    if len(shape) == 2:
        return squeeze(apply1(COL2IM, unsqueeze(input, 0), size, geometry), 0)
    return apply1(COL2IM, input, size, geometry)


# shuffles ---------------------------------------------------------------------------------------


def _shuffle(x: Array, inner: tuple[int, ...], order: tuple[int, ...], shape: Any) -> Array:
    return np.ascontiguousarray(x.reshape(inner).transpose(order)).reshape(shape)


def _shuffle_rule(
    g: Tensor, input_shape: Any, inner: tuple[int, ...], order: tuple[int, ...]
) -> Tensor:
    between = tuple([inner[i] for i in order])
    back = tuple(np.argsort(order).tolist())
    return reshape(permute(reshape(g, between), back), input_shape)


SHUFFLES = {
    name: Primitive(
        name,
        _shuffle,
        params=("inner", "order", "shape"),
        vjp={"input": _shuffle_rule},
    )
    for name in ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle")
}


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r², H, W) rearranged to (*, C, H r, W r).

    Raises RuntimeError unless the channels are divisible by r².
    """
    shape, r = input._array.shape, upscale_factor
    if len(shape) < 3:
        raise RuntimeError(
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{len(shape)} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    if shape[-3] % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={shape[-3]} is not divisible by {r * r}"
        )
    lead, (c, h, w) = shape[:-3], shape[-3:]
    n = len(lead)
    inner = (*lead, c // (r * r), r, r, h, w)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return apply1(
        SHUFFLES["pixel_shuffle"], input, inner, order, (*lead, c // (r * r), h * r, w * r)
    )


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) rearranged to (*, C r², H, W), the inverse of :func:`pixel_shuffle`."""
    shape, r = input._array.shape, downscale_factor
    if len(shape) < 3:
        raise RuntimeError(
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
            f"{len(shape)} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    for name, dim in (("height", -2), ("width", -1)):
        if shape[dim] % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({dim})={shape[dim]} is not divisible by {r}"
            )
    lead, (c, h, w) = shape[:-3], shape[-3:]
    n = len(lead)
    inner = (*lead, c, h // r, r, w // r, r)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return apply1(
        SHUFFLES["pixel_unshuffle"], input, inner, order, (*lead, c * r * r, h // r, w // r)
    )


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of (N, C, *) dealt out anew: those of all groups alternate."""
    shape = input._array.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if shape[1] % groups:
        raise RuntimeError(
            "Number of channels must be divisible by groups. Got "
            f"{shape[1]} channels and {groups} groups."
        )
    inner = (shape[0], groups, shape[1] // groups, *shape[2:])
    order = (0, 2, 1, *range(3, len(shape) + 1))
    return apply1(SHUFFLES["channel_shuffle"], input, inner, order, shape)


native_channel_shuffle = channel_shuffle
