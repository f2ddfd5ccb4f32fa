"""``torch.compile`` and ``torch.compiler``: the names; programs run eagerly so far."""

from collections.abc import Callable
from typing import Any

from rushlight.base.errors import unsupported


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """Raises NotImplementedError: rushlight has no compiler yet.

    With ``disable=True`` the function or module is returned as it is, as PyTorch does.

    Examples::

        >>> double = torch.compile(lambda x: 2 * x, disable=True)
        >>> double(torch.ones(2))
        tensor([2., 2.])
    """
    if not disable:
        raise unsupported(
            "torch.compile yet", "leave it out, or pass disable=True, to run the program eagerly"
        )
    if model is None:
        return lambda function: function
    return model


def is_compiling() -> bool:
    """False: nothing is being captured."""
    return False


def is_dynamo_compiling() -> bool:
    """False: nothing is being captured."""
    return False


def is_exporting() -> bool:
    """False: nothing is being exported."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Marks a function that is to run eagerly, which all do."""
    return (lambda function: function) if fn is None else fn


def reset() -> None:
    """Forgets what was compiled: nothing."""


def cudagraph_mark_step_begin() -> None:
    """Nothing to mark."""
