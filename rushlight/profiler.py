"""``torch.profiler``: operations are not recorded; ranges can be marked and have no effect."""

import functools
from collections.abc import Callable
from enum import Enum
from typing import Any

from rushlight.base.errors import unsupported

_WHY = "use cProfile or a sampling profiler: operations are Python functions"


class ProfilerActivity(Enum):
    """What could be recorded."""

    CPU = 0
    XPU = 1
    CUDA = 2


class profile:
    """Raises NotImplementedError. Use ``cProfile``: operations are Python functions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise unsupported("torch.profiler.profile", _WHY)


class record_function:
    """Marks a range for a profiler; without one it does nothing, as in PyTorch.

    Args:
        name: the range's name.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> "record_function":
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapped


def schedule(*args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError."""
    raise unsupported("torch.profiler.schedule", _WHY)


def tensorboard_trace_handler(*args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError."""
    raise unsupported("torch.profiler.tensorboard_trace_handler", _WHY)
