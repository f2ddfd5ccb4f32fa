"""How many threads the kernels use.

The pool itself is generated code (`codegen/pool.py`); it is installed here when the first kernel
that can use it is loaded. Until then the number is only remembered.
"""

from typing import Protocol

from rushlight.base.config import config
from rushlight.runtime import cpu


class ThreadPool(Protocol):
    """What this module asks of a pool."""

    def set_threads(self, number: int) -> None:
        """Use this many threads, the caller's included, from the next job on."""

    def workers(self) -> int:
        """The number of workers running now."""


_pool: ThreadPool | None = None
_number = 0  # 0: not decided yet


def get_num_threads() -> int:
    """The number of threads that kernels use, the calling thread included.

    It is `RUSHLIGHT_NUM_THREADS` if set, else the number of cores this process may use.
    """
    global _number
    if not _number:
        _number = config.num_threads if config.num_threads > 0 else cpu.core_count()
    return _number


def set_num_threads(number: int) -> None:
    """Let kernels use `number` threads, the calling thread included.

    Waits for a running parallel kernel to finish.

    Raises:
        RuntimeError: if the number is not positive.
    """
    global _number
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    _number = number
    if _pool is not None:
        _pool.set_threads(number)


def install(pool: ThreadPool) -> None:
    """Make `pool` the pool that `set_num_threads` controls."""
    global _pool
    _pool = pool
    pool.set_threads(get_num_threads())


def worker_count() -> int:
    """The workers running now: they start with the first parallel kernel."""
    return 0 if _pool is None else _pool.workers()
