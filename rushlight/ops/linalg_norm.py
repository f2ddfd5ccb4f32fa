"""Norms of vectors and matrices, condition numbers and ranks."""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.base.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import wrap_dims, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply1
from rushlight.ops._promote import cast
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import abs, div, mul, pow, sub
from rushlight.ops.extremes import amax, amin
from rushlight.ops.linalg_factor import check_matrix, eigh, svd, svdvals, with_history
from rushlight.ops.linalg_solve import cutoff, inv
from rushlight.ops.pointwise import sgn
from rushlight.ops.reduction import spread, sum
from rushlight.ops.shape import reshape, unsqueeze

INF = float("inf")


@quiet
def _norm2(a: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> Any:
    wide = a.astype(np.float32) if a.dtype.itemsize <= 2 else a
    square = (wide * wide.conj()).real if a.dtype.kind == "c" else wide * wide
    out = np.sqrt(np.add.reduce(square, axis=dims, keepdims=keepdim, dtype=square.dtype))
    return np.asarray(out).astype(a.dtype if a.dtype.kind != "c" else square.dtype, copy=False)


def _norm2_rule(
    g: Tensor, input: Tensor, out: Tensor, dims: tuple[int, ...], keepdim: bool
) -> Tensor:
    shape = input._array.shape
    norm = spread(out, shape, dims, keepdim)
    grad = mul(input, div(spread(g, shape, dims, keepdim), norm))
    return late.masked_fill(grad, late.eq(norm, 0), 0)  # type: ignore[no-any-return]


NORM2 = Primitive(
    "linalg_vector_norm", _norm2, params=("dims", "keepdim"), vjp={"input": _norm2_rule}
)


def _power_norm(a: np.ndarray, p: float, dims: tuple[int, ...], keepdim: bool) -> Any:
    size = np.abs(a.astype(np.float32) if a.dtype.itemsize <= 2 else a)
    total = np.add.reduce(size**p, axis=dims, keepdims=keepdim)
    out = np.asarray(total ** (1 / p))
    return out.astype(a.dtype if a.dtype.kind != "c" else size.dtype, copy=False)


def _power_norm_rule(
    g: Tensor, input: Tensor, out: Tensor, p: float, dims: tuple[int, ...], keepdim: bool
) -> Tensor:
    shape = input._array.shape
    norm, grad = spread(out, shape, dims, keepdim), spread(g, shape, dims, keepdim)
    if p < 1:
        scaled = mul(sgn(input), late.masked_fill(pow(abs(input), p - 1), late.eq(input, 0), 0))
        return mul(scaled, mul(grad, pow(norm, 1 - p)))
    if p < 2:
        scaled = mul(sgn(input), pow(abs(input), p - 1))
        ratio = late.masked_fill(div(grad, pow(norm, p - 1)), late.eq(norm, 0), 0)
        return mul(scaled, ratio)
    ratio = late.masked_fill(div(grad, pow(norm, p - 1)), late.eq(norm, 0), 0)
    return mul(mul(input, pow(abs(input), p - 2)), ratio)


POWER_NORM = Primitive(
    "linalg_vector_norm_p",
    quiet(_power_norm),
    params=("p", "dims", "keepdim"),
    vjp={"input": _power_norm_rule},
    node_name="LinalgVectorNormBackward0",
)


def _float_input(name: str, x: Tensor, dtype: Dtype | None) -> Tensor:
    if dtype is not None:
        if x.dtype.is_complex and not dtype.is_complex:
            raise RuntimeError(
                f"{name}: dtype should be complex for complex inputs, but got {dtype}"
            )
        return cast(x, dtype)
    if x.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.SCALAR_TYPE_NAMES[x.dtype]}"
        )
    return x


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    r"""Vector norm, :math:`(\sum |x|^p)^{1/p}`; inf, -inf and 0 by their usual meanings.

    Args:
        ord: p.
        dim: a dimension, several, or None for all.
    """
    x = _float_input("linalg.vector_norm", x, dtype)
    dims = wrap_dims(dim, x._array.ndim)
    if isinstance(dim, (tuple, list)) and not dim:
        dims = tuple(range(x._array.ndim))
    ord = float(ord)
    if ord == 2:
        result = apply1(NORM2, x, dims, keepdim)
    elif ord == 1:
        result = sum(abs(x), dims, keepdim)
    elif ord == INF or ord == -INF:
        _need_elements(x, dims, ord)
        size = abs(x)
        if not dims:
            result = size
        elif 0 in x._array.shape:
            result = sum(size, dims, keepdim)
        else:
            result = (amax if ord > 0 else amin)(size, dims, keepdim)
    elif ord == 0:
        counted = with_history(x, cast(late.ne(x, 0), abs(x.detach()).dtype))
        result = sum(counted, dims, keepdim) if dims else counted
    else:
        if ord < 0:
            _need_elements(x, dims, ord)
        result = apply1(POWER_NORM, x, ord, dims, keepdim)
    return result if out is None else write_out(out, result)


def _need_elements(x: Tensor, dims: tuple[int, ...], ord: float) -> None:
    for d in dims:
        if x._array.shape[d] == 0 and ord != INF:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord} norm on the dimension {d} because "
                "this dimension is empty and the operation does not have an identity"
            )


