"""Transforms of pictures, for data sets: Pillow images and tensors (..., channels, height, width)."""

import importlib
from typing import Any

from rushlight.vision.transforms import functional
from rushlight.vision.transforms.transforms import *  # noqa: F403
from rushlight.vision.transforms.transforms import __all__ as _names

__all__ = [*_names, "functional"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "v2":
        return importlib.import_module(f"{__name__}.v2")
    raise AttributeError(f"module 'torchvision.transforms' has no attribute '{name}' in rushlight")
