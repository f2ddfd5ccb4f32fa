"""The format of ``torch.save`` before PyTorch 1.6: pickles and storages, one after the other."""

import struct
import sys
import tarfile
from typing import Any

import numpy as np

from rushlight.core.storage import UntypedStorage, is_storage
from rushlight.serialization.archive import fill
from rushlight.serialization.location import Restore
from rushlight.serialization.pickler import Storages
from rushlight.serialization.storage import AnyStorage, StorageType, kind_of, typed

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001


def _same_id(storages: Storages, storage: AnyStorage) -> tuple[Any, ...]:
    return (*storages.identify(storage), None)  # the last: not a view of another storage


def save(obj: Any, file: Any, pickler: Any, dump: Any, protocol: int) -> None:
    """Writes ``obj`` in the old format."""
    dump(MAGIC_NUMBER, file, protocol=protocol)
    dump(PROTOCOL_VERSION, file, protocol=protocol)
    sizes = {"short": 2, "int": 4, "long": 4}
    info = {
        "protocol_version": PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": sizes,
    }
    dump(info, file, protocol=protocol)
    storages = Storages()
    writer = pickler(file, protocol, storages)
    writer.identify = lambda storage: _same_id(storages, storage)
    writer.dump(obj)
    keys = sorted(storages.keys.values())
    dump(keys, file, protocol=protocol)
    file.flush()
    for key in keys:
        storage = storages.found[int(key)]
        file.write(struct.pack("<q", storage.nbytes() // storages.itemsizes[int(key)]))
        file.write(memoryview(storage.array))


def is_tar(file: Any) -> bool:
    """Whether the file is a tar archive, PyTorch's very first format."""
    start = file.tell()
    try:
        with tarfile.open(fileobj=file, mode="r:"):
            return True
    except (tarfile.TarError, EOFError, OSError, ValueError):
        return False
    finally:
        file.seek(start)


class _Reader:
    """The storages of a file, made empty when the pickle names them and filled afterwards."""

    def __init__(self, restore: Restore) -> None:
        self.restore = restore
        self.storages: dict[Any, UntypedStorage] = {}

    def persistent_load(self, pid: Any) -> Any:
        """The class or storage that ``pid`` stands for."""
        kind = pid[0].decode() if isinstance(pid[0], bytes) else pid[0]
        if kind == "module":  # a class, with its source code, which is not needed
            return pid[1]
        if kind != "storage":
            raise RuntimeError(f"Unknown saved id type: {pid[0]}")
        storage_type, key, location, numel, view = pid[1:]
        if not isinstance(storage_type, StorageType) or type(numel) is not int or numel < 0:
            raise RuntimeError("Invalid storage; corrupt file?")
        itemsize = storage_type.dtype.itemsize
        if key not in self.storages:
            where = location.decode() if isinstance(location, bytes) else location
            empty = UntypedStorage(np.zeros(numel * itemsize, np.uint8))
            self.storages[key] = self.restore(empty, where)
        found = self.storages[key]
        if view is not None:
            view_key, offset, size = view
            start = offset * itemsize
            part = UntypedStorage(found.array[start : start + size * itemsize])
            found = self.storages.setdefault(view_key, part)
        return typed(found, storage_type)

    def fill(self, file: Any, keys: Any, itemsizes: dict[Any, int]) -> None:
        """Reads the contents of the storages."""
        for key in keys:
            storage = self.storages[key]
            head = file.read(8)
            if len(head) != 8:
                raise RuntimeError(
                    "unexpected EOF, expected 8 more bytes. The file might be corrupted."
                )
            (numel,) = struct.unpack("<q", head)
            if numel * itemsizes[key] != storage.nbytes():
                raise RuntimeError(
                    f"storage has wrong byte size: expected {storage.nbytes()} got "
                    f"{numel * itemsizes[key]}"
                )
            missing = storage.nbytes() - fill(file, storage.array)
            if missing:
                raise RuntimeError(
                    f"unexpected EOF, expected {missing} more bytes. The file might be corrupted."
                )


def load(file: Any, restore: Restore, make_unpickler: Any, load_one: Any) -> Any:
    """Reads a file in the old format.

    Args:
        file: the open file.
        restore: puts storages where ``map_location`` says.
        make_unpickler: called with the file; gives an unpickler.
        load_one: reads a plain pickle from the file.
    """
    if load_one(file) != MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = load_one(file)
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    load_one(file)  # about the machine that wrote it; sizes are written out in full
    reader = _Reader(restore)
    itemsizes: dict[Any, int] = {}

    def persistent_load(pid: Any) -> Any:
        found = reader.persistent_load(pid)
        if is_storage(found):
            itemsizes.setdefault(pid[2], kind_of(found).dtype.itemsize)
        return found

    unpickler = make_unpickler(file)
    unpickler.persistent_load = persistent_load
    result = unpickler.load()
    reader.fill(file, load_one(file), itemsizes)
    return result