def _to_last(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    return late.movedim(x, dims, (-2, -1))  # type: ignore[no-any-return]


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Matrix norm: "fro", "nuc", inf, -inf, 1, -1, 2 or -2."""
    x = _float_input("linalg.matrix_norm", A, dtype)
    if x._array.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    dims = wrap_dims(tuple(dim), x._array.ndim)
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {list(dim)}")
    if ord == "fro":
        result = vector_norm(x, 2, dims, keepdim)
        return result if out is None else write_out(out, result)
    if ord == "nuc" or (not isinstance(ord, str) and float(ord) in (2.0, -2.0)):
        values = svd(_to_last(x, dims), False)[1]
        if ord == "nuc" or (float(ord) > 0 and values._array.shape[-1] == 0):
            result = sum(values, -1)
        else:
            result = (amax if float(ord) > 0 else amin)(values, -1)
    elif not isinstance(ord, str) and float(ord) in (1.0, -1.0, INF, -INF):
        row, column = (0, 1) if np.abs(ord) == 1 else (1, 0)
        sums = sum(abs(_to_last(x, dims)), row - 2, keepdim=True)
        if sums._array.shape[column - 2] == 0 and ord > 0:
            result = sum(sums, (column - 2, row - 2))
        else:
            result = (amax if ord > 0 else amin)(sums, (column - 2, row - 2))
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if keepdim:
        shape = [1 if i in dims else n for i, n in enumerate(x._array.shape)]
        result = reshape(result, tuple(shape))
    return result if out is None else write_out(out, result)


def norm(
    A: Tensor,
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
) -> Tensor:
    """Vector or matrix norm, by the number of dims and the kind of ``ord``."""
    dims = None if dim is None else ((dim,) if isinstance(dim, int) else tuple(dim))
    if ord is not None:
        count = A._array.ndim if dims is None else len(dims)
        if isinstance(ord, str) or count == 2:
            if dims is None and A._array.ndim != 2:
                raise RuntimeError(
                    "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
                    f"Got {A._array.ndim}D."
                )
            return matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype, out=out)
        if dims is None and A._array.ndim > 2:
            raise RuntimeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                f"{A._array.ndim}D."
            )
        return vector_norm(A, ord, dims, keepdim, dtype=dtype, out=out)
    return vector_norm(A, 2, dims, keepdim, dtype=dtype, out=out)


def old_norm(
    input: Tensor,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
) -> Tensor:
    """``torch.norm``: vector norm over ``dim`` ("fro": 2), or "nuc".

    Examples::

        >>> torch.norm(torch.tensor([3., 4.]))
        tensor(5.)
    """
    if p == "nuc":
        dims = dim if dim is not None else (-2, -1)
        return matrix_norm(input, "nuc", dims, keepdim, dtype=dtype, out=out)
    ord = 2.0 if p == "fro" or p is None else float(p)
    return vector_norm(input, ord, dim, keepdim, dtype=dtype, out=out)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    return vector_norm(sub(input, other), p)


def cond(A: Tensor, p: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Condition number with respect to a matrix norm (default: 2)."""
    check_matrix("linalg.cond", A)
    if p is None or (not isinstance(p, str) and float(p) in (2.0, -2.0)):
        values = svd(A, False)[1]
        if values._array.size == 0:
            result = wrap(np.zeros(A._array.shape[:-2], values._array.dtype))
        else:
            large, small = values[..., 0], values[..., -1]
            result = div(small, large) if p is not None and float(p) < 0 else div(large, small)
    else:
        result = mul(matrix_norm(A, p), matrix_norm(inv(A), p))
    return result if out is None else write_out(out, result)


def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The number of singular values that do not count as zero (see :func:`linalg.pinv`)."""
    check_matrix("linalg.matrix_rank", A)
    if tol is not None:
        atol, rtol = tol, 0.0
    a = A.detach()  # type: ignore[attr-defined]
    values = late.abs(eigh(a)[0]) if hermitian else svdvals(a)
    limit = cutoff(values._array, a._array.shape, atol, rtol)
    result = sum(late.gt(values, unsqueeze(wrap(limit), -1)), -1)
    return result if out is None else write_out(out, result)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """Dot products along ``dim``, the first operand conjugated."""
    if x.dtype.category == 2 and x.dtype.itemsize <= 2 and y.dtype is x.dtype:
        wide = [cast(t, dtypes.float32) for t in (x, y)]  # rounded once
        result = cast(sum(mul(*wide), dim), x.dtype)
    else:
        result = sum(mul(conj(x), y), dim)
    return result if out is None else write_out(out, result)


def renorm(
    input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None
) -> Tensor:
    """``input`` with each slice along ``dim`` scaled down to a norm of at most ``maxnorm``."""
    ndim = input._array.ndim
    if ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {ndim} dimensions")
    others = [d for d in range(ndim) if d != dim % ndim]
    norms = vector_norm(input, p, others, keepdim=True)
    factor = late.where(late.gt(norms, maxnorm), div(maxnorm, norms + 1e-7), late.ones_like(norms))
    result = mul(input, cast(factor, input.dtype))
    return result if out is None else write_out(out, result)
