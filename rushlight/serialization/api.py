"""``torch.save`` and ``torch.load``."""

import io
import mmap as memory_map
import os
import pickle
import sys
import warnings
from typing import Any

import numpy as np

from rushlight.base.dtypes import by_name
from rushlight.base.errors import unsupported
from rushlight.core.storage import UntypedStorage
from rushlight.serialization import legacy
from rushlight.serialization import weights_only as restricted
from rushlight.serialization.archive import Reader, Writer, is_zip, write_head
from rushlight.serialization.files import is_path, opened_for_reading, opened_for_writing
from rushlight.serialization.location import Restore, restorer
from rushlight.serialization.names import find
from rushlight.serialization.pickler import Pickler, Storages, make_pickler
from rushlight.serialization.storage import (
    BY_NAME,
    REBUILD,
    AnyStorage,
    StorageType,
    _rebuild_from_type_v2,
    typed,
)

DEFAULT_PROTOCOL = 2
_UNSAFE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` "
    "from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will "
    "likely succeed, but it can result in arbitrary code execution. Do it only if you got the "
    "file from a trusted source."
)
_DOCS = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with "
    "weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)


def save(
    obj: object,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Saves an object to a file that PyTorch can read.

    Tensors that share memory still do when they are loaded. The file is written beside its
    destination and renamed when it is complete: if the disk is full or the program is killed, the
    old file is still there.

    Args:
        obj: a tensor, a ``state_dict``, a module, or any object that can be pickled.
        f: a path, or a file object with ``write``.
        pickle_module: used instead of the standard ``pickle``.
        pickle_protocol: the pickle's version; 2 is what ``load(weights_only=True)`` understands.

    Examples::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> torch.save({"x": torch.tensor([1, 2])}, buffer)
        >>> _ = buffer.seek(0)
        >>> torch.load(buffer)
        {'x': tensor([1, 2])}
    """
    kind = Pickler if pickle_module is pickle else make_pickler(pickle_module.Pickler)
    if not is_path(f) and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    if not _use_new_zipfile_serialization:
        with opened_for_writing(f) as file:
            legacy.save(obj, file, kind, pickle_module.dump, pickle_protocol)
        return
    buffer = io.BytesIO()
    storages = Storages()
    kind(buffer, pickle_protocol, storages).dump(
        obj
    )  # first: what cannot be pickled leaves no file
    with opened_for_writing(f) as file:
        writer = Writer(file, _archive_name(f))
        write_head(writer, buffer.getvalue())
        for key, storage in enumerate(storages.found):
            writer.record(f"data/{key}", storage.array)
        writer.finish()


def _archive_name(f: Any) -> str:
    if not is_path(f):
        return "archive"
    name = os.path.basename(os.fspath(f))
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    stem, dot, _ = name.rpartition(".")
    return (stem if dot and stem else name) or "archive"


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Loads what ``save``, rushlight's or PyTorch's, has written.

    Args:
        f: a path, or a file object that can seek.
        map_location: where the tensors go, whatever the file says: a device, its name, a dict of
            names, or a function of a storage and a name. rushlight has the CPU only.
        pickle_module: used instead of the standard ``pickle``.
        weights_only: True (the default): only tensors, plain values and containers, and what
            ``torch.serialization.add_safe_globals`` allows; no code of the file's is run. False:
            any object; a file from someone else can then do anything.
        mmap: map the file into memory instead of reading it; needs a path.

    Raises ``pickle.UnpicklingError`` for files with objects that are not allowed, RuntimeError for
    damaged ones.
    """
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if pickle_load_args and weights_only:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    pickle_load_args.setdefault("encoding", "utf-8")
    source = _Source(restorer(map_location), weights_only, pickle_module, pickle_load_args)
    if is_path(f) and os.fspath(f).endswith(".safetensors"):
        return _load_safetensors(f)
    try:
        with opened_for_reading(f) as file:
            if is_zip(file):
                mapped = _map(f) if mmap else None
                return _load_zip(file, source, mapped)
            if mmap:
                raise RuntimeError(
                    "mmap can only be used with files saved with `torch.save("
                    "_use_new_zipfile_serialization=True), please torch.save your checkpoint with "
                    "this option in order to use mmap."
                )
            return _load_legacy(file, source)
    except pickle.UnpicklingError as error:
        if not weights_only:
            raise
        raise pickle.UnpicklingError(_explain(str(error))) from None


def _explain(message: str) -> str:
    """PyTorch's words about a file that ``weights_only=True`` refuses."""
    if "was not an allowed global by default." in message:
        text = (
            "Weights only load failed. This file can still be loaded, to do so you have two "
            "options, \033[1mdo those steps only if you trust the source of the checkpoint\033[0m."
            f" \n\t(1) {_UNSAFE}\n\t(2) Alternatively, to load with `weights_only=True` please "
            "check the recommended steps in the following error message.\n\tWeightsUnpickler "
            f"error: {message}"
        )
    else:
        text = f"Weights only load failed. {_UNSAFE}\n"
        if " is blocked" not in message:
            text += (
                "Please file an issue with the following so that we can make `weights_only=True` "
                "compatible with your use case: WeightsUnpickler error: "
            )
        text += f"\n\n{message}"
    return text + _DOCS


