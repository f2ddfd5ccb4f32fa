"""Distinct values, histograms and places in sorted sequences."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import wrap_dim, write_out
from rushlight.ops._promote import result_type as promoted
from rushlight.ops._results import result_type
from rushlight.ops.extremes import as_sortable

HistogramResult = result_type("histogram", "hist", "bin_edges")
HistogramddResult = result_type("histogramdd", "hist", "bin_edges")


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in order, or the distinct slices along ``dim``.

    Args:
        return_inverse: also where each element is in the result.
        return_counts: also how often each occurs.

    Examples::

        >>> torch.unique(torch.tensor([1, 3, 2, 3]))
        tensor([1, 2, 3])
    """
    array = as_sortable(input._array)
    if dim is not None:
        dim = wrap_dim(dim, array.ndim)
        if array.ndim == 0:
            array, dim = array.reshape(1), 0
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    shape = input._array.shape if dim is None else (array.shape[dim],)
    return _unique_result(
        input, values, inverse.reshape(shape), counts, return_inverse, return_counts
    )


def _unique_result(
    input: Tensor, values: Any, inverse: Any, counts: Any, with_inverse: bool, with_counts: bool
) -> Any:
    out = [wrap(np.ascontiguousarray(values.astype(input._array.dtype, copy=False)))]
    if with_inverse:
        out.append(wrap(np.asarray(inverse, np.int64)))
    if with_counts:
        out.append(wrap(np.asarray(counts, np.int64)))
    return out[0] if len(out) == 1 else tuple(out)


def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The elements (or slices along ``dim``) without those equal to the one before.

    Examples::

        >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    array = as_sortable(input._array)
    if dim is None:
        rows, shape = array.reshape(-1, 1), array.shape
    else:
        dim = wrap_dim(dim, array.ndim)
        moved = np.moveaxis(array if array.ndim else array.reshape(1), dim, 0)
        n = moved.shape[0]
        rows, shape = moved.reshape(n, moved.size // n if n else 0), (n,)
    new = np.ones(len(rows), bool)
    if len(rows):
        new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(rows)))
    inverse = (np.cumsum(new) - 1).reshape(shape)
    if dim is None:
        values = array.reshape(-1)[starts]
    else:
        values = np.take(array if array.ndim else array.reshape(1), starts, axis=dim)
    return _unique_result(input, values, inverse, counts, return_inverse, return_counts)


