"""``torch.overrides``: ``__torch_function__`` is not supported.

Operations never call ``__torch_function__``: a subclass of ``Tensor`` has all methods, and their
results are plain tensors.
"""

from collections.abc import Iterable
from typing import Any

from rushlight.base.errors import refused
from rushlight.core.tensor import Tensor

_WHY = "operations do not call __torch_function__"
handle_torch_function = refused("torch.overrides.handle_torch_function", _WHY)
wrap_torch_function = refused("torch.overrides.wrap_torch_function", _WHY)
get_overridable_functions = refused("torch.overrides.get_overridable_functions", _WHY)
TorchFunctionMode = refused("torch.overrides.TorchFunctionMode", _WHY)


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """False."""
    return False


def is_tensor_like(inp: Any) -> bool:
    """Whether ``inp`` is a tensor or says that it behaves like one."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Any) -> bool:
    """Whether ``func`` is a method of ``Tensor``."""
    name = getattr(func, "__name__", "")
    return getattr(Tensor, name, None) is func
