"""New tensors: from data, filled with a value, or in sequences."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.autograd.node import edge_of
from rushlight.base import dtypes
from rushlight.base.device import check_device
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.state import defaults
from rushlight.core.tensor import LEAF, Tensor, wrap
from rushlight.ops._dispatch import shape_args, write_out
from rushlight.ops._promote import cast, cast_array, scalar_dtype, to_scalar


def finish(
    array: np.ndarray, requires_grad: bool = False, device: Any = None, layout: Any = None
) -> Tensor:
    """A new leaf on ``array``, after a check of what the caller asked for."""
    if device is not None:
        check_device(device)
    out = wrap(array)
    if requires_grad:
        if out.dtype.category < dtypes.FLOATING:
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        out._edge = LEAF
    return out


def tensor(
    data: Any,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of ``data``: numbers, nested sequences, arrays or tensors.

    Args:
        data: Python floats become the default dtype, ints int64, bools bool.
        dtype: of the result, instead of the inferred one.
        device: "cpu" or None.
        requires_grad: whether to record operations on the result.
        pin_memory: accepted and without effect.

    Examples::

        >>> torch.tensor([[1., 2.], [3., 4.]])
        tensor([[1., 2.],
                [3., 4.]])
    """
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() "
            "or sourceTensor.detach().clone().requires_grad_(True), rather than "
            "torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    return finish(as_array(data, dtype, copy=True), requires_grad, device)


def as_array(data: Any, dtype: Dtype | None, copy: bool) -> np.ndarray:
    """``data`` as an array of the dtype that PyTorch would infer, or of ``dtype``."""
    if dtype is not None:
        dtype = dtypes.as_dtype(dtype)
    if isinstance(data, Tensor):
        array = data._array
    elif isinstance(data, np.ndarray):
        array = data
        dtypes.from_numpy(array.dtype)  # raises for what has no counterpart
    elif isinstance(data, np.generic):
        array = np.asarray(data)
        dtypes.from_numpy(array.dtype)
    elif isinstance(data, (bool, int, float, complex)):
        to = dtype or scalar_dtype(data)
        return np.array(_checked_scalar(data, to), to.np)
    else:
        return _from_sequence(data, dtype)
    if dtype is not None and array.dtype != dtype.np:
        return cast_array(array, dtype.np)
    return array.copy(order="C") if copy else array


def _checked_scalar(value: Any, to: Dtype) -> Any:
    if to.category == dtypes.INTEGER and not isinstance(value, bool):
        number = int(value)
        low, high = np.iinfo(to.np).min, np.iinfo(to.np).max
        if not low <= number <= high and not (to.is_signed is False and -high <= number < 0):
            if not -(2**63) <= number < 2**64:
                raise RuntimeError("Overflow when unpacking long long")
            raise RuntimeError(f"value cannot be converted to type {_cpp(to)} without overflow")
    if isinstance(value, complex) and not to.is_complex:
        raise RuntimeError(f"value cannot be converted to type {_cpp(to)} without overflow")
    return to_scalar(value, to)


def _cpp(to: Dtype) -> str:
    return {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t"}.get(
        to.name, dtypes.CPP_NAMES.get(to, to.name)
    )


def _from_sequence(data: Any, dtype: Dtype | None) -> np.ndarray:
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    interface = getattr(data, "__array__", None)
    if interface is not None:
        return as_array(np.asarray(data), dtype, copy=True)
    if not isinstance(data, (list, tuple)):
        if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
            name = type(data).__name__
            if dtype is None or data is None:
                raise RuntimeError(f"Could not infer dtype of {name}")
            raise TypeError(f"must be real number, not {name}")
        data = list(data)
    plain = _plain(data)
    shape = _check_nesting(plain)
    if dtype is None:
        dtype = _infer(plain)
    if 0 in shape:
        return np.zeros(shape, dtype.np)
    try:
        array = np.array(plain)
    except OverflowError:
        raise RuntimeError("Overflow when unpacking long long") from None
    if array.dtype == object:
        raise RuntimeError("Overflow when unpacking long long")
    if array.dtype == dtype.np:
        return array
    return cast_array(array, dtype.np)


