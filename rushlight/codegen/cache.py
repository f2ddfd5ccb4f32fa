"""Machine code on disk: compiled once, loaded by every later process without LLVM.

Note: what a cached object is keyed by
    Name and key of the kernel (the key holds the kernel's parameters and the hash of the
    emitter's source), the processor with its features, the version of llvmlite, and the source
    of `llvm.py`, which decides how code is generated. The whole key is stored in the file and
    compared; a checksum covers everything. What does not match is built again and never run.

A file is written beside its place and renamed, so processes share the folder without locks.
When the folder outgrows `config.cache_bytes` the files used least recently are deleted.
"""

import ctypes
import os
import sys
import threading
import time
from _blake2 import blake2b
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import PathFinder
from types import ModuleType

from rushlight.base.config import config
from rushlight.codegen import llvm, loader
from rushlight.runtime import blas, cpu

_MAGIC = b"rushlight object 1\n"
_DIGEST = 16
_BLAS = ("cblas_", "LAPACKE_")
_USED_SECONDS = 3600.0  # a file's time of last use is renewed at most this often

lock = threading.RLock()
_loaded: dict[tuple[str, str, str], dict[str, int]] = {}
_providers: dict[str, Callable[[], int]] = {}
_memo: dict[str, str] = {}
_hashes: dict[str, str] = {}
_counts = {"memory": 0, "disk": 0, "compiled": 0, "rejected": 0}


def native_supported() -> bool:
    """Whether generated code may be used: CPython with its lock, not switched off."""
    if not config.native or sys.implementation.name != "cpython" or _memo.get("no compiler"):
        return False
    locked = getattr(sys, "_is_gil_enabled", None)
    return (locked is None or bool(locked())) and ctypes.sizeof(ctypes.c_void_p) == 8


def provide(name: str, address: Callable[[], int]) -> None:
    """Make a symbol known to all generated code; `address` is asked when it is first needed."""
    _providers[name] = address


def statistics() -> dict[str, int]:
    """How many loads came from memory, from disk, from the compiler, and were rejected."""
    return dict(_counts)


def emitter_hash(*sources: ModuleType | str) -> str:
    """A hash of source files, given as modules or paths, for use in a kernel's key.

    Where only compiled Python is installed, the file's name stands in for the source.
    """
    digest = blake2b(digest_size=_DIGEST)
    for source in sources:
        path = source if isinstance(source, str) else (source.__file__ or source.__name__)
        known = _hashes.get(path)
        if known is None:
            try:
                with open(path, "rb") as file:
                    text = file.read()
            except OSError:
                text = os.path.basename(path).encode()
            known = _hashes[path] = blake2b(text, digest_size=_DIGEST).hexdigest()
        digest.update(known.encode())
    return digest.hexdigest()


def _llvmlite_version() -> str:
    """llvmlite's version without importing it (importlib.metadata alone takes 20 ms)."""
    spec = PathFinder.find_spec("llvmlite")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        return "none"
    try:
        with open(os.path.join(folders[0], "_version.py"), "rb") as file:
            return blake2b(file.read(), digest_size=_DIGEST).hexdigest()
    except OSError:
        names = os.listdir(os.path.dirname(folders[0]))
        return " ".join(sorted(n for n in names if n.startswith("llvmlite-"))) or "unknown"


def _host_key() -> str:
    found = _memo.get("host")
    if found is None:
        processor = cpu.signature() or llvm.host()
        parts = (processor, _llvmlite_version(), emitter_hash(llvm))
        found = _memo["host"] = "\n".join(parts)
    return found


def _path(name: str, whole: bytes) -> str:
    digest = blake2b(whole, digest_size=_DIGEST).hexdigest()
    stem = "".join(c if c.isalnum() or c in "_-." else "_" for c in name)[:64]
    return os.path.join(config.cache_dir, "objects", f"{stem}-{digest}.o")


def _pack(whole: bytes, data: bytes) -> bytes:
    body = len(whole).to_bytes(4, "little") + whole + data
    return _MAGIC + blake2b(body, digest_size=_DIGEST).digest() + body


def _unpack(whole: bytes, packed: bytes) -> bytes | None:
    start = len(_MAGIC) + _DIGEST
    body = packed[start:]
    if packed[: len(_MAGIC)] != _MAGIC:
        return None
    if blake2b(body, digest_size=_DIGEST).digest() != packed[len(_MAGIC) : start]:
        return None
    size = int.from_bytes(body[:4], "little")
    return body[4 + size :] if body[4 : 4 + size] == whole else None


