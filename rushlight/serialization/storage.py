"""Storages as files know them: blocks of bytes that tensors look at."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.device import make_device
from rushlight.base.dtypes import dtype as Dtype
from rushlight.base.size import make_size
from rushlight.core import bridge
from rushlight.core.storage import TypedStorage, UntypedStorage
from rushlight.core.tensor import LEAF, Storage, Tensor, wrap
from rushlight.serialization.names import find

_NAMES = {
    dtypes.float64: "Double", dtypes.float32: "Float", dtypes.float16: "Half",
    dtypes.int64: "Long", dtypes.int32: "Int", dtypes.int16: "Short", dtypes.int8: "Char",
    dtypes.uint8: "Byte", dtypes.bool_: "Bool", dtypes.bfloat16: "BFloat16",
    dtypes.complex128: "ComplexDouble", dtypes.complex64: "ComplexFloat",
}  # fmt: skip


class StorageType:
    """What a file calls ``torch.FloatStorage`` and so on: the dtype of a storage's elements.

    ``StorageType(None)`` stands for ``torch.UntypedStorage``: bytes.
    """

    def __init__(self, dtype: Dtype | None) -> None:
        self.typed = dtype is not None
        self.dtype = dtype or dtypes.uint8

    def global_name(self) -> tuple[str, str]:
        """PyTorch's module and name for it."""
        if self.typed:
            return "torch", _NAMES[self.dtype] + "Storage"
        return "torch.storage", "UntypedStorage"

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


UNTYPED = StorageType(None)
STORAGE_TYPES = {d: StorageType(d) for d in _NAMES}
BY_NAME = {name + "Storage": STORAGE_TYPES[d] for d, name in _NAMES.items()}
BY_NAME["UntypedStorage"] = UNTYPED
AnyStorage = TypedStorage | UntypedStorage


def raw_bytes(array: np.ndarray) -> np.ndarray | None:
    """The memory of ``array`` as bytes, or None if it is not one block without gaps."""
    for order in (array, array.T):
        if order.flags.c_contiguous:
            return order.reshape(-1).view(np.uint8)
    return None


def kind_of(storage: AnyStorage) -> StorageType:
    """What the file calls a storage."""
    if isinstance(storage, UntypedStorage):
        return UNTYPED
    return STORAGE_TYPES.get(storage.dtype, UNTYPED)


def untyped(storage: AnyStorage) -> UntypedStorage:
    """The storage as bytes."""
    return storage if isinstance(storage, UntypedStorage) else storage.untyped


def typed(storage: UntypedStorage, kind: StorageType) -> AnyStorage:
    """The storage as what the file calls it."""
    return TypedStorage(storage, kind.dtype) if kind.typed else storage


def storage_of(tensor: Tensor) -> tuple[AnyStorage, int, tuple[int, ...]]:
    """The storage of a tensor, the offset in it and the strides, both in elements.

    The storage is all of the memory that the tensor is a view of, as in PyTorch's files.
    """
    array = tensor._array
    dtype = tensor.dtype
    whole = bridge.owner(array)
    raw = raw_bytes(whole)
    offset = bridge.address(array) - bridge.address(whole) if array.size else 0
    fits = raw is not None and offset >= 0 and offset % dtype.itemsize == 0
    fits = fits and all(s >= 0 and s % dtype.itemsize == 0 for s in array.strides)
    if fits and raw is not None and array.size:
        last = sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True))
        fits = offset + last + dtype.itemsize <= raw.nbytes
    if not fits or raw is None:
        array = np.ascontiguousarray(array).reshape(array.shape)
        raw, offset = array.reshape(-1).view(np.uint8), 0
    kind = STORAGE_TYPES.get(dtype, UNTYPED)
    strides = bridge.stride(tensor) if fits else bridge.stride(wrap(array))
    return typed(UntypedStorage(raw), kind), offset // dtype.itemsize, tuple(strides)


