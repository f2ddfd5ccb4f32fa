"""Out of the tensor: numbers, lists, NumPy arrays."""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.tensor import Tensor


def item(t: Tensor) -> Any:
    """The only element, as a Python number; RuntimeError if there are more or none."""
    array = t._array
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    value = array.item()
    if t.dtype is dtypes.bfloat16 or isinstance(value, np.generic):
        return float(value)
    return value


def tolist(t: Tensor) -> Any:
    """Nested lists of Python numbers; a number for a 0-d tensor."""
    array = t._array
    if array.dtype.kind == "V":
        array = array.astype(np.float32)
    return array.tolist()


def numpy(t: Tensor, *, force: bool = False) -> np.ndarray:
    """The elements as a NumPy array that shares the tensor's memory.

    Args:
        force: detach first, instead of raising RuntimeError for tensors that require grad.
    """
    if t._edge is not None and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if t._array.dtype.kind == "V":
        raise TypeError(f"Got unsupported ScalarType {dtypes.SCALAR_TYPE_NAMES[t.dtype]}")
    return t._array[...]  # another array object: the caller may change its shape or flags


def array_protocol(t: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """``np.asarray(tensor)``."""
    array = numpy(t)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


def stride(t: Tensor, dim: int | None = None) -> Any:
    """The number of elements to step over in memory, for each dimension or for one."""
    array = t._array
    if array.size <= 1 or 0 in array.strides:
        strides = _strides(array)
    else:
        itemsize = array.itemsize
        strides = tuple([s // itemsize for s in array.strides])
    return strides if dim is None else strides[dim]


def _strides(array: np.ndarray) -> tuple[int, ...]:
    if array.size == 0:
        result, step = [], 1
        for n in reversed(array.shape):
            result.append(step)
            step *= max(n, 1)
        return tuple(reversed(result))
    return tuple([s // array.itemsize for s in array.strides])


def owner(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory ``array`` looks at."""
    while True:
        base: Any = array.base
        if not isinstance(base, np.ndarray):
            base = getattr(base, "base", None)  # the holder that as_strided puts in between
            if not isinstance(base, np.ndarray):
                return array
        array = base


def address(array: np.ndarray) -> int:
    """Where the first element lies."""
    return int(array.__array_interface__["data"][0])


def storage_offset(t: Tensor) -> int:
    """How many elements lie between the start of the memory and the first element."""
    return (address(t._array) - address(owner(t._array))) // t._array.itemsize


def data_ptr(t: Tensor) -> int:
    """The address of the first element; 0 for empty tensors."""
    return address(t._array) if t._array.size else 0


def is_contiguous(t: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in memory in the order of ``memory_format`` (default: row-major)."""
    name = getattr(memory_format, "name", "contiguous_format")
    array = t._array
    if name == "channels_last" and array.ndim == 4:
        return array.transpose(0, 2, 3, 1).flags.c_contiguous
    if name == "channels_last_3d" and array.ndim == 5:
        return array.transpose(0, 2, 3, 4, 1).flags.c_contiguous
    return array.flags.c_contiguous
