"""Storages: the memory behind tensors as an object of its own, and how tensors are pickled.

A tensor owns a NumPy array and nothing else; a storage is made when somebody asks for one. Tensors
that look at the same memory get the same object as long as anybody holds it, so that a pickle
contains shared memory once.
"""

import copy
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.device import check_device, cpu, device
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.bridge import address, owner
from rushlight.core.tensor import LEAF, Storage, Tensor, init_fields, wrap

_alive: "weakref.WeakValueDictionary[tuple[int, str], TypedStorage]" = weakref.WeakValueDictionary()


class UntypedStorage:
    """A block of bytes that tensors look at."""

    __module__ = "torch.storage"
    __slots__ = ("__weakref__", "array", "version")

    is_cuda = False
    is_sparse = False

    def __init__(self, array: Any = 0) -> None:
        if isinstance(array, int):
            array = np.empty(array, np.uint8)
        self.array: np.ndarray = array  # of uint8, in one dimension
        self.version: Storage | None = None

    def nbytes(self) -> int:
        """The size in bytes."""
        return int(self.array.nbytes)

    def size(self) -> int:
        """The size in bytes."""
        return int(self.array.nbytes)

    def __len__(self) -> int:
        return int(self.array.nbytes)

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return address(self.array) if self.array.size else 0

    @property
    def device(self) -> device:
        """Where the bytes are: the CPU."""
        return cpu

    def cpu(self) -> "UntypedStorage":
        """The storage itself."""
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "UntypedStorage":
        """Raises AssertionError: rushlight computes on the CPU."""
        check_device("cuda")
        return self

    def clone(self) -> "UntypedStorage":
        """A copy."""
        return UntypedStorage(self.array.copy())

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return [int(b) for b in self.array]

    def copy_(self, source: "UntypedStorage", non_blocking: bool = False) -> "UntypedStorage":
        """Takes over the bytes of ``source``."""
        self.array[...] = source.array
        return self

    def fill_(self, value: int) -> "UntypedStorage":
        """Sets all bytes."""
        self.array.fill(value)
        return self

    def is_shared(self) -> bool:
        """Whether other processes see the memory: never."""
        return False

    def is_pinned(self, device: Any = None) -> bool:
        """Whether the memory is pinned: never."""
        return False

    def as_tensor(self, dtype: Dtype = dtypes.uint8) -> Tensor:
        """A vector of ``dtype`` on this memory."""
        whole = self.array[: self.array.size // dtype.itemsize * dtype.itemsize]
        return wrap(whole.view(dtype.np))

    def __getitem__(self, index: Any) -> Any:
        found = self.array[index]
        return UntypedStorage(found) if isinstance(found, np.ndarray) else int(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and (
            other.array is self.array
            or (other.data_ptr() == self.data_ptr() and len(other) == len(self))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        lines = "".join([f" {b}\n" for b in self.array])
        return f"{lines}[torch.storage.UntypedStorage(device=cpu) of size {len(self)}]"


class TypedStorage:
    """A storage seen as elements of one dtype."""

    __module__ = "torch.storage"
    __slots__ = ("__weakref__", "dtype", "owner", "untyped")

    def __init__(self, untyped: UntypedStorage, dtype: Dtype, whole: Any = None) -> None:
        self.untyped = untyped
        self.dtype = dtype
        self.owner = whole  # keeps the array, and so its id, alive

    def untyped_storage(self) -> UntypedStorage:
        """The same memory as bytes."""
        return self.untyped

    def nbytes(self) -> int:
        """The size in bytes."""
        return self.untyped.nbytes()

    def size(self) -> int:
        """The number of elements."""
        return self.untyped.nbytes() // self.dtype.itemsize

    __len__ = size

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.untyped.data_ptr()

    @property
    def device(self) -> device:
        """Where the elements are: the CPU."""
        return cpu

    def tolist(self) -> list[Any]:
        """The elements as numbers."""
        return self.untyped.as_tensor(self.dtype)._array.tolist()  # type: ignore[no-any-return]

    def as_tensor(self, dtype: Dtype) -> Tensor:
        """A vector on this memory."""
        return self.untyped.as_tensor(self.dtype)

    def __getitem__(self, index: Any) -> Any:
        return self.untyped.as_tensor(self.dtype)._array[index].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.untyped.as_tensor(self.dtype)._array[index] = value

    def __iter__(self) -> Any:
        return iter(self.tolist())

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_storage, (self.dtype, self.untyped.array.tobytes())

    def __repr__(self) -> str:
        lines = "".join([f" {v}\n" for v in self.tolist()])
        return (
            f"{lines}[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size "
            f"{len(self)}]"
        )


def _load_storage(dtype: Dtype, data: bytes) -> TypedStorage:
    return TypedStorage(UntypedStorage(np.frombuffer(bytearray(data), np.uint8)), dtype)


def _bytes_of(whole: np.ndarray) -> np.ndarray | None:
    """The memory of ``whole`` as bytes, or None if it has gaps."""
    for order in (whole, whole.T):
        if order.flags.c_contiguous:
            return order.reshape(-1).view(np.uint8)
    if whole.size and not whole.flags.c_contiguous:
        order = whole.transpose(np.argsort([-s for s in whole.strides], kind="stable"))
        if order.flags.c_contiguous:
            return order.reshape(-1).view(np.uint8)
    return None


def typed_storage(t: Tensor) -> TypedStorage:
    """The storage of ``t``: all of the memory that it is a view of."""
    whole = owner(t._array)
    kind = t.dtype
    key = (id(whole), kind.name)
    found = _alive.get(key)
    if found is None:
        raw = _bytes_of(whole)
        if raw is None:
            raise RuntimeError("the memory behind this tensor is not one block without gaps")
        untyped = UntypedStorage(raw)
        untyped.version = t.storage_version()
        found = _alive[key] = TypedStorage(untyped, kind, whole)
    return found


def untyped_storage(t: Tensor) -> UntypedStorage:
    """The storage of ``t`` as bytes."""
    return typed_storage(t).untyped


def _strides(array: np.ndarray) -> tuple[int, ...]:
    return tuple([s // array.itemsize for s in array.strides])


def _rebuild_tensor_v2(
    storage: TypedStorage,
    storage_offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    backward_hooks: Any = None,
) -> Tensor:
    """What a pickled tensor is made from."""
    kind = storage.dtype
    step = kind.itemsize
    if 0 in size:
        array = np.empty(size, kind.np)
    else:
        array = np.ndarray(
            size, kind.np, storage.untyped.array, storage_offset * step,
            tuple([s * step for s in stride]),
        )  # fmt: skip
    out = wrap(array)
    if storage.untyped.version is None:
        storage.untyped.version = Storage()
    out._storage = storage.untyped.version
    if requires_grad:
        out._edge = LEAF
    return out


def _rebuild_from_type_v2(func: Any, new_type: Any, args: Any, state: Any) -> Any:
    """What a pickled tensor of a subclass, or one with attributes, is made from."""
    out = func(*args)
    if new_type is not None and type(out) is not new_type:
        plain = out
        out = object.__new__(new_type)
        init_fields(out, plain._array)
        out._storage, out._edge = plain._storage, plain._edge
    out.__dict__.update(state)
    return out


def reduce(t: Tensor, protocol: Any) -> tuple[Any, ...]:
    """``Tensor.__reduce_ex__``: storage, offset, shape and strides. History is not pickled."""
    if t._edge is not None and t._edge is not LEAF:
        requires_grad = True
    else:
        requires_grad = t._edge is LEAF
    array = t._array
    whole = owner(array)
    plain: Tensor = t
    if _bytes_of(whole) is None:
        plain = wrap(np.ascontiguousarray(array))
        array, whole = plain._array, plain._array
    storage = typed_storage(plain)
    offset = (address(array) - address(whole)) // array.itemsize if array.size else 0
    args: tuple[Any, ...] = (
        storage,
        offset,
        array.shape,
        _strides(array),
        requires_grad,
        OrderedDict(),
    )
    if type(t) is Tensor and not t.__dict__:
        return _rebuild_tensor_v2, args
    kind = None if type(t) is Tensor else type(t)
    return _rebuild_from_type_v2, (_rebuild_tensor_v2, kind, args, dict(t.__dict__))


def deepcopy(t: Tensor, memo: dict[Any, Any]) -> Tensor:
    """``copy.deepcopy(tensor)``: memory that copied tensors share is shared by the copies.

    Raises RuntimeError for tensors with history.
    """
    found = memo.get(id(t))
    if found is not None:
        return found  # type: ignore[no-any-return]
    if t._edge is not None and t._edge is not LEAF:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment.  If you were attempting to deepcopy a module, this may be "
            "because of a torch.nn.utils.weight_norm usage, see "
            "https://github.com/pytorch/pytorch/pull/103001"
        )
    array = t._array
    whole = owner(array)
    shared = memo.setdefault("torch", {})
    pair = shared.get(id(whole))
    if pair is None:
        pair = shared[id(whole)] = (whole.copy(order="K"), Storage(), whole)
    copied, version, _ = pair
    out = object.__new__(type(t))
    init_fields(out, copied if array is whole else _same_view(array, whole, copied))
    out._storage = version
    out._edge = t._edge
    memo[id(t)] = out
    if t._grad is not None:
        out._grad = deepcopy(t._grad, memo)
    if t.__dict__:
        out.__dict__.update(copy.deepcopy(t.__dict__, memo))
    return out


def _same_view(array: np.ndarray, whole: np.ndarray, copied: np.ndarray) -> np.ndarray:
    """The view of ``copied`` that ``array`` is of ``whole``."""
    raw = _bytes_of(copied)
    if raw is None or not array.size:
        return array.copy(order="K")
    return np.ndarray(array.shape, array.dtype, raw, address(array) - address(whole), array.strides)


def is_storage(obj: Any) -> bool:
    """Whether ``obj`` is a storage."""
    return isinstance(obj, (TypedStorage, UntypedStorage))