class _Source:
    """How a file is to be read."""

    def __init__(self, restore: Restore, safe: bool, module: Any, args: dict[str, Any]) -> None:
        self.restore = restore
        self.safe = safe
        self.module = restricted if safe else module or pickle
        self.args = args

    def unpickler(self, file: Any) -> Any:
        """An unpickler that knows PyTorch's names."""
        if self.safe:
            return restricted.Unpickler(file, **self.args)

        class TorchUnpickler(self.module.Unpickler):  # type: ignore[misc, name-defined]
            def find_class(self, module: str, name: str) -> Any:
                """rushlight's class for PyTorch's, any other by import."""
                known = _known(module, name)
                return super().find_class(module, name) if known is None else known

        return TorchUnpickler(file, **self.args)

    def load_one(self, file: Any) -> Any:
        """A plain pickle."""
        return self.module.load(file, **self.args)


def _known(module: str, name: str) -> Any:
    """What PyTorch's files mean by a name of ``torch`` or ``torchvision``; None for others."""
    root = module.split(".", maxsplit=1)[0]
    if root not in ("torch", "torchvision"):
        return None
    if module in ("torch", "torch.storage"):
        if name in BY_NAME:
            return BY_NAME[name]
        try:
            return by_name(name)
        except KeyError:
            pass
    if module == "torch._utils" and name in REBUILD:
        return REBUILD[name]
    if (module, name) == ("torch._tensor", "_rebuild_from_type_v2"):
        return _rebuild_from_type_v2
    return find(module, name)


def _load_zip(file: Any, source: _Source, mapped: Any) -> Any:
    archive = Reader(file)
    if archive.has("constants.pkl"):
        raise unsupported("TorchScript archives", "save a state_dict instead")
    order = sys.byteorder
    if archive.has("byteorder"):
        order = archive.read("byteorder").decode()  # type: ignore[assignment]
        if order not in ("little", "big"):
            raise ValueError(f"Unknown endianness type: {order}")
    storages: dict[str, UntypedStorage] = {}

    def storage(kind: StorageType, key: str, location: str, numel: int) -> UntypedStorage:
        nbytes = numel * kind.dtype.itemsize
        if mapped is None:
            array = archive.storage(f"data/{key}", nbytes)
        else:
            start = archive.offset(f"data/{key}")
            array = np.frombuffer(mapped, np.uint8, nbytes, start)
        if order != sys.byteorder and kind.dtype.itemsize > 1:
            part = kind.dtype.itemsize // (2 if kind.dtype.is_complex else 1)
            array = np.frombuffer(bytearray(array), f"u{part}").byteswap().view(np.uint8)
        return source.restore(UntypedStorage(array), location)

    def persistent_load(pid: Any) -> AnyStorage:
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] not in ("storage", b"storage"):
            raise pickle.UnpicklingError(f"persistent id is not that of a storage: {pid!r}")
        kind, key, location, numel = pid[1:]
        if not isinstance(kind, StorageType) or type(numel) is not int or numel < 0:
            raise pickle.UnpicklingError(f"persistent id is not that of a storage: {pid!r}")
        if key not in storages:
            where = location.decode() if isinstance(location, bytes) else location
            storages[key] = storage(kind, key, where, numel)
        return typed(storages[key], kind)

    unpickler = source.unpickler(io.BytesIO(archive.read("data.pkl")))
    unpickler.persistent_load = persistent_load
    return unpickler.load()


def _load_legacy(file: Any, source: _Source) -> Any:
    if legacy.is_tar(file):
        raise RuntimeError(
            "Cannot use ``weights_only=True`` with files saved in the legacy .tar format. rushlight "
            "does not read that format (PyTorch before 0.1.10); load the file in PyTorch and save "
            "it anew."
        )
    return legacy.load(file, source.restore, source.unpickler, source.load_one)


def _map(f: Any) -> Any:
    """The file in memory, changes to which stay in the process."""
    if not is_path(f):
        raise ValueError("f must be a file path in order to use the mmap argument")
    with open(f, "rb") as file:
        return memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_COPY)


def _load_safetensors(f: Any) -> Any:
    try:
        from safetensors.numpy import load_file  # noqa: PLC0415  (an extra)
    except ImportError:
        raise RuntimeError(
            "Attempting to load a safetensors file but safetensors is not installed. Please "
            "install safetensors with: pip install safetensors"
        ) from None
    from_numpy = find("torch", "from_numpy")
    return {name: from_numpy(array) for name, array in load_file(os.fspath(f)).items()}
