"""``torch.autograd.profiler``: operations are not recorded; ranges can be marked without effect."""

import functools
from collections.abc import Callable
from typing import Any

from rushlight.base.errors import refused

_WHY = "use cProfile or a sampling profiler: operations are Python functions"
profile = refused("torch.autograd.profiler.profile", _WHY)
emit_nvtx = refused("torch.autograd.profiler.emit_nvtx", _WHY)
emit_itt = refused("torch.autograd.profiler.emit_itt", _WHY)


class record_function:
    """Marks a range for a profiler; without one it does nothing, as in PyTorch.

    Args:
        name: the range's name.
        args: accepted.

    Examples::

        >>> with torch.profiler.record_function("doubling"):
        ...     torch.ones(1) * 2
        tensor([2.])
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
