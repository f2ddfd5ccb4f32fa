"""Sums, means and extremes over dimensions."""

import math
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.quiet import quiet
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import wrap_dims, write_out
from rushlight.ops._elementwise import kernel
from rushlight.ops._primitive import Primitive, apply1
from rushlight.ops._promote import cast
from rushlight.ops.elementwise import div
from rushlight.ops.shape import expand, reshape


def keep_shape(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` with 1 in the reduced dims."""
    return tuple([1 if i in dims else n for i, n in enumerate(shape)])


def spread(g: Tensor, shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """A reduced tensor put back along the reduced dims."""
    if not keepdim and len(dims) != len(shape):
        g = reshape(g, keep_shape(shape, dims))
    elif g._array.ndim != len(shape):
        g = reshape(g, (1,) * len(shape))
    return expand(g, shape)


def _spread(g: np.ndarray, shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> Any:
    out = np.empty(shape, g.dtype)
    if g.ndim == 0:
        out.fill(g)
    else:
        np.copyto(out, g if keepdim else g.reshape(keep_shape(shape, dims)))
    return out


# The gradient of a sum, in memory of its own: what follows reads it in order.
SPREAD = Primitive(
    "spread",
    _spread,
    params=("shape", "dims", "keepdim"),
    vjp={"input": lambda g, dims, keepdim: apply1(SUM, g, dims, keepdim)},
    node_name="ExpandBackward0",
)


def _sum(a: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> Any:
    if len(dims) == a.ndim and not keepdim:
        return (SUM_ALL.made or SUM_ALL)(a)
    return _sum_dims(a, dims, keepdim)


@quiet
def _sum_dims(a: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> Any:
    if a.dtype.itemsize <= 2 and a.dtype.kind in "fV":
        return a.astype(np.float32).sum(axis=dims, keepdims=keepdim).astype(a.dtype)
    return np.add.reduce(a, axis=dims, keepdims=keepdim, dtype=a.dtype)


def filled(number: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array of one number. (In machine code where there is some.)"""
    out = np.empty(shape, number.dtype)
    out.fill(number)  # type: ignore[arg-type]
    return out


FILLED = Primitive(
    "filled",
    filled,
    params=("shape",),
    vjp={"input": lambda g: sum(g)},
    node_name="ExpandBackward0",
)
SUM_ALL = kernel("reduction.sum_all")
TOTAL = Primitive(
    "total",
    SUM_ALL,
    vjp={"input": lambda g, input_shape: apply1(FILLED, g, input_shape)},
    node_name="SumBackward0",
)
SUM_ALL.primitive = TOTAL
SUM = Primitive(
    "sum",
    _sum,
    params=("dims", "keepdim"),
    vjp={
        "input": lambda g, input_shape, dims, keepdim: apply1(SPREAD, g, input_shape, dims, keepdim)
    },
    node_name="SumBackward1",
)


def sum(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum of all elements, or along dimensions.

    Args:
        dim: a dimension, several, or None for all.
        keepdim: keep the reduced dimensions, with size 1.
        dtype: of the result; integers and bools are summed in int64 by default.

    Examples::

        >>> torch.sum(torch.tensor([[1, 2], [3, 4]]), dim=1)
        tensor([3, 7])
    """
    if dtype is not None:
        input = cast(input, dtype)
    elif input._array.dtype.kind in "iub":
        input = cast(input, dtypes.int64)
    if dim is None and not keepdim:
        result = apply1(TOTAL, input)
        return result if out is None else write_out(out, result)
    dims = wrap_dims(dim, input._array.ndim)
    result = apply1(SUM, input, dims, keepdim)
    return result if out is None else write_out(out, result)


def mean(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of all elements, or along dimensions; floating-point or complex only.

    Args: as for :func:`sum`.

    Examples::

        >>> torch.mean(torch.tensor([1., 2., 6.]))
        tensor(3.)
    """
    if dtype is not None:
        input = cast(input, dtype)
    if input._array.dtype.kind in "iub":
        kind = dtypes.SCALAR_TYPE_NAMES[input.dtype]
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {kind}"
        )
    dims = wrap_dims(dim, input._array.ndim)
    result = apply1(MEAN_ALL if dim is None and not keepdim else MEAN, input, dims, keepdim)
    return result if out is None else write_out(out, result)


@quiet
def _mean(a: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> Any:
    count = math.prod([a.shape[d] for d in dims])
    wide = a.astype(np.float32) if a.dtype.itemsize <= 2 else a
    total = np.add.reduce(wide, axis=dims, keepdims=keepdim, dtype=wide.dtype)
    return np.asarray(np.true_divide(total, np.array(count, wide.dtype))).astype(
        a.dtype, copy=False
    )


def _mean_rule(
    g: Tensor, input_shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool
) -> Tensor:
    count = math.prod([input_shape[d] for d in dims])
    return apply1(SPREAD, div(g, count), input_shape, dims, keepdim)


# Two, for PyTorch's names: MeanBackward0 of all elements, MeanBackward1 along dimensions.
MEAN_ALL = Primitive("mean", _mean, params=("dims", "keepdim"), vjp={"input": _mean_rule})
MEAN = Primitive(
    "mean_dim",
    _mean,
    params=("dims", "keepdim"),
    vjp={"input": _mean_rule},
    node_name="MeanBackward1",
)

BOTH = """
    mean sum
"""
