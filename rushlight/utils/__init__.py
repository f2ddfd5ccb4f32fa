"""Helpers around training: data sets and loaders, and what else PyTorch keeps in ``torch.utils``."""

import importlib
import importlib.util
from typing import Any


def __getattr__(name: str) -> Any:
    full = f"{__name__}.{name}"
    if not name.startswith("__") and importlib.util.find_spec(full) is not None:
        return importlib.import_module(full)
    raise AttributeError(f"module 'torch.utils' has no attribute '{name}' in rushlight")
