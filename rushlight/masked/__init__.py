"""``torch.masked``: reductions and normalisations that skip masked-out elements.

``mask`` is a bool tensor that broadcasts with the input; elements where it is False do not count.
Where nothing counts, the result is the reduction's identity, or NaN.
"""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor
from rushlight.ops.table import FUNCTIONS as F


def _dims(input: Tensor, dim: Any) -> tuple[int, ...]:
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(input.dim()))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    n = max(input.dim(), 1)
    for d in dims:
        if not -n <= d < n:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})"
            )
    return tuple(d % n for d in dims) if input.dim() else ()


def _spread(input: Tensor, mask: Any) -> Any:
    """The mask in the shape of the input; None for none."""
    if mask is None:
        return None
    if mask._array.ndim > input._array.ndim:
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the "
            "input)"
        )
    return F["broadcast_to"](mask.bool(), input.shape)


def _fill(input: Tensor, mask: Any, value: Any) -> Tensor:
    found = _spread(input, mask)
    if found is None:
        return input
    return F["where"](found, input, F["full_like"](input, value))  # type: ignore[no-any-return]


def _lowest(kind: dtypes.dtype) -> Any:
    if kind is dtypes.bool_:
        return False
    return float("-inf") if kind.category >= 2 else int(np.iinfo(kind.np).min)


def _highest(kind: dtypes.dtype) -> Any:
    if kind is dtypes.bool_:
        return True
    return float("inf") if kind.category >= 2 else int(np.iinfo(kind.np).max)


