"""``torch.nn``: modules, parameters, functions of tensors, initial values."""

import importlib
from typing import Any

from rushlight.nn import functional, init, modules, parameter, utils
from rushlight.nn.functional.loss import LinearCrossEntropyOptions
from rushlight.nn.modules import *  # noqa: F403
from rushlight.nn.modules import __all__ as _modules
from rushlight.nn.parameter import (
    Buffer,
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
)


def __getattr__(name: str) -> Any:
    if name in ("DataParallel", "parallel"):
        parallel = importlib.import_module("rushlight.nn.parallel")
        return parallel if name == "parallel" else parallel.DataParallel
    raise AttributeError(f"module 'torch.nn' has no attribute '{name}'")


__all__ = [  # noqa: PLE0604  (the starred names are strings)
    "Buffer", "DataParallel", "LinearCrossEntropyOptions", "Parameter",  # noqa: F405
    "UninitializedBuffer", "UninitializedParameter", "functional", "init", "modules",
    "parallel", "parameter", "utils", *_modules,  # noqa: F405
]  # fmt: skip
