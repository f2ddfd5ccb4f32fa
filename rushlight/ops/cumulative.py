"""Running sums, products and extremes along a dimension."""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.quiet import quiet
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply, apply1
from rushlight.ops._promote import cast
from rushlight.ops._results import result_type
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import add, div, mul, sub
from rushlight.ops.pointwise import exp, log
from rushlight.ops.shape import slice_dim

CummaxResult = result_type("cummax", "values", "indices")
CumminResult = result_type("cummin", "values", "indices")


def _running(ufunc: Any) -> Any:
    @quiet
    def eager(a: np.ndarray, dim: int) -> Any:
        if a.ndim == 0:
            return a.copy()
        if a.dtype.itemsize <= 2 and a.dtype.kind in "fV":
            return ufunc.accumulate(a.astype(np.float32), axis=dim).astype(a.dtype)
        return ufunc.accumulate(a, axis=dim, dtype=a.dtype)

    return eager


def reverse_cumsum(g: Tensor, dim: int) -> Tensor:
    """The running sum from the end."""
    if g._array.ndim == 0:
        return g
    return late.flip(cumsum(late.flip(g, (dim,)), dim), (dim,))  # type: ignore[no-any-return]


CUMSUM = Primitive(
    "cumsum",
    _running(np.add),
    params=("dim",),
    vjp={"input": lambda g, dim: reverse_cumsum(g, dim)},
)


def _prepared(input: Tensor, dim: int, dtype: Dtype | None) -> tuple[Tensor, int]:
    dim = wrap_dim(dim, input._array.ndim)
    if dtype is not None:
        input = cast(input, dtype)
    elif input._array.dtype.kind in "iub":
        input = cast(input, dtypes.int64)
    return input, dim


