"""Pooling to a given size, pooling over random windows, and the inverse of max pooling."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.tensor import Tensor
from rushlight.kernels import pool as kernels
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply, apply1, apply2
from rushlight.ops.pooling import GATHER_PLANE, SCATTER_PLANE, choice_primitive, window_numbers
from rushlight.ops.reduction import mean
from rushlight.ops.shape import squeeze, unsqueeze

Array = np.ndarray


def _sizes(name: str, output_size: Any, shape: tuple[int, ...], nd: int) -> tuple[int, ...]:
    """``output_size`` with None replaced by the input's size."""
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != nd:
            if len(output_size) == 1:
                output_size = tuple(output_size) * nd
            elif len(shape) <= len(output_size):
                raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
            else:
                raise RuntimeError(f"{name}: internal error: output_size.size() must be {nd}")
        given = list(output_size)
    else:
        given = [output_size] * nd
    return tuple([n if o is None else int(o) for o, n in zip(given, shape[len(shape) - nd :])])


def _check(name: str, shape: tuple[int, ...], nd: int, colon: str = "") -> None:
    if len(shape) not in (nd + 1, nd + 2):
        raise RuntimeError(
            f"{name}(): Expected {nd + 1}D or {nd + 2}D tensor, but got{colon} {list(shape)}"
        )
    for i in range(len(shape) - nd, len(shape)):
        if shape[i] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"input has sizes {list(shape)} with dimension {i} being empty"
            )


def _kind(kernel: str, input: Tensor, allowed: str = "f") -> None:
    kind = input._array.dtype.kind
    if kind in "iubc" and kind not in allowed:
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )


# averages ---------------------------------------------------------------------------------------


def _adaptive_avg(nd: int) -> Primitive:
    adjoint = Primitive(
        f"adaptive_avg_pool{nd}d_backward",
        lambda g, shape: kernels.adaptive_avg_pool_backward(g, shape, nd),
        params=("shape",),
        vjp={"input": lambda h, input_shape: apply1(primitive, h, input_shape[-nd:])},
    )
    primitive = Primitive(
        f"adaptive_avg_pool{nd}d",
        lambda x, size: kernels.adaptive_avg_pool(x, size),
        params=("size",),
        vjp={"input": lambda g, input_shape: apply1(adjoint, g, input_shape)},
        node_name=f"AdaptiveAvgPool{nd}DBackward0",
    )
    return primitive


ADAPTIVE_AVG = {2: _adaptive_avg(2), 3: _adaptive_avg(3)}