def _read(path: str, whole: bytes) -> bytes | None:
    """The object stored under this key, or None if there is none that may be trusted."""
    try:
        with open(path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            # Code that someone else could have written is not run.
            if hasattr(os, "getuid") and (
                status.st_uid not in (os.getuid(), 0) or status.st_mode & 0o022
            ):
                return None
            packed = file.readall()
    except OSError:
        return None
    data = _unpack(whole, packed)
    if data is None:
        _counts["rejected"] += 1
        return None
    if time.time() - status.st_mtime > _USED_SECONDS:
        with suppress(OSError):
            os.utime(path)
    return data


def _write(path: str, whole: bytes, data: bytes) -> None:
    """Store an object; a folder that cannot be written to only costs speed."""
    folder = os.path.dirname(path)
    beside = f"{path}.{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "wb") as file:
                file.write(_pack(whole, data))
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError:
        return
    _trim(folder)


def _trim(folder: str) -> None:
    """Delete the files used least recently until the folder is at 3/4 of its bound."""
    try:
        with os.scandir(folder) as entries:
            files = [(e.stat().st_mtime, e.stat().st_size, e.path) for e in entries]
    except OSError:
        return
    total = sum(size for _, size, _ in files)
    if total <= config.cache_bytes:
        return
    for _, size, path in sorted(files):
        if total <= config.cache_bytes * 3 // 4:
            break
        try:
            os.unlink(path)
        except OSError:
            continue
        total -= size


def _resolve(name: str, symbols: Mapping[str, int]) -> int:
    if name in symbols:
        return symbols[name]
    provider = _providers.get(name)
    if provider is not None:
        return provider()
    if name.startswith(_BLAS):
        try:
            return blas.address(name)
        except blas.BlasError as error:
            raise KeyError(name) from error
    return loader.address_of(name)


def _link(data: bytes, exports: Sequence[str], symbols: Mapping[str, int]) -> dict[str, int]:
    if loader.supported() and not _memo.get("forbidden"):
        try:
            return loader.place(data, exports, lambda name: _resolve(name, symbols))
        except PermissionError:
            _memo["forbidden"] = "yes"
    table = dict(symbols)
    for word in set(data.split(b"\0")):
        name = word.decode("latin-1")
        if sys.platform == "darwin":
            name = name.removeprefix("_")
        if name not in exports and (name in _providers or name.startswith(_BLAS)):
            table.setdefault(name, _resolve(name, symbols))
    return llvm.link_object(data, exports, table)


def load(
    name: str,
    key: str,
    make_ir: Callable[[], str],
    exports: Sequence[str],
    symbols: Mapping[str, int] | None = None,
    instance: str = "",
    opt: bool = False,
) -> dict[str, int]:
    """Machine code for a kernel: from this process, from disk, or compiled now.

    Args:
        name: the kernel's name, part of the file's name.
        key: everything that the code depends on besides the machine: the parameters of the
            kernel and the `emitter_hash` of the code that writes its IR. The same name and key
            must always mean the same IR and the same symbols.
        make_ir: writes the LLVM IR; called only if nothing is cached.
        exports: the functions (or global variables) whose addresses are wanted.
        symbols: addresses of further symbols that the code uses, by name. The interpreter's C
            API (`PyLong_AsSsize_t`, `_Py_NoneStruct`, ...), `rl_parallel_for`, `cblas_*` and
            `LAPACKE_*` (OpenBLAS with one thread, opened when such an object is first loaded)
            and libc's `memcpy`, `memset`, `memmove`, `syscall`, ... need not be passed.
        instance: loads with different values get copies of their own, global variables included,
            of the same cached object.
        opt: run LLVM's own optimiser, for scalar code.

    Returns:
        The address of each export. The code stays valid until the process ends.

    Raises:
        ImportError: if nothing is cached and llvmlite cannot be imported; from then on
            `native_supported()` is False.
    """
    memo = (name, key, instance)
    found = _loaded.get(memo)
    if found is not None:
        return found
    with lock:
        found = _loaded.get(memo)
        if found is not None:
            return found
        found = _load(name, key, make_ir, exports, symbols or {}, opt)
        _loaded[memo] = found
        return found


def _load(
    name: str,
    key: str,
    make_ir: Callable[[], str],
    exports: Sequence[str],
    symbols: Mapping[str, int],
    opt: bool,
) -> dict[str, int]:
    whole = f"{name}\n{key}\n{_host_key()}".encode()
    path = _path(name, whole)
    data = _read(path, whole)
    if data is not None:
        try:
            found = _link(data, exports, symbols)
            _counts["disk"] += 1
            return found
        except loader.LoadError:
            _counts["rejected"] += 1
    try:
        data = llvm.compile_object(make_ir(), opt)
    except ImportError:
        _memo["no compiler"] = "yes"
        raise
    _counts["compiled"] += 1
    _write(path, whole, data)
    return _link(data, exports, symbols)
