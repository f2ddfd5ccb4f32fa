"""``tensor.new_*`` methods: new tensors with the dtype of another one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor
from rushlight.ops import creation
from rushlight.ops._dispatch import shape_args
from rushlight.ops.sequences import empty_strided


def new_tensor(
    input: Tensor,
    data: Any,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of ``data``, of the dtype of ``input`` by default.

    Examples::

        >>> torch.ones(1, dtype=torch.int64).new_tensor([1.5])
        tensor([1])
    """
    return creation.tensor(
        data, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def _maker(name: str, make: Any, doc: str) -> Any:
    def method(
        input: Tensor,
        *size: Any,
        dtype: Dtype | None = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
        **keywords: Any,
    ) -> Tensor:
        if "size" in keywords:
            size = (keywords["size"],)
        shape = creation.check_shape(shape_args(size or ((),)))
        array = make(shape, dtypes.as_dtype(dtype or input.dtype).np)
        return creation.finish(array, requires_grad, device)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    return method


new_zeros = _maker("new_zeros", np.zeros, "Zeros of the dtype of ``input``.")
new_ones = _maker("new_ones", np.ones, "Ones of the dtype of ``input``.")
new_empty = _maker("new_empty", np.empty, "Arbitrary values of the dtype of ``input``.")


def new_full(
    input: Tensor,
    size: Sequence[int],
    fill_value: Any,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """One value, of the dtype of ``input``.

    Examples::

        >>> torch.ones(1).new_full((2,), 7)
        tensor([7., 7.])
    """
    return creation.full(
        size, fill_value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def new_empty_strided(
    input: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Arbitrary values of the dtype of ``input``, with the given strides."""
    return empty_strided(
        size, stride, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


METHODS = "new_empty new_empty_strided new_full new_ones new_tensor new_zeros"
