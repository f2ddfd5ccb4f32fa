"""Pickling with PyTorch's names: tensors by their storages, classes by PyTorch's modules."""

import pickle
import sys
from typing import Any

from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.storage import UntypedStorage, is_storage
from rushlight.core.tensor import Tensor
from rushlight.serialization.names import global_name, is_ours
from rushlight.serialization.storage import (
    REBUILD_NAMES,
    AnyStorage,
    StorageType,
    kind_of,
    reduce_tensor,
    untyped,
)


class Storages:
    """The storages that were met while pickling, each once, numbered in the order of meeting."""

    def __init__(self) -> None:
        self.keys: dict[int, str] = {}  # by address
        self.types: dict[int, StorageType] = {}
        self.found: list[UntypedStorage] = []
        self.itemsizes: list[int] = []

    def identify(self, storage: AnyStorage) -> tuple[Any, ...]:
        """What stands in the pickle for a storage."""
        kind, memory = kind_of(storage), untyped(storage)
        address = memory.array.__array_interface__["data"][0]
        key = self.keys.get(address)
        if key is None:
            key = self.keys[address] = str(len(self.found))
            self.found.append(memory)  # keeps the memory, and so the address, in use
            self.itemsizes.append(kind.dtype.itemsize)
            self.types[address] = kind
        elif memory.array.size and self.types[address].dtype is not kind.dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                "types"
            )
        return ("storage", kind, key, "cpu", memory.nbytes() // kind.dtype.itemsize)


def make_pickler(base: Any) -> Any:
    """A subclass of a pickle module's ``Pickler`` that knows tensors and storages."""

    class TensorPickler(base):  # type: ignore[misc]
        def __init__(self, file: Any, protocol: int, storages: Storages) -> None:
            super().__init__(file, protocol=protocol)
            self.storages = storages
            parameters = sys.modules.get("rushlight.nn.parameter")
            self.parameter = getattr(parameters, "Parameter", None)

        def persistent_id(self, obj: Any) -> Any:
            """The id of a storage; None for other objects."""
            return self.identify(obj) if is_storage(obj) else None

        def identify(self, storage: AnyStorage) -> Any:
            """The persistent id of a storage."""
            return self.storages.identify(storage)

        def reducer_override(self, obj: Any) -> Any:
            """How tensors are pickled."""
            if isinstance(obj, Tensor):
                return reduce_tensor(obj, self.parameter)
            return NotImplemented

    return TensorPickler


class Pickler(make_pickler(pickle._Pickler)):  # type: ignore[misc, name-defined]
    """Writes PyTorch's names where the object is rushlight's."""

    def reducer_override(self, obj: Any) -> Any:
        """How objects are pickled that PyTorch writes as a bare name, and tensors."""
        if isinstance(obj, (Dtype, StorageType)):
            return "name"
        return super().reducer_override(obj)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Writes a reference to a class, a function, or a named object."""
        if isinstance(obj, Dtype):
            self._write_name("torch", obj.name, obj)
        elif isinstance(obj, StorageType):
            self._write_name(*obj.global_name(), obj)
        elif obj in REBUILD_NAMES:
            self._write_name(*REBUILD_NAMES[obj], obj)
        elif is_ours(obj):
            self._write_name(*global_name(obj, name), obj)
        else:
            super().save_global(obj, name)

    # `dispatch` holds functions, not names: the entries that lead to save_global
    dispatch = pickle._Pickler.dispatch.copy()  # type: ignore[attr-defined]

    def _write_name(self, module: str, name: str, obj: Any) -> None:
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    def _save_type(self, obj: type) -> None:
        if obj in (type(None), type(NotImplemented), type(...)):
            pickle._Pickler.save_type(self, obj)  # type: ignore[attr-defined]
        else:
            self.save_global(obj)

    dispatch[type] = _save_type
    dispatch[type(make_pickler)] = save_global
