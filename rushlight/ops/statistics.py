"""Products, variances, norms and truth over dimensions; log-sum-exp."""

import math
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.quiet import quiet
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import wrap_dims, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import INTEGER_RESULT, Primitive, apply1
from rushlight.ops._promote import cast
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import div, mul, sub
from rushlight.ops.pointwise import exp
from rushlight.ops.reduction import mean, spread, sum
from rushlight.ops.shape import reshape


@quiet
def _prod(a: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> Any:
    if a.dtype.itemsize <= 2 and a.dtype.kind in "fV":
        return a.astype(np.float32).prod(axis=dims, keepdims=keepdim).astype(a.dtype)
    return np.multiply.reduce(a, axis=dims, keepdims=keepdim, dtype=a.dtype)


def _prod_rule(
    g: Tensor, input: Tensor, out: Tensor, dims: tuple[int, ...], keepdim: bool
) -> Tensor:
    shape = input._array.shape
    grad = spread(g, shape, dims, keepdim)
    if not bool((input._array == 0).any()):
        return mul(grad, conj(div(spread(out, shape, dims, keepdim), input)))
    return mul(grad, conj(_products_of_others(input, dims)))


def _products_of_others(input: Tensor, dims: tuple[int, ...]) -> Tensor:
    """For each element, the product of all the others: right where some are zero."""
    order = [d for d in range(input._array.ndim) if d not in dims] + list(dims)
    moved = late.permute(input, order)
    lead = moved._array.shape[: input._array.ndim - len(dims)]
    flat = reshape(moved, (*lead, -1))
    n = flat._array.shape[-1]
    one = late.ones_like(flat[..., :1])
    before = late.cumprod(late.cat([one, flat[..., : n - 1]], -1), -1)
    after = late.flip(late.cumprod(late.cat([one, late.flip(flat[..., 1:], (-1,))], -1), -1), (-1,))
    others = reshape(mul(before, after), moved._array.shape)
    return late.permute(others, np.argsort(order).tolist())  # type: ignore[no-any-return]


PROD = Primitive("prod", _prod, params=("dims", "keepdim"), vjp={"input": _prod_rule})


def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The product of all elements, or along ``dim``. Integers are multiplied in int64.

    Examples::

        >>> torch.prod(torch.tensor([2, 3, 4]))
        tensor(24)
    """
    if dtype is not None:
        input = cast(input, dtype)
    elif input._array.dtype.kind in "iub":
        input = cast(input, dtypes.int64)
    result = apply1(PROD, input, wrap_dims(dim, input._array.ndim), keepdim)
    return result if out is None else write_out(out, result)


def _truth(function: Any) -> Any:
    def eager(a: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> Any:
        out = np.asarray(
            function(a != 0 if a.dtype.kind == "V" else a, axis=dims, keepdims=keepdim)
        )
        return out.astype(np.uint8) if a.dtype == np.uint8 else out

    return eager


ALL = Primitive("all", _truth(np.all), params=("dims", "keepdim"), vjp=INTEGER_RESULT)
ANY = Primitive("any", _truth(np.any), params=("dims", "keepdim"), vjp=INTEGER_RESULT)


def all(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Whether all elements (along ``dim``) are true.

    Examples::

        >>> torch.all(torch.tensor([True, False]))
        tensor(False)
    """
    result = apply1(ALL, input, _truth_dims(dim, input), keepdim)
    return result if out is None else write_out(out, result)


def _truth_dims(dim: Any, input: Tensor) -> tuple[int, ...]:
    if isinstance(dim, (tuple, list)) and not dim:
        return ()
    return wrap_dims(dim, input._array.ndim)


def any(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Whether some element (along ``dim``) is true.

    Examples::

        >>> torch.any(torch.tensor([True, False]))
        tensor(True)
    """
    result = apply1(ANY, input, _truth_dims(dim, input), keepdim)
    return result if out is None else write_out(out, result)


@quiet
def _var(a: np.ndarray, dims: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    wide = a.astype(np.float64) if a.dtype.kind != "c" else a.astype(np.complex128)
    if a.dtype.kind == "V":
        wide = a.astype(np.float32).astype(np.float64)
    count = math.prod([a.shape[d] for d in dims])
    center = wide.mean(axis=dims, keepdims=True) if wide.size else np.zeros((1,) * a.ndim)
    delta = wide - center
    square = (delta * delta.conj()).real if a.dtype.kind == "c" else delta * delta
    total = np.asarray(square.sum(axis=dims, keepdims=keepdim))
    if not dims:
        count = 1
    real = np.float32 if a.dtype == np.complex64 else np.float64 if a.dtype.kind == "c" else a.dtype
    return (total / np.float64(max(count - correction, 0))).astype(real)


def _var_rule(
    g: Tensor, input: Tensor, dims: tuple[int, ...], correction: float, keepdim: bool
) -> Tensor:
    shape = input._array.shape
    count = math.prod([shape[d] for d in dims])
    center = mean(input, dims, keepdim=True) if dims else input
    grad = spread(g, shape, dims, keepdim)
    scale = 2.0 / (count - correction) if count > correction else float("nan")
    return mul(mul(grad, sub(input, center)), scale)


VAR = Primitive("var", _var, params=("dims", "correction", "keepdim"), vjp={"input": _var_rule})


def _correction(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, float]:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        return dim, 1.0 if unbiased else 0.0
    return dim, 1.0 if correction is None else float(correction)


def _need_float(name: str, input: Tensor) -> None:
    if input._array.dtype.kind in "iub":
        raise RuntimeError(f"{name} only support floating point and complex dtypes")


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    r"""Variance, :math:`\frac{1}{N - \text{correction}} \sum (x - \bar x)^2`.

    Args:
        dim: a dimension, several, or None for all.
        unbiased: False for ``correction=0``.
        correction: what is subtracted from the number of elements (default 1).

    Examples::

        >>> torch.var(torch.tensor([1., 2., 3.]))
        tensor(1.)
    """
    _need_float("std and var", input)
    dim, correction = _correction(dim, unbiased, correction)
    dims = wrap_dims(dim, input._array.ndim)
    result = apply1(VAR, input, dims, correction, keepdim)
    return result if out is None else write_out(out, result)


def _std_rule(
    g: Tensor, input: Tensor, out: Tensor, dims: tuple[int, ...], correction: float, keepdim: bool
) -> Tensor:
    scaled = div(g, mul(out, 2))
    scaled = late.where(late.eq(out, 0), late.zeros_like(scaled), scaled)
    return _var_rule(scaled, input, dims, correction, keepdim)


@quiet
def _std(a: np.ndarray, dims: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    wide = a if a.dtype.kind == "c" else a.astype(np.float64)
    root = np.sqrt(_var(wide, dims, correction, keepdim))
    real = np.float32 if a.dtype == np.complex64 else np.float64 if a.dtype.kind == "c" else a.dtype
    return np.asarray(root).astype(real)


STD = Primitive("std", _std, params=("dims", "correction", "keepdim"), vjp={"input": _std_rule})


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Standard deviation, the root of :func:`var`. Args: as there.

    Examples::

        >>> torch.std(torch.tensor([1., 2., 3.]))
        tensor(1.)
    """
    _need_float("std and var", input)
    dim, correction = _correction(dim, unbiased, correction)
    result = apply1(STD, input, wrap_dims(dim, input._array.ndim), correction, keepdim)
    return result if out is None else write_out(out, result)


def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean. Args: as for :func:`var`."""
    dim, correction = _correction(dim, unbiased, correction)
    return var(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean. Args: as for :func:`var`."""
    dim, correction = _correction(dim, unbiased, correction)
    return std(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """The number of elements that are not zero, of all or along ``dim``.

    Examples::

        >>> torch.count_nonzero(torch.tensor([0, 3, 4]))
        tensor(2)
    """
    return sum(late.ne(input, 0), dim)


def nansum(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum, NaN counted as zero. Args: as for :func:`sum`."""
    if input._array.dtype.kind == "c":
        raise RuntimeError("nansum does not support complex inputs")
    clean = late.where(late.isnan(input), late.zeros_like(input), input)
    return sum(clean, dim, keepdim, dtype=dtype, out=out)


def nanmean(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of the elements that are not NaN. Args: as for :func:`mean`."""
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{dtypes.SCALAR_TYPE_NAMES[input.dtype]}"
        )
    count = sum(late.logical_not(late.isnan(input)), dim, keepdim)
    clean = late.where(late.isnan(input), late.zeros_like(input), input)
    return div(sum(clean, dim, keepdim, dtype=dtype), count, out=out)


@quiet
def _logsumexp(a: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> Any:
    kind = a.dtype
    if kind.itemsize <= 2:
        a = a.astype(np.float32)
    if a.size == 0:
        return np.log(np.sum(np.exp(a), axis=dims, keepdims=keepdim)).astype(kind)
    if kind.kind == "c":
        top = np.max(a.real, axis=dims, keepdims=True)
    else:
        top = np.max(a, axis=dims, keepdims=True)
    top = np.where(np.isinf(top), 0, top).astype(top.dtype)
    total = np.log(np.sum(np.exp(a - top), axis=dims, keepdims=True)) + top
    if not keepdim:
        total = np.squeeze(total, dims)
    return total.astype(kind, copy=False)


def _logsumexp_rule(
    g: Tensor, input: Tensor, out: Tensor, dims: tuple[int, ...], keepdim: bool
) -> Tensor:
    shape = input._array.shape
    weights = exp(sub(input, spread(out, shape, dims, keepdim)))
    weights = late.where(late.isnan(weights), late.zeros_like(weights), weights)
    return mul(spread(g, shape, dims, keepdim), conj(weights))


LOGSUMEXP = Primitive(
    "logsumexp", _logsumexp, params=("dims", "keepdim"), vjp={"input": _logsumexp_rule}
)


def logsumexp(
    input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    r"""Logarithm of the sum of exponentials, :math:`\log \sum_j e^{x_j}`, without overflow.

    Examples::

        >>> torch.logsumexp(torch.tensor([1000., 1000.]), 0)
        tensor(1000.6932)
    """
    if input._array.dtype.kind in "iub":
        input = cast(input, defaults.dtype)
    result = apply1(LOGSUMEXP, input, wrap_dims(dim, input._array.ndim), keepdim)
    return result if out is None else write_out(out, result)


BOTH = """
    all any count_nonzero logsumexp nanmean nansum prod std var
"""
TORCH = """
    std_mean var_mean
"""
