"""Sorting and selecting by rank: sort, topk, median, mode, quantiles."""

from typing import Any

import numpy as np

from rushlight.base.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply
from rushlight.ops._results import result_type
from rushlight.ops.elementwise import mul, sub
from rushlight.ops.extremes import as_sortable, check_nonzero_dim
from rushlight.ops.shape import reshape, squeeze, transpose, unsqueeze

SortResult = result_type("sort", "values", "indices")
TopkResult = result_type("topk", "values", "indices")
KthvalueResult = result_type("kthvalue", "values", "indices")
MedianResult = result_type("median", "values", "indices")
NanmedianResult = result_type("nanmedian", "values", "indices")
ModeResult = result_type("mode", "values", "indices")


def put_back(g: Any, out: Any, input_shape: tuple[int, ...], dim: int) -> Tensor:
    """The gradient of chosen elements, in the places they came from."""
    grad, index = g[0], out[1]
    if not input_shape:
        return grad  # type: ignore[no-any-return]
    return late.scatter_add(grad.new_zeros(input_shape), dim, index, grad)  # type: ignore[no-any-return]


def _no_complex(name: str, input: Tensor) -> None:
    if input._array.dtype.kind == "c":
        raise RuntimeError(f"{name}(): does not support complex dtypes")


def _order(a: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """The indices that sort ``a`` stably, NaN last (first when descending)."""
    a = as_sortable(a)
    if not descending:
        return np.argsort(a, axis=dim, kind="stable")
    flipped = np.flip(np.argsort(np.flip(a, dim), axis=dim, kind="stable"), dim)
    return a.shape[dim] - 1 - flipped


def _sort(a: np.ndarray, dim: int, descending: bool) -> Any:
    if a.ndim == 0:
        return a.copy(), np.zeros((), np.int64)
    index = _order(a, dim, descending)
    return np.take_along_axis(a, index, dim), index


SORT = Primitive("sort", quiet(_sort), params=("dim", "descending"), vjp={"input": put_back})


def sort(
    input: Tensor,
    *args: Any,
    dim: int = -1,
    descending: bool = False,
    stable: bool | None = None,
    out: Any = None,
) -> Any:
    """The elements along ``dim`` in order, and where they were. Equal ones keep their order.

    Args:
        dim: default: the last.
        descending: largest first.
        stable: accepted; the order of equal elements is always kept.

    Examples::

        >>> torch.sort(torch.tensor([3, 1, 2]))
        torch.return_types.sort(
        values=tensor([1, 2, 3]),
        indices=tensor([1, 2, 0]))
    """
    if args:
        dim = args[0]
        descending = args[1] if len(args) > 1 else descending
    if input._array.dtype.kind == "c":
        raise RuntimeError("Sort does not support complex dtypes on CPU")
    pair = SortResult(*apply(SORT, (input,), wrap_dim(dim, input._array.ndim), bool(descending)))
    return pair if out is None else SortResult(*write_out(out, tuple(pair)))


def argsort(
    input: Tensor,
    *args: Any,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,
) -> Tensor:
    """The indices that sort ``input`` along ``dim``. Args: as for :func:`sort`.

    Examples::

        >>> torch.argsort(torch.tensor([3, 1, 2]))
        tensor([1, 2, 0])
    """
    return sort(input, *args, dim=dim, descending=descending)[1]  # type: ignore[no-any-return]


def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input`` sorted along its first dimension."""
    result = sort(input, 0)[0]
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


def _topk(a: np.ndarray, k: int, dim: int, largest: bool, sorted: bool) -> Any:
    if a.ndim == 0:
        return a[...].copy(), np.zeros((), np.int64)
    index = np.take(_order(a, dim, largest), np.arange(k), axis=dim)
    return np.take_along_axis(a, index, dim), index


TOPK = Primitive(
    "topk",
    quiet(_topk),
    params=("k", "dim", "largest", "sorted"),
    vjp={"input": put_back},
)


def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: Any = None,
) -> Any:
    """The ``k`` largest (or smallest) elements along ``dim``, and where they are.

    Examples::

        >>> torch.topk(torch.tensor([1., 5., 3.]), 2)
        torch.return_types.topk(
        values=tensor([5., 3.]),
        indices=tensor([1, 2]))
    """
    dim = wrap_dim(dim, input._array.ndim)
    _no_complex("topk", input)
    size = input._array.shape[dim] if input._array.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    pair = TopkResult(*apply(TOPK, (input,), int(k), dim, largest, sorted))
    return pair if out is None else TopkResult(*write_out(out, tuple(pair)))


def _kthvalue(a: np.ndarray, k: int, dim: int, keepdim: bool) -> Any:
    if a.ndim == 0:
        return a.copy(), np.zeros((), np.int64)
    index = np.take(_order(a, dim, False), [k - 1], axis=dim)
    values = np.take_along_axis(a, index, dim)
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


def put_back_reduced(
    g: Any, out: Any, input_shape: tuple[int, ...], dim: int, keepdim: bool
) -> Tensor:
    """The gradient of one chosen element along ``dim``."""
    if not input_shape:
        return g[0]  # type: ignore[no-any-return]
    if keepdim:
        return put_back(g, out, input_shape, dim)
    wide = unsqueeze(g[0], dim), None
    return put_back(wide, (None, unsqueeze(out[1], dim)), input_shape, dim)


KTHVALUE = Primitive(
    "kthvalue",
    quiet(_kthvalue),
    params=("k", "dim", "keepdim"),
    vjp={"input": put_back_reduced},
)


def kthvalue(
    input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None
) -> Any:
    """The ``k``-th smallest element along ``dim`` (counted from 1), and where it is."""
    dim = wrap_dim(dim, input._array.ndim)
    check_nonzero_dim("kthvalue", input, dim)
    size = input._array.shape[dim] if input._array.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError("kthvalue(): selected number k out of range for dimension "
                           f"{dim}")  # fmt: skip
    pair = KthvalueResult(*apply(KTHVALUE, (input,), int(k), dim, keepdim))
    return pair if out is None else KthvalueResult(*write_out(out, tuple(pair)))


def _median_rank(a: np.ndarray, dim: int, ignore_nan: bool) -> np.ndarray:
    """The place in sorted order of the lower median; of the first NaN if there is one."""
    n = a.shape[dim]
    nans = np.isnan(a).sum(axis=dim, keepdims=True) if a.dtype.kind == "f" else 0
    if ignore_nan:
        return np.broadcast_to(np.maximum(n - nans - 1, 0) // 2, _kept(a.shape, dim))
    rank = np.where(np.asarray(nans) > 0, n - nans, (n - 1) // 2)
    return np.broadcast_to(rank, _kept(a.shape, dim))


def _kept(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], 1, *shape[dim + 1 :])


def _median(a: np.ndarray, dim: int, keepdim: bool, ignore_nan: bool) -> Any:
    if a.ndim == 0:
        return a.copy(), np.zeros((), np.int64)
    order = _order(a, dim, False)
    index = np.take_along_axis(order, _median_rank(as_sortable(a), dim, ignore_nan), dim)
    values = np.take_along_axis(a, index, dim)
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


MEDIAN = Primitive(
    "median",
    quiet(_median),
    params=("dim", "keepdim", "ignore_nan"),
    vjp={"input": put_back_reduced},
)


def _median_of(name: str, result: Any, input: Tensor, dim: Any, keepdim: bool, out: Any) -> Any:
    ignore = name == "nanmedian"
    _no_complex(name, input)
    if dim is None:
        if input._array.size == 0:
            if input.dtype.is_floating_point:
                return input.new_full((), float("nan"))
            return input.new_full((), np.iinfo(input._array.dtype).min)
        flat = reshape(input, (-1,))
        return apply(MEDIAN, (flat,), 0, False, ignore)[0]
    dim = wrap_dim(dim, input._array.ndim)
    check_nonzero_dim(name, input, dim)
    pair = result(*apply(MEDIAN, (input,), dim, keepdim, ignore))
    return pair if out is None else result(*write_out(out, tuple(pair)))


def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The median: the lower one of two middle elements; NaN if one is NaN.

    Returns: a tensor, or along ``dim`` a named tuple ``(values, indices)``.

    Examples::

        >>> torch.median(torch.tensor([1., 3., 2., 4.]))
        tensor(2.)
    """
    return _median_of("median", MedianResult, input, dim, keepdim, out)


def nanmedian(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None
) -> Any:
    """The median of the elements that are not NaN. Args: as for :func:`median`."""
    return _median_of("nanmedian", NanmedianResult, input, dim, keepdim, out)


def _mode(a: np.ndarray, dim: int, keepdim: bool) -> Any:
    if a.ndim == 0:
        return a.copy(), np.zeros((), np.int64)
    order = _order(a, dim, False)
    values = np.moveaxis(np.take_along_axis(as_sortable(a), order, dim), dim, -1)
    places = np.moveaxis(order, dim, -1)
    n = values.shape[-1]
    same = np.zeros(values.shape, np.int64)  # how many equal ones stand before, in sorted order
    for i in range(1, n):
        same[..., i] = np.where(values[..., i] == values[..., i - 1], same[..., i - 1] + 1, 0)
    best = np.argmax(same, axis=-1)[..., None]
    index = np.moveaxis(np.take_along_axis(places, best, -1), -1, dim)
    chosen = np.take_along_axis(a, index, dim)
    return (chosen, index) if keepdim else (chosen.squeeze(dim), index.squeeze(dim))


MODE = Primitive("mode", quiet(_mode), params=("dim", "keepdim"), vjp={"input": put_back_reduced})


def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The most frequent element along ``dim`` (the smallest of several), and its last index."""
    dim = wrap_dim(dim, input._array.ndim)
    check_nonzero_dim("mode", input, dim)
    pair = ModeResult(*apply(MODE, (input,), dim, keepdim))
    return pair if out is None else ModeResult(*write_out(out, tuple(pair)))


def _check_quantile(name: str, input: Tensor, q: Any) -> tuple[Tensor, bool]:
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = input.new_tensor(q)
    if not input.dtype.is_floating_point or input._array.dtype.itemsize < 4:
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if q._array.dtype != input._array.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if q._array.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if input._array.size == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if not ((q._array >= 0) & (q._array <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return q, q._array.ndim == 0


def _quantile(
    name: str, input: Tensor, q: Any, dim: Any, keepdim: bool, interpolation: str, out: Any
) -> Tensor:
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    q, single = _check_quantile(name, input, q)
    ndim = input._array.ndim
    whole = dim is None
    d = 0 if whole else wrap_dim(dim, ndim)
    values = reshape(input, (-1,)) if whole else unsqueeze(input, 0) if ndim == 0 else input
    ordered = transpose(sort(values, d)[0], d, -1) if values.dim() > 1 else sort(values, d)[0]
    n = ordered._array.shape[-1]
    ranks = reshape(q, (-1,) + (1,) * (ordered.dim() - 1))
    nans = np.isnan(ordered._array).sum(-1)
    kind = ordered._array.dtype
    if name == "nanquantile":
        positions = mul(ranks, wrap(np.asarray(np.maximum(n - nans - 1, 0), kind)))
    else:
        last = wrap(np.full(nans.shape, n - 1, kind))
        positions = late.where(wrap(np.asarray(nans > 0)), last, mul(ranks, n - 1))
    result = _interpolate(ordered, positions, interpolation)
    if not whole and ordered.dim() > 1:
        result = transpose(unsqueeze(result, -1), d + 1, -1)
        result = result if keepdim else squeeze(result, d + 1)
    elif keepdim:
        result = reshape(result, (result._array.shape[0], *([1] * ndim)))
    if single:
        result = squeeze(result, 0)
    return result if out is None else write_out(out, result)


def _interpolate(ordered: Tensor, positions: Tensor, how: str) -> Tensor:
    """The values of sorted rows at fractional ``positions``, of shape (q, rows...)."""
    places = positions._array
    low = np.floor(places).astype(np.int64)
    high = np.ceil(places).astype(np.int64)
    if how == "nearest":
        low = high = np.rint(places).astype(np.int64)
    elif how == "lower":
        high = low
    elif how == "higher":
        low = high

    def pick(index: np.ndarray) -> Tensor:
        moved = np.moveaxis(index, 0, -1)
        chosen = late.gather(ordered, -1, late.from_numpy(np.ascontiguousarray(moved)))
        return late.movedim(chosen, -1, 0)  # type: ignore[no-any-return]

    below, above = pick(low), pick(high)
    if how in ("nearest", "lower", "higher"):
        return below
    if how == "midpoint":
        return late.lerp(below, above, 0.5)  # type: ignore[no-any-return]
    weight = sub(positions, wrap(low.astype(ordered._array.dtype)))
    return late.lerp(below, above, weight)  # type: ignore[no-any-return]


def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The q-th quantiles, of all elements or along ``dim``; NaN if an element is NaN.

    Args:
        q: a number in [0, 1] or a 1-d tensor of them, which become the first dimension.
        interpolation: between two elements: "linear", "lower", "higher", "midpoint", "nearest".

    Examples::

        >>> torch.quantile(torch.tensor([0., 1., 2., 3.]), 0.5)
        tensor(1.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out)


def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The quantiles of the elements that are not NaN. Args: as for :func:`quantile`."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out)


BOTH = """
    argsort kthvalue median mode msort nanmedian nanquantile quantile sort topk
"""