def _adaptive_avg_nd(nd: int, input: Tensor, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{nd}d"
    shape = input._array.shape
    if nd == 2 and len(shape) <= nd and isinstance(output_size, (list, tuple)):
        raise ValueError(f"Input dimension should be at least {nd + 1}")
    size = _sizes(name, output_size, shape, nd)
    if any(o < 0 for o in size):
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{', '.join(map(str, size))}}}"
        )
    _check(name, shape, nd)
    _kind(f"adaptive_avg_pool{nd}d_cpu" if nd == 3 else "adaptive_avg_pool2d", input)
    if all(o == 1 for o in size):
        return mean(input, tuple(range(-nd, 0)), True)
    return apply1(ADAPTIVE_AVG[nd], input, size)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of ``output_size`` windows that share out the last dimension."""
    ndim = input._array.ndim
    if ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {ndim}-dimensional tensor for argument #1 "
            "'self' (while checking arguments for adaptive_avg_pool1d)"
        )
    size = _sizes("adaptive_avg_pool1d", output_size, input._array.shape, 1)
    return squeeze(_adaptive_avg_nd(2, unsqueeze(input, -2), (1, *size)), -2)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of windows that share out the last two dimensions.

    Args:
        output_size: the size of the result, one int or one for each dimension; None keeps it.

    Examples::

        >>> torch.nn.functional.adaptive_avg_pool2d(torch.tensor([[[1., 2.], [3., 4.]]]), 1)
        tensor([[[2.5000]]])
    """
    return _adaptive_avg_nd(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The means of windows that share out the last three dimensions."""
    return _adaptive_avg_nd(3, input, output_size)


# maxima -----------------------------------------------------------------------------------------

ADAPTIVE_MAX = {
    nd: choice_primitive(
        f"adaptive_max_pool{nd}d",
        lambda x, size, nd: kernels.adaptive_max_pool(x, size),
        f"AdaptiveMaxPool{nd}DBackward0",
        ("size", "nd"),
    )
    for nd in (2, 3)
}


def _adaptive_max_nd(nd: int, input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    name = f"adaptive_max_pool{nd}d"
    shape = input._array.shape
    if isinstance(output_size, (tuple, list)) and len(output_size) not in (1, nd):
        raise RuntimeError(f"{name}(): internal error: output_size.size() must be {nd}")
    size = _sizes(name, output_size, shape, nd)
    _check(name, shape, nd, ":")
    _kind(f"adaptive_max_pool{nd}d", input)
    return apply(ADAPTIVE_MAX[nd], (input,), size, nd)  # type: ignore[no-any-return]


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """As :func:`adaptive_max_pool1d`; also returns the positions of the maxima."""
    ndim = input._array.ndim
    if ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {ndim}-dimensional tensor for argument #1 "
            "'self' (while checking arguments for adaptive_max_pool1d)"
        )
    size = _sizes("adaptive_max_pool1d", output_size, input._array.shape, 1)
    y, index = _adaptive_max_nd(2, unsqueeze(input, -2), (1, *size))
    return squeeze(y, -2), squeeze(index, -2)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """As :func:`adaptive_max_pool2d`; also returns the positions of the maxima."""
    return _adaptive_max_nd(2, input, output_size)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """As :func:`adaptive_max_pool3d`; also returns the positions of the maxima."""
    return _adaptive_max_nd(3, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of ``output_size`` windows that share out the last dimension."""
    both = adaptive_max_pool1d_with_indices(input, output_size)
    return both if return_indices else both[0]


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of windows that share out the last two dimensions."""
    both = _adaptive_max_nd(2, input, output_size)
    return both if return_indices else both[0]


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of windows that share out the last three dimensions."""
    both = _adaptive_max_nd(3, input, output_size)
    return both if return_indices else both[0]


# fractional -------------------------------------------------------------------------------------


def _starts(sample: Any, size: int, out: int, window: int) -> list[int]:
    """The first element of each window along one dimension, from a random number in [0, 1)."""
    starts = []
    if out > 1:
        step = sample.dtype.type((size - window) / sample.dtype.type(out - 1))
        starts = [int((i + sample) * step) - int(sample * step) for i in range(out - 1)]
    return [*starts, size - window]


def _fractional(x: Array, samples: Array, kernel: Any, size: Any, nd: int) -> Any:
    lead = x.shape[: x.ndim - nd]
    planes = x.reshape(-1, *x.shape[x.ndim - nd :])
    draws = samples.reshape(-1, nd)
    y = np.empty((len(planes), *size), x.dtype)
    index = np.empty((len(planes), *size), np.int64)
    shape = planes.shape[1:]
    for p, plane in enumerate(planes):
        # the samples' last number belongs to the first dimension in two dimensions, the first in 3-D
        order = draws[p][::-1] if nd == 2 else draws[p]
        starts = [_starts(s, n, o, k) for s, n, o, k in zip(order, shape, size, kernel)]
        for place in np.ndindex(*size):
            corner = [s[i] for s, i in zip(starts, place)]
            window = plane[tuple([slice(c, c + k) for c, k in zip(corner, kernel)])]
            best = kernels._last_nan_or_argmax(window.reshape(1, -1), 1)[0, 0]
            inside = np.unravel_index(best, window.shape)
            at = [c + i for c, i in zip(corner, inside)]
            y[(p, *place)] = plane[tuple(at)]
            index[(p, *place)] = np.ravel_multi_index(at, shape)
    return y.reshape(*lead, *size), index.reshape(*lead, *size)


FRACTIONAL = {
    nd: Primitive(
        f"fractional_max_pool{nd}d",
        _fractional,
        inputs=("input", "samples"),
        params=("kernel", "size", "nd"),
        vjp={
            "input": lambda g, out, input_shape, nd: apply2(
                SCATTER_PLANE, g[0], out[1], input_shape, nd
            )
        },
        materialize=False,
        keep=(1,),
        node_name=f"FractionalMaxPool{nd}DBackward0",
    )
    for nd in (2, 3)
}


def _fractional_nd(
    nd: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{nd}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    shape = input._array.shape
    kernel = window_numbers(name, "kernel_size", kernel_size, nd)
    planes = shape[len(shape) - nd :]
    if output_size is None:
        ratio = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * nd
        if len(ratio) > nd:
            raise ValueError(
                f"{name} requires output_ratio to either be a single Int or tuple of Ints."
            )
        output_size = [int(n * r) for n, r in zip(planes, ratio)]
    size = window_numbers(name, "output_size", output_size, nd)
    if len(shape) not in (nd + 1, nd + 2):
        raise RuntimeError(
            f"{name}(): Expected {nd + 1}D or {nd + 2}D tensor, but got: {list(shape)}"
        )
    for label, n, o, k in zip(("time", "height", "width")[3 - nd :], planes, size, kernel):
        if o + k - 1 > n:
            raise RuntimeError(
                f"{name}(): pool {label} {k} too large relative to input {label} {n}"
            )
    if samples is None:
        batch = 1 if len(shape) == nd + 1 else shape[0]
        samples = late.rand(batch, shape[-nd - 1], nd, dtype=input.dtype)
    _kind(f"fractional_max_pool{nd}d_out_frame", input)
    return apply(FRACTIONAL[nd], (input, samples), kernel, size, nd)  # type: ignore[no-any-return]


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As :func:`fractional_max_pool2d`; also returns the positions of the maxima."""
    return _fractional_nd(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As :func:`fractional_max_pool3d`; also returns the positions of the maxima."""
    return _fractional_nd(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The maxima of windows at random steps (Graham, 2015) over the last two dimensions.

    Args:
        kernel_size: the size of the window.
        output_size: the size of the result; or
        output_ratio: its part of the size of the input.
        return_indices: also return the positions of the maxima.
    """
    both = _fractional_nd(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As :func:`fractional_max_pool2d`, over the last three dimensions."""
    both = _fractional_nd(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


# unpooling --------------------------------------------------------------------------------------


def _unpool(x: Array, index: Array, shape: tuple[int, ...], nd: int) -> Array:
    plane = int(np.prod(shape[len(shape) - nd :]))
    lead = shape[: len(shape) - nd]
    out = np.zeros((*lead, plane), x.dtype)
    if x.size:
        np.put_along_axis(out, index.reshape(*lead, -1), x.reshape(*lead, -1), axis=-1)
    return out.reshape(shape)


UNPOOL = {
    nd: Primitive(
        f"max_unpool{nd}d",
        _unpool,
        inputs=("input", "index"),
        params=("shape", "nd"),
        vjp={"input": lambda g, index, nd: apply2(GATHER_PLANE, g, index, nd)},
        node_name=f"MaxUnpool{nd}DBackward0",
    )
    for nd in (2, 3)
}


def _unpool_size(
    input: Tensor, nd: int, kernel: Any, stride: Any, padding: Any, output_size: Any
) -> tuple[int, ...]:
    """The size of the result: the default, or a wanted one near it."""
    have = input._array.shape[input._array.ndim - nd :]
    default = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(have, stride, kernel, padding)]
    if output_size is None:
        return tuple(default)
    wanted = list(output_size)
    if len(wanted) == nd + 2:
        wanted = wanted[2:]
    if len(wanted) != nd:
        raise ValueError(
            f"output_size should be a sequence containing {nd} or {nd + 2} elements, but it has a "
            f"length of '{len(wanted)}'"
        )
    for i, (d, w, s) in enumerate(zip(default, wanted, stride)):
        if not d - s < w < d + s:
            raise ValueError(
                f"invalid output_size '{wanted}' (dim {i} must be between {d - s} and {d + s})"
            )
    return tuple(wanted)


def _unpool_nd(
    nd: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    name = f"max_unpool{nd}d"
    kernel = window_numbers(name, "kernel_size", kernel_size, nd)
    step = kernel if stride is None else window_numbers(name, "stride", stride, nd)
    around = window_numbers(name, "padding", padding, nd)
    size = _unpool_size(input, nd, kernel, step, around, output_size)
    shape = input._array.shape
    if indices._array.dtype != np.int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {SCALAR_TYPE_NAMES[indices.dtype]}"
        )
    if len(shape) not in (nd + 1, nd + 2):
        raise RuntimeError(
            f"Input to {name} should be a {nd + 1}d or {nd + 2}d Tensor, but got a tensor with "
            f"{len(shape)} dimensions."
        )
    if indices._array.shape != shape:
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({list(shape)}) but got indices tensor with shape: {list(indices._array.shape)}"
        )
    plane = int(np.prod(size))
    index = indices._array
    if index.size and (index.min() < 0 or index.max() >= plane):
        wrong = index[(index < 0) | (index >= plane)].flat[0]
        text = "x".join(map(str, size))
        raise RuntimeError(
            f"Found an invalid max index: {wrong} (output volumes are of size {text})"
        )
    full = (*shape[: len(shape) - nd], *size)
    return apply2(UNPOOL[nd], input, indices, full, nd)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The partial inverse of :func:`max_pool1d`; see :func:`max_unpool2d`."""
    kernel = window_numbers("max_unpool1d", "kernel_size", kernel_size, 1)
    step = kernel if stride is None else window_numbers("max_unpool1d", "stride", stride, 1)
    around = window_numbers("max_unpool1d", "padding", padding, 1)
    size = _unpool_size(input, 1, kernel, step, around, output_size)
    flat = _unpool_nd(
        2, unsqueeze(input, -2), unsqueeze(indices, -2), (1, *kernel), (1, *step), (0, *around),
        (1, *size),
    )  # fmt: skip
    return squeeze(flat, -2)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The partial inverse of :func:`max_pool2d`: maxima at their places, zeros elsewhere.

    Args:
        indices: the positions that ``max_pool2d(..., return_indices=True)`` returned.
        kernel_size, stride, padding: those of the pooling.
        output_size: the size of the result, where several input sizes pool to the same.

    Raises RuntimeError for positions outside of the result.
    """
    return _unpool_nd(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The partial inverse of :func:`max_pool3d`; see :func:`max_unpool2d`."""
    return _unpool_nd(3, input, indices, kernel_size, stride, padding, output_size)
