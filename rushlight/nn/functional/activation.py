"""Activations whose signature here differs from that of ``torch``, and samples."""

import warnings

import numpy as np

from rushlight.autograd.access import detach
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops import softmax as ops
from rushlight.ops._dispatch import wrap_dim
from rushlight.ops._late import late
from rushlight.ops.elementwise import add, div, neg, sub
from rushlight.ops.pointwise import log, sigmoid, tanh


def _implicit_dim(name: str, ndim: int, level: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=level,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    r"""Exponentials divided by their sum along ``dim``, :math:`e^{x_i} / \sum_j e^{x_j}`.

    Args:
        dim: the dimension along which the results sum to 1.
        dtype: what ``input`` is cast to first.

    Examples::

        >>> torch.nn.functional.softmax(torch.tensor([0., 0.]), dim=0)
        tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.ndim, _stacklevel)
    return ops.softmax(input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """The logarithm of :func:`softmax`, computed in one go."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.ndim, _stacklevel)
    return ops.log_softmax(input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """The :func:`softmax` of ``-input``."""
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim, _stacklevel)
    return ops.softmax(neg(input), dim, dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of the Gumbel-softmax distribution.

    Args:
        logits: unnormalised log-probabilities.
        tau: the temperature.
        hard: return one-hot vectors, whose gradient is that of the soft sample.
        eps: without effect.
        dim: the dimension along which the sample is drawn.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = neg(log(late.exponential_(late.empty_like(detach(logits)))))
    soft = ops.softmax(div(add(logits, noise), tau), dim)
    if not hard:
        return soft
    dim = wrap_dim(dim, logits.ndim)
    index = np.expand_dims(np.argmax(soft._array, axis=dim), dim)
    hot = np.zeros_like(soft._array)
    np.put_along_axis(hot, index, 1, axis=dim)
    return add(sub(wrap(hot), detach(soft)), soft)


__all__ = ["gumbel_softmax", "log_softmax", "sigmoid", "softmax", "softmin", "tanh"]
