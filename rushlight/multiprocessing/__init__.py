"""``torch.multiprocessing``: Python's ``multiprocessing`` with ``spawn`` added.

Tensors are sent to other processes by copying them, as pickles. Memory is not shared:
``share_memory_`` changes nothing, and what a process writes into a tensor stays there.
"""

import multiprocessing as _multiprocessing
from multiprocessing import *  # noqa: F403
from multiprocessing import __all__ as _names
from typing import Any

from rushlight.multiprocessing.spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

_STRATEGIES = {"file_descriptor", "file_system"}
_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """PyTorch's names for ways of sharing memory."""
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """What :func:`set_sharing_strategy` set."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted: tensors are copied, whatever the strategy."""
    global _strategy
    if new_strategy not in _STRATEGIES:
        raise AssertionError(f"invalid sharing strategy {new_strategy!r}")
    _strategy = new_strategy


def __getattr__(name: str) -> Any:
    return getattr(_multiprocessing, name)


__all__ = [  # noqa: PLE0604
    "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException",
    "SpawnContext", "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy",
    "spawn", "start_processes", *_names,
]  # fmt: skip
