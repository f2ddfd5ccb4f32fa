"""Setting all values of a tensor: fill, zero, copy."""

from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, bump_version, wrap
from rushlight.ops._dispatch import COPY, REPLACE, check_overlap, inplace
from rushlight.ops._primitive import apply1, apply2, needs_grad
from rushlight.ops._promote import as_operand, cast, to_scalar, type_name
from rushlight.ops.shape import expand


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like ``input`` in which every element is ``value`` (a number or a 0-d tensor)."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{value._array.ndim} dimensions."
            )
        return expand(as_operand(value, input.dtype), input._array.shape)
    scalar = to_scalar(value, input.dtype)
    result = wrap(np.full(input._array.shape, scalar, input._array.dtype))
    return apply2(REPLACE, input, result) if needs_grad(input) else result


def fill_(input: Tensor, value: Any) -> Tensor:
    """Sets every element to ``value`` (a number or a 0-d tensor), in place."""
    if isinstance(value, Tensor) or needs_grad(input):
        return inplace(fill, input, (value,), {})
    array = input._array
    array.fill(to_scalar(value, input.dtype))
    bump_version(input)
    return input


def zero_(input: Tensor) -> Tensor:
    """Sets all elements to zero, in place."""
    return fill_(input, 0)


def copy_(input: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Replaces the elements by those of ``src``, which is broadcast and cast; returns ``input``.

    Gradients flow to ``src``.
    """
    if not isinstance(src, Tensor):
        raise TypeError(
            f"copy_(): argument 'other' (position 1) must be Tensor, not {type_name(src)}"
        )
    check_overlap(input._array)
    return inplace(_copied, input, (src,), {})


def _copied(input: Tensor, src: Tensor) -> Tensor:
    if src._array.shape != input._array.shape:
        src = expand(src, input._array.shape)
    if src._array.dtype != input._array.dtype:
        return cast(src, input.dtype)
    return apply1(COPY, src)


TORCH = "fill fill_ zero_"
METHODS = "copy_ fill_ zero_"
