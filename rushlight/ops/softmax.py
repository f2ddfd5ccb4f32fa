"""Softmax and its logarithm."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base.dtypes import dtype as Dtype
from rushlight.base.quiet import numeric
from rushlight.core.state import state
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import wrap_dim, write_out
from rushlight.ops._elementwise import kernel
from rushlight.ops._primitive import Primitive, apply1, apply2
from rushlight.ops._promote import cast
from rushlight.ops.activation import check_floating
from rushlight.ops.elementwise import mul, sub
from rushlight.ops.linear import FUSED
from rushlight.ops.pointwise import exp
from rushlight.ops.reduction import sum

Array = np.ndarray


def softmax_array(x: Array, dim: int) -> Array:
    """The softmax of an array along ``dim``."""
    if x.ndim == 0:
        return np.ones_like(x)
    if not x.size:
        return x.copy()
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    e /= e.sum(axis=dim, keepdims=True)
    return e


def log_softmax_array(x: Array, dim: int) -> Array:
    """The logarithm of the softmax of an array along ``dim``."""
    if x.ndim == 0:
        return np.zeros_like(x)
    if not x.size:
        return x.copy()
    shifted = x - x.max(axis=dim, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
    return shifted


def _softmax_backward(g: Array, out: Array, dim: int) -> Array:
    if g.ndim == 0:
        return np.zeros_like(g)
    part = g * out
    return part - out * part.sum(axis=dim, keepdims=True)


def _log_softmax_backward(g: Array, out: Array, dim: int) -> Array:
    if g.ndim == 0:
        return np.zeros_like(g)
    return g - np.exp(out) * g.sum(axis=dim, keepdims=True)


_along_dim = kernel("softmax.along_dim")
_F32 = np.dtype(np.float32)


def _native(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` by the native kernel where there is one: for float32."""
    other = numeric(function)

    def eager(*args: Any) -> Any:
        x = args[0]
        if x.dtype == _F32 and x.ndim and x.size:
            return _along_dim(name, args[-1], *args[:-1])
        return other(*args)

    return eager


SOFTMAX_BACKWARD = Primitive(
    "softmax_backward",
    _native("softmax_backward", _softmax_backward),
    inputs=("g", "result"),
    params=("dim",),
    vjp=FUSED,
)
LOG_SOFTMAX_BACKWARD = Primitive(
    "log_softmax_backward",
    _native("log_softmax_backward", _log_softmax_backward),
    inputs=("g", "result"),
    params=("dim",),
    vjp=FUSED,
)


def _softmax_rule(g: Tensor, out: Tensor, dim: int) -> Tensor:
    if not state.grad_enabled:
        return apply2(SOFTMAX_BACKWARD, g, out, dim)
    part = mul(g, out)
    return sub(part, mul(out, sum(part, dim, True)))


def _log_softmax_rule(g: Tensor, out: Tensor, dim: int) -> Tensor:
    if not state.grad_enabled:
        return apply2(LOG_SOFTMAX_BACKWARD, g, out, dim)
    return sub(g, mul(exp(out), sum(g, dim, True)))


SOFTMAX = Primitive(
    "softmax", _native("softmax", softmax_array), params=("dim",), vjp={"input": _softmax_rule}
)
LOG_SOFTMAX = Primitive(
    "log_softmax",
    _native("log_softmax", log_softmax_array),
    params=("dim",),
    vjp={"input": _log_softmax_rule},
)


def _prepare(name: str, input: Tensor, dim: Any, dtype: Dtype | None) -> Any:
    if dtype is not None:
        input = cast(input, dtype)
    array = input._array
    dim = wrap_dim(dim, array.ndim)
    if array.dtype.kind in "iubc":
        last = "lastdim_" if dim == max(array.ndim, 1) - 1 else ""
        check_floating(f"{name}_{last}kernel_impl", input)
    return input, dim


def softmax(
    input: Tensor, dim: int, dtype: Dtype | None = None, *, out: Tensor | None = None
) -> Tensor:
    r"""Exponentials divided by their sum along ``dim``, :math:`e^{x_i} / \sum_j e^{x_j}`.

    Args:
        dim: the dimension along which the results sum to 1.
        dtype: what ``input`` is cast to first.

    Examples::

        >>> torch.softmax(torch.tensor([0., 0.]), dim=0)
        tensor([0.5000, 0.5000])
    """
    input, dim = _prepare("softmax", input, dim, dtype)
    result = apply1(SOFTMAX, input, dim)
    return result if out is None else write_out(out, result)


def log_softmax(
    input: Tensor, dim: int, dtype: Dtype | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The logarithm of :func:`softmax`, without the loss of accuracy of taking both.

    Args: as for :func:`softmax`.

    Examples::

        >>> torch.log_softmax(torch.tensor([0., 0.]), dim=0)
        tensor([-0.6931, -0.6931])
    """
    input, dim = _prepare("log_softmax", input, dim, dtype)
    result = apply1(LOG_SOFTMAX, input, dim)
    return result if out is None else write_out(out, result)


BOTH = """
    log_softmax softmax
"""
