"""Lets the model definitions of ``rushlight.vision.models`` run on PyTorch's own modules.

Used by the recording scripts, in an environment that has PyTorch: torchvision's builds depend on
exact versions of torch, and these definitions are what is to be compared.
"""

import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REPLACE = (
    ("import rushlight.nn as nn", "import torch.nn as nn"),
    ("from rushlight.core.tensor import Tensor", "from torch import Tensor"),
    ("from rushlight.ops.joining import cat", "from torch import cat"),
    ("from rushlight.ops.shape import flatten", "from torch import flatten"),
    ("from rushlight.nn.modules", "from torch.nn.modules"),
)


def _module(name: str) -> Any:
    path = ROOT.joinpath(*name.split("."))
    module = types.ModuleType(name)
    sys.modules[name] = module
    if path.is_dir():
        module.__path__ = [str(path)]
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        return module
    text = path.with_suffix(".py").read_text(encoding="utf-8")
    for old, new in REPLACE:
        text = text.replace(old, new)
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def load() -> dict[str, Any]:
    """The builders, by the name of the model."""
    for name in ("rushlight", "rushlight.vision", "rushlight.vision.ops"):
        _module(name)
    _module("rushlight.vision.ops.misc")
    _module("rushlight.vision.models")
    api = _module("rushlight.vision.models._api")
    for family in ("alexnet", "vgg", "resnet", "squeezenet", "mobilenetv2", "densenet"):
        _module(f"rushlight.vision.models.{family}")
    found: dict[str, Any] = api.MODELS
    return found
