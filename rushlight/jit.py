"""``torch.jit``: TorchScript is not supported; what only asks about it answers."""

from typing import Any, Final

from rushlight.base.errors import refused

_WHY = "TorchScript is deprecated in PyTorch, too; run the function or module itself"
script = refused("torch.jit.script", _WHY)
trace = refused("torch.jit.trace", _WHY)
trace_module = refused("torch.jit.trace_module", _WHY)
freeze = refused("torch.jit.freeze", _WHY)
optimize_for_inference = refused("torch.jit.optimize_for_inference", _WHY)
fork = refused("torch.jit.fork", "call the function")
wait = refused("torch.jit.wait", "call the function")
save = refused("torch.jit.save", "save the module with torch.save")
load = refused("torch.jit.load", "TorchScript archives hold programs of their own")


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator that changes nothing."""
    return drop if callable(drop) else (lambda function: function)


def unused(fn: Any) -> Any:
    """A decorator that changes nothing."""
    return fn


def export(fn: Any) -> Any:
    """A decorator that changes nothing."""
    return fn


def script_if_tracing(fn: Any) -> Any:
    """A decorator that changes nothing: nothing is ever traced."""
    return fn


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value itself."""
    return the_value


__all__ = [
    "Final", "annotate", "export", "fork", "freeze", "ignore", "is_scripting", "is_tracing", "load",
    "optimize_for_inference", "save", "script", "script_if_tracing", "trace", "trace_module",
    "unused", "wait",
]  # fmt: skip
