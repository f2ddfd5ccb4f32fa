"""Data sets, transforms and models for pictures: what ``import torchvision`` gives.

The parts load when they are first used.
"""

import importlib
from typing import Any

from rushlight.base.version import __version__ as _version

__version__ = f"0.28.0+rushlight.{_version}"
_PARTS = ("datasets", "io", "models", "ops", "transforms", "utils")


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module 'torchvision' has no attribute '{name}' in rushlight {_version}; "
        f"it has {', '.join(_PARTS)}"
    )


def set_image_backend(backend: str) -> None:
    """Chooses the library that loads pictures: only "PIL"."""
    if backend != "PIL":
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")


def get_image_backend() -> str:
    """The library that loads pictures: "PIL"."""
    return "PIL"