def cumsum(
    input: Tensor, dim: int, *, dtype: Dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """Running sum along ``dim``. Integers are summed in int64.

    Examples::

        >>> torch.cumsum(torch.tensor([1, 2, 3]), 0)
        tensor([1, 3, 6])
    """
    input, dim = _prepared(input, dim, dtype)
    result = apply1(CUMSUM, input, dim)
    return result if out is None else write_out(out, result)


def _cumprod_rule(g: Tensor, input: Tensor, out: Tensor, dim: int) -> Tensor:
    if input._array.ndim == 0:
        return g
    if not (input._array == 0).any():
        return div(reverse_cumsum(mul(conj(out), g), dim), conj(input))
    n = input._array.shape[dim]
    parts = []
    for k in range(n):  # d out[j] / d x[k] is the product of x[:j + 1] without x[k]
        before = cumprod_last(input, dim, k)
        after = slice_dim(input, dim, k + 1, n)
        run = mul(before, late.cat([late.ones_like(before), cumprod(after, dim)], dim))
        parts.append(late.sum(mul(slice_dim(g, dim, k, n), conj(run)), dim, keepdim=True))
    return late.cat(parts, dim)  # type: ignore[no-any-return]


def cumprod_last(input: Tensor, dim: int, k: int) -> Tensor:
    """The product of the first ``k`` elements along ``dim``, kept as a dimension of size 1."""
    return late.prod(slice_dim(input, dim, 0, k), dim, keepdim=True)  # type: ignore[no-any-return]


CUMPROD = Primitive("cumprod", _running(np.multiply), params=("dim",), vjp={"input": _cumprod_rule})


def cumprod(
    input: Tensor, dim: int, *, dtype: Dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """Running product along ``dim``. Integers are multiplied in int64.

    Examples::

        >>> torch.cumprod(torch.tensor([1, 2, 3]), 0)
        tensor([1, 2, 6])
    """
    input, dim = _prepared(input, dim, dtype)
    result = apply1(CUMPROD, input, dim)
    return result if out is None else write_out(out, result)


def _extreme_so_far(ufunc: Any) -> Any:
    def eager(a: np.ndarray, dim: int) -> Any:
        if a.ndim == 0:
            return a.copy(), np.zeros((), np.int64)
        wide = a.astype(np.float32) if a.dtype.kind == "V" else a
        values = ufunc.accumulate(wide, axis=dim)
        hit = (wide == values) | ((wide != wide) & (values != values))
        shape = [1] * a.ndim
        shape[dim] = a.shape[dim]
        places = np.where(hit, np.arange(a.shape[dim]).reshape(shape), 0)
        return values.astype(a.dtype, copy=False), np.maximum.accumulate(places, axis=dim)

    return quiet(eager)


def _extreme_rule(g: Any, out: Any, input_shape: tuple[int, ...], dim: int) -> Tensor:
    if not input_shape:
        return g[0]  # type: ignore[no-any-return]
    zeros = wrap(np.zeros(input_shape, g[0]._array.dtype))
    return late.scatter_add(zeros, dim, out[1], g[0])  # type: ignore[no-any-return]


CUMMAX = Primitive(
    "cummax", _extreme_so_far(np.maximum), params=("dim",), vjp={"input": _extreme_rule}
)
CUMMIN = Primitive(
    "cummin", _extreme_so_far(np.minimum), params=("dim",), vjp={"input": _extreme_rule}
)


def cummax(input: Tensor, dim: int, *, out: Any = None) -> Any:
    """The largest element so far along ``dim``, and its index (the last one of equals)."""
    pair = CummaxResult(*apply(CUMMAX, (input,), wrap_dim(dim, input._array.ndim)))
    return pair if out is None else CummaxResult(*write_out(out, tuple(pair)))


def cummin(input: Tensor, dim: int, *, out: Any = None) -> Any:
    """The smallest element so far along ``dim``, and its index (the last one of equals)."""
    pair = CumminResult(*apply(CUMMIN, (input,), wrap_dim(dim, input._array.ndim)))
    return pair if out is None else CumminResult(*write_out(out, tuple(pair)))


def _logaddexp_along(a: np.ndarray, dim: int) -> Any:
    if a.ndim == 0:
        return a.copy()
    wide = a.astype(np.float32) if a.dtype.itemsize <= 2 else a
    if a.dtype.kind != "c":
        return np.logaddexp.accumulate(wide, axis=dim).astype(a.dtype, copy=False)
    out = np.moveaxis(wide.copy(), dim, 0)
    for i in range(1, out.shape[0]):
        x, y = out[i - 1], out[i]
        first = x.real < y.real
        low, top = np.where(first, x, y), np.where(first, y, x)  # the phase counts from top's
        found = top + np.log1p(np.exp(low - top))
        out[i] = np.where(np.isneginf(low.real), top, found)
    return np.moveaxis(out, 0, dim)


def _logcumsumexp_rule(g: Tensor, input: Tensor, out: Tensor, dim: int) -> Tensor:
    if input._array.ndim == 0:
        return g
    if input._array.dtype.kind == "c":
        parts = late.flip(sub(log(g), conj(out)), (dim,))
        return exp(add(late.flip(logcumsumexp(parts, dim), (dim,)), conj(input)))
    positive = late.where(late.gt(g, 0), log(late.abs(g)), late.full_like(g, float("-inf")))
    negative = late.where(late.lt(g, 0), log(late.abs(g)), late.full_like(g, float("-inf")))
    grads = []
    nothing = late.eq(out, float("-inf"))  # no minus infinity less minus infinity
    for part in (positive, negative):
        terms = late.masked_fill(sub(part, out), nothing, float("-inf"))
        total = late.flip(logcumsumexp(late.flip(terms, (dim,)), dim), (dim,))
        grads.append(exp(add(total, input)))
    return sub(grads[0], grads[1])


LOGCUMSUMEXP = Primitive(
    "logcumsumexp", quiet(_logaddexp_along), params=("dim",), vjp={"input": _logcumsumexp_rule}
)


def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the running sum of exponentials along ``dim``."""
    if input._array.dtype.kind in "iub":
        input = cast(input, defaults.dtype)
    result = apply1(LOGCUMSUMEXP, input, wrap_dim(dim, input._array.ndim))
    return result if out is None else write_out(out, result)


BOTH = """
    cummax cummin cumprod cumsum logcumsumexp
"""
INPLACE = """
    cumprod cumsum
"""
