"""Operations that PyTorch has for its own modules and compilers, under their names there.

They are rare in programs, so their family loads when one of the names is first used.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import wrap_dim, wrap_dims, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import apply, needs_grad
from rushlight.ops._promote import cast
from rushlight.ops.batch_norm import native_batch_norm
from rushlight.ops.elementwise import add, div, floor_divide, mul, remainder, sub
from rushlight.ops.extremes import amax, amin
from rushlight.ops.grid import grid_sampler
from rushlight.ops.normalization import GROUP_NORM
from rushlight.ops.padding import constant_pad_nd
from rushlight.ops.pointwise import exp, rsqrt
from rushlight.ops.reduction import mean, sum
from rushlight.ops.shape import narrow, reshape
from rushlight.ops.statistics import prod, var

# places of elements ---------------------------------------------------------------------------


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The subscripts, one tensor per dimension of ``shape``, of places in the flattened array.

    Examples::

        >>> torch.unravel_index(torch.tensor([5, 2]), (2, 3))
        (tensor([1, 0]), tensor([2, 2]))
    """
    if indices.dtype.category != dtypes.INTEGER:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not all(isinstance(n, int) for n in sizes):
        raise TypeError("expected 'shape' sequence to only contain ints")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    places = cast(indices, dtypes.int64)
    found, step = [], 1
    for n in reversed(sizes):
        found.append(remainder(floor_divide(places, step), n))
        step *= n
    return tuple(reversed(found))


