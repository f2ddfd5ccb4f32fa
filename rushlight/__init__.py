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

# Loaded on first access.
_SUBMODULES = (
    "__config__", "accelerator", "alias", "amp", "autograd", "backends", "compiler", "cpu", "cuda",
    "distributed", "distributions", "fft", "func", "functional", "hub", "jit", "linalg", "masked",
    "mps", "multiprocessing", "nn", "onnx", "optim", "overrides", "profiler", "quantization",
    "random", "return_types", "serialization", "signal", "sparse", "special", "testing", "types",
    "utils", "vision", "xpu",
)  # fmt: skip
# The same where the module has another name, and functions: module, name in it ("": the module).
_LAZY = {
    "GradScaler": ("amp", "GradScaler"),
    "autocast": ("amp", "autocast"),
    "compile": ("compiler", "compile"),
    "empty_cache": ("_memory", "empty_cache"),
    "get_num_threads": ("runtime.threads", "get_num_threads"),
    "is_anomaly_check_nan_enabled": ("autograd.anomaly", "is_anomaly_check_nan_enabled"),
    "is_anomaly_enabled": ("autograd.anomaly", "is_anomaly_enabled"),
    "load": ("serialization", "load"),
    "memory_stats": ("_memory", "memory_stats"),
    "save": ("serialization", "save"),
    "set_num_threads": ("runtime.threads", "set_num_threads"),
    "sparse_bsc_tensor": ("sparse", "sparse_bsc_tensor"),
    "sparse_bsr_tensor": ("sparse", "sparse_bsr_tensor"),
    "sparse_compressed_tensor": ("sparse", "sparse_compressed_tensor"),
    "sparse_coo_tensor": ("sparse", "sparse_coo_tensor"),
    "sparse_csc_tensor": ("sparse", "sparse_csc_tensor"),
    "sparse_csr_tensor": ("sparse", "sparse_csr_tensor"),
    "storage": ("core.storage", ""),
    "torch_version": ("alias.version", ""),
    "version": ("alias.version", ""),
    "vmap": ("func", "vmap"),
}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"rushlight.{name}")
    if name in _LAZY:
        module, inner = _LAZY[name]
        found = importlib.import_module(f"rushlight.{module}")
        return getattr(found, inner) if inner else found
    raise AttributeError(f"module 'torch' has no attribute '{name}' in rushlight {__version__}; "
                         "the list of supported names is docs/support.md")  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_LAZY})


__all__ = [  # noqa: PLE0604
    "Size", "Tensor", "__version__", "device", "dtype", "enable_grad", "inference_mode",
    "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled", *_FUNCTIONS,
    *_ROOT,
]  # fmt: skip
del _methods
