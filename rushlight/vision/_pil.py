"""Pillow, loaded when a picture is first made or read."""

import importlib
import sys
from typing import Any

import numpy as np


def image_module() -> Any:
    """``PIL.Image``."""
    return importlib.import_module("PIL.Image")


def submodule(name: str) -> Any:
    """``PIL.ImageOps``, ``PIL.ImageEnhance`` or another part of Pillow."""
    return importlib.import_module(f"PIL.{name}")


def is_pil_image(value: Any) -> bool:
    """Whether ``value`` is a Pillow image. Pillow is not loaded to find out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def from_array(array: np.ndarray) -> Any:
    """A Pillow image of uint8 pixels, (height, width) or (height, width, channels)."""
    return image_module().fromarray(np.ascontiguousarray(array))
