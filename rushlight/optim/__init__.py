"""``torch.optim``: optimizers, and schedules of their learning rates."""

import importlib
from typing import Any

from rushlight.optim.adam import Adam
from rushlight.optim.adamw import AdamW
from rushlight.optim.optimizer import Optimizer
from rushlight.optim.rmsprop import RMSprop
from rushlight.optim.sgd import SGD

# Loaded when first used. Class: its module.
_RARE = {
    "ASGD": "asgd",
    "Adadelta": "adadelta",
    "Adafactor": "adafactor",
    "Adagrad": "adagrad",
    "Adamax": "adamax",
    "LBFGS": "lbfgs",
    "Muon": "muon",
    "NAdam": "nadam",
    "RAdam": "radam",
    "Rprop": "rprop",
    "SparseAdam": "sparse_adam",
}
_MODULES = ("lr_scheduler", "swa_utils")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"rushlight.optim.{name}")
    if name in _RARE:
        found = getattr(importlib.import_module(f"rushlight.optim.{_RARE[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'torch.optim' has no attribute '{name}'")


__all__ = [  # noqa: PLE0604  (the starred names are strings)
    "SGD", "Adam", "AdamW", "Optimizer", "RMSprop", *_MODULES, *_RARE,
]  # fmt: skip