def rebuild(
    storage: AnyStorage,
    offset: int,
    size: Sequence[int],
    stride: Sequence[int],
    dtype: Dtype | None = None,
) -> Tensor:
    """A tensor that looks at ``storage``. RuntimeError if it would look beyond its end."""
    dtype = dtype or kind_of(storage).dtype
    memory = untyped(storage)
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(
            f"mismatch in length of strides and shape: {len(stride)} against {len(size)}"
        )
    if any(n < 0 for n in size) or offset < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(size)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            f"{list(stride)}"
        )
    if 0 in size:
        array = np.empty(size, dtype.np)
    else:
        last = sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        needed = (offset + last + 1) * dtype.itemsize
        if needed > memory.nbytes():
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, "
                f"and itemsize {dtype.itemsize} requiring a storage size of {needed} are out of "
                f"bounds for storage of size {memory.nbytes()}"
            )
        step = dtype.itemsize
        array = np.ndarray(
            size, dtype.np, memory.array, offset * step, tuple(s * step for s in stride)
        )
    out = wrap(array)
    if memory.version is None:
        memory.version = Storage()
    out._storage = memory.version
    return out


# The functions that PyTorch's files call, under PyTorch's names.


def _rebuild_tensor(storage: Any, offset: int, size: Any, stride: Any) -> Tensor:
    return rebuild(storage, offset, size, stride)


def _rebuild_tensor_v2(
    storage: Any,
    offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any = None,
    metadata: Any = None,
) -> Tensor:
    out = rebuild(storage, offset, size, stride)
    out._edge = LEAF if requires_grad else None
    return out


def _rebuild_tensor_v3(
    storage: Any,
    offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any,
    dtype: Dtype,
    metadata: Any = None,
) -> Tensor:
    out = rebuild(storage, offset, size, stride, dtype)
    out._edge = LEAF if requires_grad else None
    return out


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any = None) -> Any:
    return find("torch.nn.parameter", "Parameter")(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Tensor, requires_grad: bool, backward_hooks: Any, state: Any
) -> Any:
    return _set_state(_rebuild_parameter(data, requires_grad), state)


def _rebuild_from_type_v2(func: Any, new_type: type, args: Any, state: Any) -> Any:
    out = func(*args)
    if type(out) is not new_type:
        subclass = object.__new__(new_type)
        for name in ("_array", "_edge", "_index", "_storage", "_grad", "_meta"):
            setattr(subclass, name, getattr(out, name))
        out = subclass
    return _set_state(out, state)


def _set_state(obj: Any, state: Any) -> Any:
    slots = None
    if isinstance(state, tuple):
        state, slots = state
    for values in (state, slots):
        for name, value in (values or {}).items():
            setattr(obj, name, value)
    return obj


REBUILD = {
    function.__name__: function
    for function in (
        _rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3, _rebuild_parameter,
        _rebuild_parameter_with_state,
    )
}  # fmt: skip
REBUILD_NAMES = {function: ("torch._utils", name) for name, function in REBUILD.items()}
REBUILD_NAMES[_rebuild_from_type_v2] = ("torch._tensor", "_rebuild_from_type_v2")
REBUILD_NAMES[make_device] = ("torch", "device")
REBUILD_NAMES[make_size] = ("torch", "Size")


def reduce_tensor(tensor: Tensor, parameter: type | None) -> tuple[Any, tuple[Any, ...]]:
    """How a tensor is pickled: the function that rebuilds it, and its arguments."""
    kind = type(tensor)
    state = dict(tensor.__dict__) if tensor.__dict__ else None
    hooks: OrderedDict[Any, Any] = OrderedDict()
    if parameter is not None and kind is parameter:
        function, args = _plain(tensor, False)
        data = _Rebuilt(function, args)
        if state:
            return _rebuild_parameter_with_state, (data, _requires_grad(tensor), hooks, state)
        return _rebuild_parameter, (data, _requires_grad(tensor), hooks)
    function, args = _plain(tensor, _requires_grad(tensor))
    if kind is Tensor and state is None:
        return function, args
    return _rebuild_from_type_v2, (function, kind, args, state or {})


class _Rebuilt:
    """Pickles as the call of ``function`` with ``args``."""

    def __init__(self, function: Any, args: tuple[Any, ...]) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def _requires_grad(tensor: Tensor) -> bool:
    return bool(tensor.requires_grad)  # type: ignore[attr-defined]


def _plain(tensor: Tensor, requires_grad: bool) -> tuple[Any, tuple[Any, ...]]:
    storage, offset, stride = storage_of(tensor)
    hooks: OrderedDict[Any, Any] = OrderedDict()
    args = (storage, offset, tuple(tensor._array.shape), stride, requires_grad, hooks)
    if isinstance(storage, TypedStorage):
        return _rebuild_tensor_v2, args
    return _rebuild_tensor_v3, (*args, tensor.dtype)