def nonzero_static(
    input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None
) -> Tensor:
    """The first ``size`` rows of ``nonzero(input)``, filled up with ``fill_value``.

    Examples::

        >>> torch.nonzero_static(torch.tensor([0, 3]), size=2)
        tensor([[ 1],
                [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = np.argwhere(input._array)[:size]
    rows = np.full((size, input._array.ndim), fill_value, np.int64)
    rows[: len(found)] = found
    result = wrap(rows)
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


def hash_tensor(
    input: Tensor,
    dim: Any = (),
    *,
    keepdim: bool = False,
    mode: int = 0,
    out: Tensor | None = None,
) -> Tensor:
    """The exclusive or of the bits of the elements, as 64-bit numbers, over ``dim`` (default: all).

    Examples::

        >>> torch.hash_tensor(torch.tensor([1, 2, 4])).item()
        7
    """
    if mode != 0:
        raise RuntimeError(f"hash_tensor: Unknown mode {mode}")
    array = input._array
    if array.dtype.kind == "c":
        raise RuntimeError("hash_tensor: complex tensors have no 64-bit pattern")
    to: Any = np.int64 if array.dtype.kind in "ib" else np.uint64
    bits = array.astype(to if array.dtype.kind in "iub" else np.float64).view(np.uint64)
    dims = wrap_dims(dim, array.ndim)
    result = wrap(np.asarray(np.bitwise_xor.reduce(bits, axis=dims, keepdims=keepdim)))
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


def _within(input: Tensor, indices: Sequence[Any]) -> tuple[Any, ...]:
    shape = input._array.shape
    return tuple([
        slice(None) if i is None else late.clamp(i, -n, n - 1)
        for i, n in zip(indices, shape)
    ])  # fmt: skip


def _unsafe_masked_index(input: Tensor, mask: Tensor, indices: Any, fill: Any) -> Tensor:
    if input._array.size == 0:
        return late.full(mask._array.shape, fill, dtype=input.dtype)  # type: ignore[no-any-return]
    found = input[_within(input, indices)]
    return late.masked_fill(found, late.logical_not(mask), fill)  # type: ignore[no-any-return]


def _unsafe_masked_index_put_accumulate(
    input: Tensor, mask: Tensor, indices: Any, values: Tensor
) -> Tensor:
    if input._array.size == 0:
        return late.clone(input)  # type: ignore[no-any-return]
    kept = late.masked_fill(values, late.logical_not(mask), 0)
    return late.index_put(input, _within(input, indices), kept, accumulate=True)  # type: ignore[no-any-return]


# parts of a tensor ----------------------------------------------------------------------------


def _chunk_cat(
    tensors: Sequence[Tensor], dim: int, num_chunks: int, *, out: Tensor | None = None
) -> Tensor:
    if num_chunks < 1:
        raise RuntimeError(f"_chunk_cat expects positive num_chunks, got {num_chunks}")
    if not tensors:
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    parts = []
    for t in tensors:
        dim = wrap_dim(dim, t._array.ndim)
        shape = t._array.shape
        missing = -shape[dim] % num_chunks
        if missing:
            t = constant_pad_nd(t, [0, 0] * (len(shape) - 1 - dim) + [0, missing], 0)
        parts.append(reshape(t, (*shape[:dim], num_chunks, -1)))
    result = late.cat(parts, dim + 1)
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


_START = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}


def _reduced(part: Tensor, how: str, initial: Any, axis: int) -> Tensor:
    """One segment, of any length, reduced together with ``initial``."""
    start = late.full_like(sum(part, axis), _START[how] if initial is None else initial)
    count = part._array.shape[axis]
    if how == "sum":
        return add(sum(part, axis), start)
    if how == "prod":
        return mul(prod(part, axis), start)
    if how == "mean":
        if not count:
            return start if initial is not None else late.full_like(start, float("nan"))  # type: ignore[no-any-return]
        return div(add(sum(part, axis), start), count)
    if not count:
        return start  # type: ignore[no-any-return]
    both = late.cat([part, late.unsqueeze(start, axis)], axis)
    return (amax if how == "max" else amin)(both, axis)


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Tensor:
    """Sums (or "mean", "max", "min", "prod") of consecutive segments along ``axis``.

    Args:
        lengths: of the segments, for each place in the dimensions before ``axis``.
        offsets: instead: where the segments begin, and the end.
        unsafe: do not check that the lengths add up.
        initial: takes part in each segment's reduction.

    ``indices`` is not supported, by PyTorch neither.
    """
    if reduce not in _START:
        raise RuntimeError(f"segment_reduce(): unsupported reduction {reduce}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if offsets is not None:
        bounds = offsets._array
    elif lengths is not None:
        ends = np.cumsum(lengths._array, -1)
        bounds = np.concatenate([np.zeros((*ends.shape[:-1], 1), ends.dtype), ends], -1)
    else:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    axis = wrap_dim(axis, data._array.ndim)
    size = data._array.shape[axis]
    if (np.diff(bounds) < 0).any():
        raise RuntimeError("lengths contains negative value!")
    if not unsafe and bounds.shape[-1] > 1 and (bounds[..., -1] != size).any():
        raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to "
                           "data.size(lengths.dim()-1) when !unsafe.")  # fmt: skip
    return _segments(data, bounds, reduce, initial, axis)


def _segments(data: Tensor, bounds: np.ndarray, how: str, initial: Any, axis: int) -> Tensor:
    if axis:
        rows = [_segments(late.select(data, 0, i), bounds[i], how, initial, axis - 1)
                for i in range(data._array.shape[0])]  # fmt: skip
    else:
        rows = [_reduced(narrow(data, 0, int(low), int(high - low)), how, initial, 0)
                for low, high in pairwise(bounds)]  # fmt: skip
    if not rows:
        return wrap(np.zeros((0, *data._array.shape[1:]), data._array.dtype))
    return late.stack(rows)  # type: ignore[no-any-return]


def _segment_reduce(data: Tensor, reduce: str, **options: Any) -> Tensor:
    return segment_reduce(data, reduce, **options)


# networks -------------------------------------------------------------------------------------


def _wide(t: Tensor) -> Tensor:
    """In float32 at least, so that what follows rounds once."""
    return cast(t, dtypes.float32) if t.dtype.itemsize <= 2 else t


def _softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: Dtype, *, grad_input: Any = None
) -> Tensor:
    g, y = _wide(grad_output), _wide(output)
    part = mul(g, y)
    result = cast(sub(part, mul(y, sum(part, dim, True))), input_dtype)
    return result if grad_input is None else write_out(grad_input, result)  # type: ignore[no-any-return]


def _log_softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: Dtype, *, out: Any = None
) -> Tensor:
    g, y = _wide(grad_output), _wide(output)
    result = cast(sub(g, mul(exp(y), sum(g, dim, True))), input_dtype)
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


def _as_given(found: Any, input: Tensor, weight: Tensor | None) -> Any:
    """The statistics in the dtype of the weight, or of the input if there is none."""
    kind = input.dtype if weight is None else weight.dtype
    return found[0], cast(found[1], kind), cast(found[2], kind)


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """As ``nn.functional.group_norm``; also returns means and reciprocal standard deviations.

    Args:
        N, C, HxW: the number of samples, of channels and of elements per channel.
    """
    found = apply(GROUP_NORM, (input, weight, bias), group, float(eps))
    if needs_grad(input):  # the statistics have gradients too
        grouped = reshape(input, (N, group, C // group * HxW))
        average = mean(grouped, 2)
        inverse = rsqrt(add(var(grouped, 2, correction=0), eps))
        found = (found[0], average, inverse)
    return _as_given(found, input, weight)  # type: ignore[no-any-return]


def _native_batch_norm_legit(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    if len(rest) == 3:  # without running statistics
        rest = (None, None, *rest)
    found = native_batch_norm(input, weight, bias, *rest)
    return _as_given(found, input, weight)  # type: ignore[no-any-return]


def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``torch.grid_sampler`` for pictures, that is 4-d input."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``torch.grid_sampler`` for volumes, that is 5-d input."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)