def _cast(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else input.to(dtype)  # type: ignore[attr-defined, no-any-return]


def sum(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
        mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The sum of the elements that count."""
    x = _cast(input, dtype or (dtypes.int64 if input.dtype.category < 2 else None))
    dims = _dims(x, dim)
    found = _fill(x, mask, 0)
    return F["sum"](found, dims, keepdim) if dims or not x.dim() else found  # type: ignore[no-any-return]


def prod(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The product of the elements that count."""
    x = _cast(input, dtype or (dtypes.int64 if input.dtype.category < 2 else None))
    found = _fill(x, mask, 1)
    for d in sorted(_dims(x, dim), reverse=True):
        found = F["prod"](found, d, keepdim=keepdim)
    return found


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The running sum of the elements that count."""
    x = _cast(input, dtype)
    return F["cumsum"](_fill(x, mask, 0), dim)  # type: ignore[no-any-return]


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The running product of the elements that count."""
    x = _cast(input, dtype)
    return F["cumprod"](_fill(x, mask, 1), dim)  # type: ignore[no-any-return]


def amax(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The largest of the elements that count."""
    x = _cast(input, dtype)
    return F["amax"](_fill(x, mask, _lowest(x.dtype)), _dims(x, dim), keepdim)  # type: ignore[no-any-return]


def amin(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The smallest of the elements that count."""
    x = _cast(input, dtype)
    return F["amin"](_fill(x, mask, _highest(x.dtype)), _dims(x, dim), keepdim)  # type: ignore[no-any-return]


def argmax(input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None,
           mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The place of the largest of the elements that count, as a number of the input's dtype."""
    found = F["argmax"](_fill(input, mask, _lowest(input.dtype)), dim, keepdim)
    return _cast(found, dtype or input.dtype)  # type: ignore[no-any-return]


def argmin(input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None,
           mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The place of the smallest of the elements that count, as a number of the input's dtype."""
    found = F["argmin"](_fill(input, mask, _highest(input.dtype)), dim, keepdim)
    return _cast(found, dtype or input.dtype)  # type: ignore[no-any-return]


def _count(x: Tensor, dims: tuple[int, ...], keepdim: bool, mask: Tensor | None) -> Tensor:
    found = _spread(x, mask)
    ones = F["ones_like"](x, dtype=dtypes.int64) if found is None else found.to(dtypes.int64)
    return F["sum"](ones, dims, keepdim) if dims or not x.dim() else ones  # type: ignore[no-any-return]


def mean(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The mean of the elements that count."""
    x = _cast(input, dtype or (defaults.dtype if input.dtype.category < 2 else None))
    dims = _dims(x, dim)
    return sum(x, dims, keepdim=keepdim, mask=mask) / _count(x, dims, keepdim, mask)  # type: ignore[no-any-return, operator]


def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None,
           mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The median of the elements that count."""
    x = _cast(input, dtype)
    if mask is None:
        return F["median"](x, dim, keepdim)[0]  # type: ignore[no-any-return]
    return F["nanmedian"](_fill(x, mask, float("nan")), dim, keepdim)[0]  # type: ignore[no-any-return]


def _moments(
    x: Tensor, dim: Any, unbiased: bool | None, correction: Any, keepdim: bool, mask: Any
) -> Tensor:
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    dims, kind = _dims(x, dim), x.dtype
    if kind.itemsize <= 2:
        x = _cast(x, dtypes.float32)  # rounded once, at the end
    center = mean(x, dims, keepdim=True, mask=mask)
    delta = x - center  # type: ignore[operator]
    total = sum(delta * delta.conj(), dims, keepdim=keepdim, mask=mask)
    if correction is None:
        correction = 0 if unbiased is False else 1
    left = _count(x, dims, keepdim, mask) - correction  # type: ignore[operator]
    return _cast(total / F["clamp"](left, min=0), kind)  # type: ignore[operator]


def var(input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None,
        keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The variance of the elements that count.

    Args:
        unbiased: divide by their number less one (default).
        correction: what is subtracted from their number instead.
    """
    x = _cast(input, dtype or (defaults.dtype if input.dtype.category < 2 else None))
    return _moments(x, dim, unbiased, correction, keepdim, mask)


def std(input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None,
        keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The standard deviation of the elements that count. Args: as for :func:`var`."""
    x = _cast(input, dtype or (defaults.dtype if input.dtype.category < 2 else None))
    return F["sqrt"](_moments(x, dim, unbiased, correction, keepdim, mask))  # type: ignore[no-any-return]


def logsumexp(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
              mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The logarithm of the sum of exponentials of the elements that count, in the input's dtype."""
    found = F["logsumexp"](_fill(input, mask, _lowest(input.dtype)), _dims(input, dim), keepdim)
    return _cast(found, dtype or input.dtype)


def logaddexp(input: Tensor, other: Tensor, *, dtype: Any = None, input_mask: Tensor | None = None,
              other_mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """``log(exp(input) + exp(other))`` of the elements that count."""
    a, b = _cast(input, dtype), _cast(other, dtype)
    a, b = _fill(a, input_mask, float("-inf")), _fill(b, other_mask, float("-inf"))
    return F["logaddexp"](a, b)  # type: ignore[no-any-return]


def norm(input: Tensor, ord: float = 2.0, dim: Any = None, *, keepdim: bool = False,
         dtype: Any = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The vector norm of the elements that count."""
    x = _cast(input, dtype)
    fill = float("inf") if float(ord) == float("-inf") else 0
    return F["norm"](_fill(x, mask, fill), float(ord), _dims(x, dim), keepdim)  # type: ignore[no-any-return]


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Softmax over the elements that count."""
    x = _cast(input, dtype)
    return F["softmax"](_fill(x, mask, float("-inf")), dim)  # type: ignore[no-any-return]


def log_softmax(
    input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The logarithm of :func:`softmax`."""
    x = _cast(input, dtype)
    return F["log_softmax"](_fill(x, mask, float("-inf")), dim)  # type: ignore[no-any-return]


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Softmax of the negated elements that count."""
    x = _cast(input, dtype)
    return F["softmax"](-_fill(x, mask, float("inf")), dim)  # type: ignore[no-any-return, operator]


def normalize(input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None,
              mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The elements that count, divided by their norm."""
    x = _cast(input, dtype)
    size = norm(x, ord, dim, keepdim=True, mask=mask)
    return _fill(x, mask, 0) / F["maximum"](size, F["full_like"](size, eps))  # type: ignore[no-any-return, operator]
