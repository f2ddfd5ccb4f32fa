"""``torch.return_types``: the named tuples that operations with several results return."""

from typing import Any

from rushlight.ops._results import TYPES


def __getattr__(name: str) -> Any:
    if name in TYPES:
        return TYPES[name]
    raise AttributeError(f"module 'torch.return_types' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(TYPES)
