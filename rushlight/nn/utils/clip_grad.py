"""Limits on the size of gradients."""

import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, bump_version, wrap

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_",
    "get_total_norm",
]  # fmt: skip


def _listed(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _norm(array: np.ndarray, p: float) -> Any:
    flat = np.abs(array).ravel()
    if not flat.size:
        return flat.dtype.type(0)
    if p == np.inf:
        return flat.max()
    if p == -np.inf:
        return flat.min()
    if p == 2:
        return np.sqrt(np.dot(flat, flat))
    if p == 0:
        return flat.dtype.type(np.count_nonzero(flat))
    return (flat**p).sum() ** flat.dtype.type(1 / p)


def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    Args:
        tensors: a tensor, or several.
        norm_type: the degree; may be infinity.
        error_if_nonfinite: RuntimeError if the norm is not finite.

    Examples::

        >>> nn.utils.get_total_norm([torch.tensor([3.]), torch.tensor([4.])])
        tensor(5.)
    """
    arrays = [t._array for t in _listed(tensors)]
    norm_type = float(norm_type)
    if not arrays:
        return wrap(np.zeros((), np.float32))
    total = np.asarray(_norm(np.array([_norm(a, norm_type) for a in arrays]), norm_type))
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return wrap(total)


def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiplies all gradients by ``max_norm / total_norm`` if that is less than 1."""
    grads = [p._grad for p in _listed(parameters) if p._grad is not None]
    total = total_norm._array
    factor = np.minimum(float(max_norm) / (total + total.dtype.type(1e-6)), 1.0)
    for grad in grads:
        grad._array *= grad._array.dtype.type(factor)
        bump_version(grad)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients, in place, so that their norm together is at most ``max_norm``.

    Args:
        parameters: a tensor, or several, whose gradients are meant.
        max_norm: the limit.
        norm_type: the degree of the norm; may be infinity.
        error_if_nonfinite: RuntimeError if the norm is not finite.

    Returns:
        The norm before.

    Examples::

        >>> p = nn.Parameter(torch.zeros(2))
        >>> p.grad = torch.tensor([3., 4.])
        >>> nn.utils.clip_grad_norm_([p], 1.0)
        tensor(5.)
        >>> p.grad
        tensor([0.6000, 0.8000])
    """
    generator = isinstance(parameters, types.GeneratorType)
    params = _listed(parameters)
    if generator and not params:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2
        )
    grads = [p._grad for p in params if p._grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(params, max_norm, total)
    return total


def clip_grad_norm(*args: Any, **kwargs: Any) -> Tensor:
    """The old name of :func:`clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(*args, **kwargs)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clips all elements of the gradients, in place, to ``[-clip_value, clip_value]``."""
    limit = float(clip_value)
    for p in _listed(parameters):
        if p._grad is not None:
            array = p._grad._array
            np.clip(array, -limit, limit, out=array)
            bump_version(p._grad)
