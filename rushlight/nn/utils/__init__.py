"""``torch.nn.utils``: gradients, vectors of parameters, sequences, parametrizations."""

import importlib
from typing import Any

from rushlight.nn.utils import rnn
from rushlight.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from rushlight.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters

# These functions are named as their modules: imported at once, so that the functions win.
from rushlight.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from rushlight.nn.utils.weight_norm import remove_weight_norm, weight_norm

# Loaded when first used: name, and its module.
_LAZY = {
    "fuse_conv_bn_eval": "fusion",
    "fuse_conv_bn_weights": "fusion",
    "fuse_linear_bn_eval": "fusion",
    "fuse_linear_bn_weights": "fusion",
    "skip_init": "init",
}
_MODULES = ("fusion", "parametrizations", "parametrize", "stateless")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module = importlib.import_module(f"rushlight.nn.utils.{_LAZY[name]}")
        found = globals()[name] = getattr(module, name)  # importing put the module there
        return found
    if name in _MODULES:
        return importlib.import_module(f"rushlight.nn.utils.{name}")
    raise AttributeError(f"module 'torch.nn.utils' has no attribute '{name}'")


__all__ = [  # noqa: PLE0604  (the starred names are strings)
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_",
    "get_total_norm", "parameters_to_vector", "remove_spectral_norm", "remove_weight_norm", "rnn",
    "spectral_norm", "vector_to_parameters", "weight_norm", *_LAZY, *_MODULES,
]  # fmt: skip
