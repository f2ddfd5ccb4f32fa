"""Activations with a learnt slope or a gate."""

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import numeric
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import wrap_dim, write_out
from rushlight.ops._primitive import Primitive, apply2
from rushlight.ops.activation import check_floating
from rushlight.ops.elementwise import add, mul, sub
from rushlight.ops.pointwise import sigmoid
from rushlight.ops.shape import reshape, slice_dim


def _low(input: Tensor) -> Tensor:
    """1 where ``input`` is not positive, else 0."""
    return wrap(np.asarray(~(input._array > 0)).astype(input._array.dtype))


def _prelu_input(g: Tensor, input: Tensor, weight: Tensor) -> Tensor:
    low = _low(input)
    return mul(g, add(mul(low, weight), sub(1, low)))


def _prelu_weight(g: Tensor, input: Tensor) -> Tensor:
    return mul(g, mul(input, _low(input)))


PRELU = Primitive(
    "prelu_kernel",
    numeric(lambda x, w: np.where(x > 0, x, x * w)),
    inputs=("input", "weight"),
    vjp={"input": _prelu_input, "weight": _prelu_weight},
    broadcast=True,
)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``x`` where positive, else ``weight * x`` with a learnt weight, one or one per channel.

    Shape:
        - input: (N, C, *) or of any shape with one weight; weight: (1,) or (C,)
    """
    x, w = input._array, weight._array
    if w.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {w.ndim}")  # fmt: skip
    if w.size != 1:
        if x.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = x.shape[1] if x.ndim > 1 else 1
        if channels != w.size:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{w.size} and channel size = {channels}."
            )
    if x.dtype != w.dtype:
        raise RuntimeError(
            "prelu: Type promoting not supported. Got "
            f"{SCALAR_TYPE_NAMES[input.dtype]} and {SCALAR_TYPE_NAMES[weight.dtype]}"
        )
    check_floating("prelu_cpu", input)
    if x.ndim > 1:
        weight = reshape(weight, (1, w.size) + (1,) * (x.ndim - 2))
    elif w.ndim and not x.ndim:
        weight = reshape(weight, ())
    return apply2(PRELU, input, weight)


def glu(input: Tensor, dim: int = -1, *, out: Tensor | None = None) -> Tensor:
    r"""Gated linear unit, :math:`a \, \sigma(b)` for the halves a and b of ``input`` along ``dim``.

    Raises RuntimeError if the size of ``dim`` is odd.
    """
    shape = input._array.shape
    if not shape:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = wrap_dim(dim, len(shape))
    if shape[dim] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim} is size {shape[dim]}"
        )
    half = shape[dim] // 2
    check_floating("glu_cpu", input)
    a, b = slice_dim(input, dim, 0, half), slice_dim(input, dim, half, None)
    result = mul(a, sigmoid(b))
    return result if out is None else write_out(out, result)