def _plain(data: Any) -> Any:
    """Nested lists with tensors and arrays replaced by what they hold."""
    if isinstance(data, (list, tuple)):
        return [_plain(x) if isinstance(x, (list, tuple, Tensor, np.ndarray)) else x for x in data]
    if isinstance(data, Tensor):
        return data._array if data._array.ndim else data._array[()]
    return data


def _check_nesting(data: Any) -> tuple[int, ...]:
    """The shape of nested lists; ValueError or TypeError where they are ragged or hold no numbers."""
    shape: list[int] = []
    level = data
    while isinstance(level, (list, np.ndarray)):
        shape.append(len(level))
        if not len(level):
            break
        level = level[0]
    if level is None or isinstance(level, (str, bytes, dict, set)):
        name = type(level).__name__
        if isinstance(level, str):
            raise ValueError("too many dimensions 'str'")
        raise RuntimeError(f"Could not infer dtype of {name}")
    _check_level(data, tuple(shape), 0)
    return tuple(shape)


def _check_level(data: Any, shape: tuple[int, ...], depth: int) -> None:
    if depth == len(shape):
        return
    if len(data) != shape[depth]:
        raise ValueError(
            f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})"
        )
    if depth + 1 == len(shape):
        for x in data:
            if isinstance(x, (list, tuple)):
                if len(shape) == depth + 1:
                    raise TypeError(
                        f"only number-like values can be converted, not {type(x).__name__}"
                    )
            elif isinstance(x, (str, bytes)):
                raise TypeError(f"new(): invalid data type '{type(x).__name__}'")
            elif not isinstance(x, (int, float, complex, np.generic, np.ndarray)):
                raise RuntimeError(f"Could not infer dtype of {type(x).__name__}")
        return
    if isinstance(data, np.ndarray):
        return
    for x in data:
        if not isinstance(x, (list, np.ndarray)):
            raise TypeError(f"expected a sequence at dim {depth + 1}, got {type(x).__name__}")
        _check_level(x, shape, depth + 1)


def _infer(data: Any) -> Dtype:
    """The dtype of nested lists: the highest category wins."""
    best: Dtype | None = None
    stack = [data]
    while stack:
        for x in stack.pop():
            if isinstance(x, list):
                stack.append(x)
                continue
            if isinstance(x, (np.ndarray, np.generic)):
                found = dtypes.from_numpy(x.dtype)
            else:
                found = scalar_dtype(x)
            if found is not best:
                best = found if best is None else dtypes.promote_types(best, found)
    return best or defaults.dtype


def as_tensor(data: Any, dtype: Dtype | None = None, device: Any = None) -> Tensor:
    """``data`` as a tensor, sharing memory (and history) with tensors and arrays where possible.

    Examples::

        >>> a = np.array([1, 2, 3])
        >>> t = torch.as_tensor(a)
        >>> t[0] = -1
        >>> a
        array([-1,  2,  3])
    """
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else cast(data, dtype)
    if isinstance(data, np.ndarray):
        found = from_numpy(data)
        if dtype is None or found.dtype is dtype:
            return found
        return wrap(cast_array(data, dtypes.as_dtype(dtype).np))
    return finish(as_array(data, dtype, copy=False), False, device)


