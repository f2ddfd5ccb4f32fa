"""PyTorch's names for rushlight's classes and functions, and the way back.

Files hold PyTorch's names only, so that PyTorch can read them: ``rushlight.nn.modules.linear`` is
written as ``torch.nn.modules.linear``, ``rushlight.vision.models.vgg`` as
``torchvision.models.vgg``.
"""

import importlib
import sys
from typing import Any

from rushlight.base.naming import from_torch, to_torch
from rushlight.base.version import __version__

# Where PyTorch keeps what rushlight keeps elsewhere (also: names of older versions).
_MOVED_IN = {"torch.tensor": "torch._tensor"}
# Not imported at the top: these stand above this folder.
_OBJECTS = {
    "torch.Tensor": ("rushlight.core.tensor", "Tensor"),
    "torch._tensor.Tensor": ("rushlight.core.tensor", "Tensor"),
    "torch.Size": ("rushlight.base.size", "Size"),
    "torch.device": ("rushlight.base.device", "device"),
    "torch.dtype": ("rushlight.base.dtypes", "dtype"),
    "torch.nn.parameter.Parameter": ("rushlight.nn.parameter", "Parameter"),
    "torch.nn.parameter.Buffer": ("rushlight.nn.parameter", "Buffer"),
}
# Packages whose classes PyTorch's users know from the package, whatever file they are in.
_GATHERED = ("torch.nn.modules", "torch.nn.functional", "torch._C._nn", "torch.optim.lr_scheduler",
             "torch.optim", "torch.distributions", "torchvision.models", "torch._C",
             "torch")  # fmt: skip
# What is in files of its own here, and the modules that show it under PyTorch's name.
_SHOWN = (
    ("rushlight.ops.", "rushlight.nn.functional"),
    ("rushlight.ops.", "rushlight"),
    ("rushlight.nn.functional.", "rushlight.nn.functional"),
    ("rushlight.base.typeinfo", "rushlight.serialization"),
    ("rushlight.optim._schedule", "rushlight.optim.lr_scheduler"),
    ("rushlight.distributions.", "rushlight.distributions"),
)


def full_name(obj: Any) -> str:
    """The dotted name, PyTorch's where it is rushlight's, under which a file refers to ``obj``."""
    module, name = global_name(obj)
    return f"{module}.{name}"


def global_name(obj: Any, name: str | None = None) -> tuple[str, str]:
    """The module and the name under which a file refers to a class or function."""
    name = name or getattr(obj, "__qualname__", None) or obj.__name__
    module = getattr(obj, "__module__", None) or ""
    if not module.startswith("rushlight."):
        return module, name
    for private, place in _SHOWN:
        if module.startswith(private):
            shown = sys.modules.get(place)
            if shown is not None and getattr(shown, name, None) is obj:
                return to_torch(place), name
    return to_torch(module), name


def is_ours(obj: Any) -> bool:
    """Whether ``obj`` (a class or function) is one of rushlight's."""
    module = getattr(obj, "__module__", None) or ""
    return module.startswith("rushlight.") or module == "torch"


def find(module: str, name: str) -> Any:
    """The object that a file calls ``module.name``.

    Raises AttributeError or ModuleNotFoundError if there is none.
    """
    module = _MOVED_IN.get(module, module)
    if module == "torch._C" and name.startswith("_VariableFunctions"):
        return importlib.import_module("rushlight")  # whose attributes the functions are
    known = _OBJECTS.get(f"{module}.{name}")
    if known is not None:
        return getattr(importlib.import_module(known[0]), known[1])
    if module.split(".")[0] not in ("torch", "torchvision"):
        return _attribute(importlib.import_module(module), name)
    for place in (module, *[g for g in _GATHERED if module == g or module.startswith(g + ".")]):
        place = {"torch._C._nn": "torch.nn.functional", "torch._C": "torch",
                 "torch.nn.modules": "torch.nn"}.get(place, place)  # fmt: skip
        try:
            return _attribute(importlib.import_module(from_torch(place)), name)
        except (ImportError, AttributeError):
            continue
    raise AttributeError(
        f"the file refers to {module}.{name}, which rushlight {__version__} does not have; "
        "the list of supported names is docs/support.md"
    )


def _attribute(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found
