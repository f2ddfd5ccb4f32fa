"""Modules without initial values."""

from typing import Any

from rushlight.autograd.modes import no_grad
from rushlight.nn import init as initial
from rushlight.nn.modules.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """A module whose parameters have arbitrary values: nothing is drawn from the generator.

    Args:
        module_cls: the class.
        args, kwargs: of its constructor.

    Examples::

        >>> nn.utils.skip_init(nn.Linear, 5, 1)
        Linear(in_features=5, out_features=1, bias=True)
    """
    if not isinstance(module_cls, type) or not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    code = module_cls.__init__.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if "device" not in names and not code.co_flags & 8:  # 8: it takes **kwargs
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    kept = initial.uniform_, initial.normal_
    initial.uniform_ = initial.normal_ = _leave  # type: ignore[assignment]
    try:
        with no_grad():
            return module_cls(*args, **kwargs)
    finally:
        initial.uniform_, initial.normal_ = kept


def _leave(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    return tensor