def asarray(
    obj: Any,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``obj`` as a tensor: copied only if needed, or always, or never (``copy=False`` raises).

    Examples::

        >>> torch.asarray([1, 2])
        tensor([1, 2])
    """
    shares = isinstance(obj, (Tensor, np.ndarray))
    out = as_tensor(obj, dtype, device)
    if copy and shares and out._array is (obj._array if isinstance(obj, Tensor) else obj):
        out = wrap(out._array.copy())
    elif copy is False and not (shares and np.may_share_memory(
        out._array, obj._array if isinstance(obj, Tensor) else obj
    )):  # fmt: skip
        raise ValueError("can't alias an arbitrary sequence into a tensor.")
    if requires_grad and edge_of(out) is None:
        out._edge = LEAF
    return out


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the memory of a NumPy array: a change of one shows in the other.

    Raises TypeError for what is no array or has a dtype without counterpart, ValueError for
    negative strides.

    Examples::

        >>> torch.from_numpy(np.array([1., 2.]))
        tensor([1., 2.], dtype=torch.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    kind = dtypes.from_numpy(ndarray.dtype).np
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().) "
        )
    if type(ndarray) is not np.ndarray:
        ndarray = ndarray.view(np.ndarray)
    if ndarray.dtype is not kind:  # unpickled: equal to the usual object, which kernels look for
        ndarray = ndarray.view(kind)
    return wrap(ndarray)


def check_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """``shape``, after RuntimeError for negative dimensions."""
    for n in shape:
        if n < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {n}: {list(shape)}"
            )
    return shape


def _filled(make: Any, size: Any, out: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    shape = check_shape(shape_args(size))
    kind = dtypes.as_dtype(dtype or (out.dtype if out is not None else defaults.dtype)).np
    result = finish(make(shape, kind), requires_grad, device)
    return result if out is None else write_out(out, result)


def zeros(
    *size: Any,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of zeros.

    Args:
        size: ints, or a sequence of ints.
        dtype: default: the default dtype (float32).

    Examples::

        >>> torch.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    return _filled(np.zeros, size or ((),), out, dtype, device, requires_grad)


def ones(
    *size: Any,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of ones. Args: as for :func:`zeros`.

    Examples::

        >>> torch.ones(3, dtype=torch.int64)
        tensor([1, 1, 1])
    """
    return _filled(np.ones, size or ((),), out, dtype, device, requires_grad)


def empty(
    *size: Any,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of arbitrary values. Args: as for :func:`zeros`."""
    return _filled(np.empty, size or ((),), out, dtype, device, requires_grad)


def full(
    size: Sequence[int],
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of one value, whose dtype it has unless ``dtype`` is given.

    Examples::

        >>> torch.full((2, 2), 7)
        tensor([[7, 7],
                [7, 7]])
    """
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    kind = dtypes.as_dtype(dtype or (out.dtype if out is not None else scalar_dtype(fill_value)))
    shape = check_shape(shape_args((size,)))
    array = np.full(shape, to_scalar(fill_value, kind), kind.np)
    result = finish(array, requires_grad, device)
    return result if out is None else write_out(out, result)


def _like(
    make: Any, input: Tensor, dtype: Dtype | None, requires_grad: bool, device: Any, order: Any
) -> Tensor:
    kind = input._array.dtype if dtype is None else dtypes.as_dtype(dtype).np
    name = getattr(order, "name", None)
    array = make(input._array, dtype=kind, order="C" if name == "contiguous_format" else "K")
    return finish(array, requires_grad, device)


def zeros_like(
    input: Tensor,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Zeros in the shape and dtype of ``input``."""
    return _like(np.zeros_like, input, dtype, requires_grad, device, memory_format)


def ones_like(
    input: Tensor,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Ones in the shape and dtype of ``input``."""
    return _like(np.ones_like, input, dtype, requires_grad, device, memory_format)


def empty_like(
    input: Tensor,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Arbitrary values in the shape and dtype of ``input``."""
    return _like(np.empty_like, input, dtype, requires_grad, device, memory_format)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """One value in the shape and dtype of ``input``."""
    out = _like(np.empty_like, input, dtype, requires_grad, device, memory_format)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    out._array.fill(to_scalar(fill_value, out.dtype))
    return out


TORCH = """
    as_tensor asarray empty empty_like from_numpy full full_like ones ones_like tensor zeros
    zeros_like
"""