def _search(sequence: np.ndarray, values: np.ndarray, side: Any) -> np.ndarray:
    if sequence.ndim == 1:
        return np.searchsorted(sequence, values, side=side)
    if not values.size:
        return np.zeros(values.shape, np.int64)
    flat = sequence.reshape(-1, sequence.shape[-1])
    wanted = values.reshape(flat.shape[0], values.shape[-1] if values.ndim else 1)
    found = [np.searchsorted(s, v, side=side) for s, v in zip(flat, wanted, strict=True)]
    return np.stack(found).reshape(values.shape) if found else np.zeros(values.shape, np.int64)


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where to put ``input`` into sorted sequences so that they stay sorted.

    Args:
        sorted_sequence: sorted along the last dimension; 1-d, or with the leading dimensions of
            ``input``.
        out_int32: indices as int32 instead of int64.
        right: after equal elements instead of before; ``side="right"`` says the same.
        sorter: the indices that sort ``sorted_sequence``.

    Examples::

        >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
        tensor([1, 3])
    """
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(
            "torch.searchsorted(): side can only be 'left' or 'right' but got " + side
        )
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True"
        )
    values = input._array if isinstance(input, Tensor) else np.asarray(input)
    sequence = sorted_sequence._array
    if sequence.ndim != 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(sequence.shape)} and input value tensor {list(values.shape)}"
        )
    if sorter is not None:
        sequence = np.take_along_axis(sequence, sorter._array, -1)
    where = "right" if right or side == "right" else "left"
    found = _search(as_sortable(sequence), as_sortable(values), where)
    result = wrap(np.asarray(found, np.int32 if out_int32 else np.int64))
    return result if out is None else write_out(out, result)


def bucketize(
    input: Any,
    boundaries: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """The index of the bucket of each element, given the buckets' sorted boundaries (1-d)."""
    if boundaries._array.ndim != 1:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor must be 1 dimension, but got dim("
            f"{boundaries._array.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each non-negative integer occurs, or the sum of its weights.

    Examples::

        >>> torch.bincount(torch.tensor([0, 1, 1, 3]))
        tensor([1, 2, 0, 1])
    """
    array = input._array
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array < 0).any():
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is None:
        return wrap(np.bincount(array, minlength=minlength).astype(np.int64))
    if weights._array.shape != array.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    kind = weights._array.dtype if weights.dtype is dtypes.float32 else np.dtype(np.float64)
    return wrap(np.bincount(array, weights._array, minlength).astype(kind))


def _range(array: np.ndarray, low: float, high: float) -> tuple[float, float]:
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    if low == high:
        low, high = low - 1, high + 1
    if not np.isfinite([low, high]).all():
        raise RuntimeError(f"range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("max must be larger than min")
    return low, high


def histc(
    input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None
) -> Tensor:
    """The number of elements in each of ``bins`` equal parts of [min, max] (default: of the data)."""
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    array = as_sortable(input._array).reshape(-1)
    low, high = _range(array, float(min), float(max))
    inside = array[(array >= low) & (array <= high)].astype(np.float64)
    place = np.minimum(((inside - low) / (high - low) * bins).astype(np.int64), bins - 1)
    result = wrap(np.bincount(place, minlength=bins).astype(input._array.dtype))
    return result if out is None else write_out(out, result)


def _edges(array: np.ndarray, bins: Any, span: Any) -> np.ndarray:
    if isinstance(bins, Tensor):
        return bins._array
    low, high = (float(span[0]), float(span[1])) if span is not None else (0.0, 0.0)
    if span is None:
        low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, int(bins) + 1).astype(array.dtype)


def _first_above(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The place of the first edge above each value, by bisection even if ``edges`` is unordered."""
    first = np.zeros(values.shape, np.int64)
    left = np.full(values.shape, edges.size)
    while left.any():
        half = left // 2
        middle = np.minimum(first + half, edges.size - 1)
        right = (left > 0) & ~(values < edges[middle])
        first = np.where(right, middle + 1, first)
        left = np.where(right, left - half - 1, half)
    return first


@quiet
def _counted(
    points: np.ndarray, edges: list[np.ndarray], weights: Any, density: bool
) -> np.ndarray:
    """How many of the points (rows) are in each cell; the last edge belongs to the last cell."""
    shape = tuple([e.size - 1 for e in edges])
    inside, places = np.ones(points.shape[0], bool), []
    for column, e in zip(points.T, edges, strict=True):
        inside &= (column >= e[0]) & (column <= e[-1])
        places.append(np.minimum(_first_above(e, column) - 1, e.size - 2))
    flat = np.ravel_multi_index([p[inside] for p in places], shape)
    weights = None if weights is None else weights[inside]
    counts = np.bincount(flat, weights, int(np.prod(shape))).astype(points.dtype).reshape(shape)
    if density:
        counts = counts / counts.sum()
        for i, e in enumerate(edges):
            counts = counts / np.diff(e).reshape((-1,) + (1,) * (len(edges) - 1 - i))
    return counts


def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: Any = None,
) -> Any:
    """A histogram and its bin edges.

    Args:
        bins: a number of equal bins, or a tensor of edges.
        range: of the equal bins (default: of the data).
        weight: of each element.
        density: normalise so that the integral is 1.
    """
    array = input._array.reshape(-1)
    edges = _edges(array, bins, range)
    weights = None if weight is None else weight._array.reshape(-1)
    counts = _counted(array[:, None], [edges], weights, density)
    pair = HistogramResult(wrap(counts), wrap(np.array(edges)))
    return pair if out is None else HistogramResult(*write_out(out, tuple(pair)))


def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """A histogram of points in several dimensions (the last dimension of ``input``)."""
    points = input._array.reshape(-1, input._array.shape[-1])
    n = points.shape[1]
    each = [bins] * n if isinstance(bins, int) else list(bins)
    if len(each) != n:
        raise RuntimeError(
            f"histogramdd: expected {n} sequences of bin edges for a {n}-dimensional histogram but "
            f"got {len(each)}"
        )
    edges = []
    for i, b in enumerate(each):
        span = None if range is None else (range[2 * i], range[2 * i + 1])
        edges.append(_edges(points[:, i], b, span))
    weights = None if weight is None else weight._array.reshape(-1)
    counts = _counted(points, edges, weights, density)
    return HistogramddResult(wrap(counts), tuple([wrap(np.array(e)) for e in edges]))


def isin(
    elements: Any,
    test_elements: Any,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Whether each element occurs in ``test_elements``.

    Examples::

        >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2]))
        tensor([False,  True, False])
    """
    to = promoted(elements, test_elements).np
    a, b = (
        as_sortable(x._array if isinstance(x, Tensor) else np.asarray(x, to))
        for x in (elements, test_elements)
    )
    result = wrap(np.asarray(np.isin(a, b, invert=invert)))
    return result if out is None else write_out(out, result)


BOTH = """
    bincount histc histogram unique unique_consecutive
"""
TORCH = """
    bucketize histogramdd isin searchsorted
"""
