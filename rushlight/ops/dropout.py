"""Dropout in all its forms.

The mask is drawn with one float64 uniform per element, ``u < 1 - p``, as PyTorch draws it.
"""

from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import inplace as in_place
from rushlight.ops.elementwise import add, mul
from rushlight.ops.random import bernoulli_mask

Array = np.ndarray


def check_probability(p: Any) -> None:
    """ValueError unless ``p`` lies in [0, 1]."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _noise(array: Array, p: float, feature: bool) -> Array:
    """1 with probability 1 - p and else 0, for each element or each channel."""
    if feature:
        if array.ndim < 2:
            raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
        shape = array.shape[:2] + (1,) * (array.ndim - 2)
        return bernoulli_mask(np.empty(shape, array.dtype), 1 - p)
    return bernoulli_mask(array, 1 - p)


def _scaled(input: Tensor, p: float, feature: bool = False) -> Tensor:
    array = input._array
    noise = _noise(array, p, feature).astype(array.dtype)
    if p == 1:
        noise[...] = 0
    else:
        noise /= array.dtype.type(1 - p)
    return mul(input, wrap(noise))


def _alpha(input: Tensor, p: float, feature: bool = False) -> Tensor:
    array = input._array
    noise = _noise(array, p, feature).astype(array.dtype)
    if p == 1:
        return mul(input, wrap(np.zeros_like(noise)))
    alpha = 1.7580993408473766  # minus the limit of selu at minus infinity
    a = 1.0 / ((alpha * alpha * p + 1) * (1 - p)) ** 0.5
    kind = array.dtype.type
    shift = (noise - kind(1)) * kind(alpha * a) + kind(alpha * a * p)
    scaled = np.asarray(noise * kind(a))
    return add(mul(input, wrap(scaled)), wrap(np.asarray(shift)))


def _apply(function: Any, input: Tensor, p: float, train: bool, feature: bool) -> Tensor:
    check_probability(p)
    if p == 0 or not train or not input._array.size:
        return input
    return function(input, p, feature)  # type: ignore[no-any-return]


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Elements set to 0 with probability ``p``, the others divided by ``1 - p``."""
    return _apply(_scaled, input, p, train, False)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Channels set to 0 with probability ``p``, the others divided by ``1 - p``."""
    return _apply(_scaled, input, p, train, True)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout that keeps mean and variance of inputs that went through selu."""
    return _apply(_alpha, input, p, train, False)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """:func:`alpha_dropout` of whole channels."""
    return _apply(_alpha, input, p, train, True)


def _inplace(function: Any, name: str) -> Any:
    def form(input: Tensor, p: float, train: bool) -> Tensor:
        check_probability(p)
        if p == 0 or not train or not input._array.size:
            return input
        return in_place(function, input, (p, train), {})

    form.__name__ = form.__qualname__ = name
    form.__doc__ = f"In-place version of :func:`{name[:-1]}`."
    return form


dropout_ = _inplace(dropout, "dropout_")
feature_dropout_ = _inplace(feature_dropout, "feature_dropout_")
alpha_dropout_ = _inplace(alpha_dropout, "alpha_dropout_")
feature_alpha_dropout_ = _inplace(feature_alpha_dropout, "feature_alpha_dropout_")


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """As :func:`dropout`; also returns the mask of the elements that stayed."""
    array = input._array
    if not array.size or train is False or p == 0:
        return add(input, 0) if array.size else input, wrap(np.ones(array.shape, np.bool_))
    mask = _noise(array, p, False)
    noise = mask.astype(array.dtype)
    if p < 1:
        noise /= array.dtype.type(1 - p)
    return mul(input, wrap(noise)), wrap(mask)
