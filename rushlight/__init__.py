"""rushlight: PyTorch's programming model for the machines everybody has.

``import rushlight as torch`` and go on as usual. Submodules such as ``nn`` and ``optim`` load when
they are first used.
"""

import importlib
from typing import Any

from rushlight.autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from rushlight.base import dtypes as _dtypes
from rushlight.base.device import device
from rushlight.base.dtypes import dtype
from rushlight.base.size import Size
from rushlight.base.version import __version__
from rushlight.core.tensor import Tensor
from rushlight.ops import methods as _methods
from rushlight.ops.root import ROOT as _ROOT
from rushlight.ops.table import FUNCTIONS as _FUNCTIONS

globals().update(_FUNCTIONS)
globals().update(_ROOT)
globals().update({d.name: d for d in _dtypes.ALL})
globals().update(_dtypes.ALIASES)

# Loaded on first access. torch's name: rushlight's module.
_SUBMODULES = (
    "nn", "optim", "utils", "linalg", "fft", "special", "amp", "cuda", "testing", "autograd",
    "distributed", "serialization", "vision", "alias", "backends", "random", "signal", "masked",
    "accelerator", "func",
)  # fmt: skip
_LAZY = {"save": "serialization", "load": "serialization", "autocast": "amp", "vmap": "func"}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"rushlight.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(f"rushlight.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'torch' has no attribute '{name}' in rushlight {__version__}; "
                         "the list of supported names is docs/support.md")  # fmt: skip


__all__ = [
    "Size", "Tensor", "__version__", "device", "dtype", "enable_grad", "inference_mode",
    "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled", *_FUNCTIONS, *_ROOT,
]  # fmt: skip
del _methods
