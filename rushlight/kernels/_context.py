"""What the hand-scheduled kernels share: scratch memory, contexts of 8-byte slots, and calls."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from rushlight.codegen import cache
from rushlight.runtime import cpu

Call = Callable[[object], None]
_prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_functions: dict[tuple[str, str], Call] = {}
_free: list[np.ndarray] = []
_LIMIT_BYTES = 256 << 20


@lru_cache(maxsize=1)
def available() -> bool:
    """Return whether generated code may be used on this machine."""
    return cache.native_supported() and cpu.vector_bytes() >= 32


@lru_cache(maxsize=1)
def width() -> int:
    """Return how many float32 values fit into a vector."""
    return cpu.vector_bytes() // 4


def function(
    name: str,
    key: str,
    make_ir: Callable[[], str],
    symbols: Callable[[], dict[str, int]] | None = None,
) -> Call:
    """Return the kernel exported as ``name``, which takes a context; made on first use."""
    found = _functions.get((name, key))
    if found is None:
        given = symbols() if symbols is not None else None
        place = cache.load(f"conv_{name}", key, make_ir, [name], given)[name]
        found = _functions[name, key] = _prototype(place)
    return found


def context(slots: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    """Return a context of 8-byte slots."""
    return (ctypes.c_int64 * len(slots))(*slots)


def address(array: np.ndarray) -> int:
    """Return where an array's data begins."""
    place: int = array.__array_interface__["data"][0]
    return place


def take(floats: int) -> np.ndarray:
    """Return float32 scratch memory of at least this size, 64-byte aligned; give it back."""
    for n in range(len(_free)):
        try:
            if len(_free[n]) >= floats:
                return _free.pop(n)
        except IndexError:  # another thread was faster
            break
    size = -(-floats // 4096) * 4096
    raw = np.empty(size + 16, np.float32)
    skip = (-address(raw) % 64) // 4
    return raw[skip : skip + size]


def give(array: np.ndarray) -> None:
    """Give scratch memory back for the next kernel."""
    if sum(a.nbytes for a in _free) + array.nbytes > _LIMIT_BYTES:
        _free.clear()
    _free.append(array)
    _free.sort(key=len)


def clear() -> None:
    """Let go of all scratch memory that is not in use."""
    _free.clear()
