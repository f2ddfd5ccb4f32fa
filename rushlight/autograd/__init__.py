"""Reverse-mode automatic differentiation: grad modes, graph nodes, the engine, custom functions.

The public names of ``torch.autograd`` are reached through this package; they load when used.
"""

import importlib
from typing import Any

_HOME = {
    "backward": "engine", "grad": "engine",
    "Function": "function", "FunctionCtx": "function",
    "no_grad": "modes", "enable_grad": "modes", "set_grad_enabled": "modes",
    "inference_mode": "modes", "is_grad_enabled": "modes", "grad_mode": "modes",
    "set_detect_anomaly": "anomaly", "detect_anomaly": "anomaly",
    "gradcheck": "finite_differences", "gradgradcheck": "finite_differences",
    "GradcheckError": "finite_differences",
    "Variable": "variable",
}  # fmt: skip
_MODULES = ("anomaly", "engine", "forward_ad", "function", "functional", "graph", "profiler",
            "variable")  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "grad_mode":
        return importlib.import_module("rushlight.autograd.modes")
    if name in _HOME:
        found = getattr(importlib.import_module(f"rushlight.autograd.{_HOME[name]}"), name)
        globals()[name] = found  # also where a submodule has the same name
        return found
    if name in _MODULES:
        return importlib.import_module(f"rushlight.autograd.{name}")
    raise AttributeError(f"module 'torch.autograd' has no attribute {name!r} in rushlight")
