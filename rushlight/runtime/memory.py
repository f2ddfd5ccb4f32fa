"""Memory for large arrays: what the pool of blocks holds, and giving it back.

The pool is generated code (`codegen/heap.py`). Once a builtin has made a large result it is NumPy's
allocator in that thread: every array of 1 MB and more, NumPy's own results included, takes its
memory from blocks that earlier arrays gave back.
"""

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

_LOW_SHARE = 16  # the system runs short when less than 1/16 of its memory is available


class MemoryPool(Protocol):
    """What this module asks of a pool."""

    def ensure(self) -> None:
        """Make the pool the calling thread's allocator of arrays."""

    def trim(self, keep: int) -> None:
        """Give idle blocks back until at most `keep` bytes are idle."""

    def statistics(self) -> dict[str, int]:
        """The pool's counts, by name."""


_pool: MemoryPool | None = None
_NAMES = (
    "live_bytes",
    "idle_bytes",
    "peak_live_bytes",
    "peak_bytes",
    "hits",
    "misses",
    "returned_bytes",
    "live_blocks",
)


def install(pool: MemoryPool) -> None:
    """Make `pool` the one that is reported and emptied, and the calling thread's allocator."""
    global _pool
    _pool = pool
    pool.ensure()


def empty(shape: int | Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """An array without values; its memory goes back to the pool with its last view."""
    if _pool is not None:
        _pool.ensure()
    return np.empty(shape, dtype)


def memory_stats() -> dict[str, int]:
    """What the pool of blocks of 1 MB and more holds.

    Returns:
        A dict: ``live_bytes`` in ``live_blocks`` blocks are used by arrays, ``idle_bytes`` wait
        to be reused; ``peak_live_bytes`` and ``peak_bytes`` (with what was idle) are the most
        there ever were; ``hits`` requests were served by idle blocks, ``misses`` by new memory;
        ``returned_bytes`` were given back to the system. All zero before the first kernel runs,
        or without native code.
    """
    return dict.fromkeys(_NAMES, 0) if _pool is None else _pool.statistics()


def empty_cache() -> None:
    """Gives all idle blocks back to the system."""
    if _pool is not None:
        _pool.trim(0)


def _meminfo() -> dict[str, int]:
    try:
        with open("/proc/meminfo", "rb", buffering=0) as file:
            text = file.read(4096).decode("ascii", "replace")
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * 1024
    return found


def _group(name: str) -> int | None:
    """A number from the control group of a container, if it has such a limit."""
    try:
        with open(f"/sys/fs/cgroup/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def total_bytes() -> int:
    """The memory that this process may use: the machine's, or the container's."""
    total = _meminfo().get("MemTotal")
    if total is None:
        try:
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (AttributeError, ValueError, OSError):
            total = 4 << 30
    limit = _group("memory.max")
    return min(total, limit) if limit else total


def available_bytes() -> int:
    """The memory that can be had without swapping."""
    free = _meminfo().get("MemAvailable", total_bytes())
    limit, used = _group("memory.max"), _group("memory.current")
    return min(free, max(0, limit - used)) if limit and used is not None else free


def relieve() -> bool:
    """Gives idle blocks back if the system runs short of memory; whether it did."""
    if _pool is None or available_bytes() >= total_bytes() // _LOW_SHARE:
        return False
    _pool.trim(0)
    return True
