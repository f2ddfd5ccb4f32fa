"""Exceptions with PyTorch's types and opening words, plus notes that help (PEP 678)."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

E = TypeVar("E", bound=BaseException)


def with_notes(error: E, *notes: str) -> E:
    """``error`` with ``notes`` attached, shown below its message in a traceback."""
    for note in notes:
        error.add_note(note)
    return error


def unsupported(what: str, why: str = "") -> NotImplementedError:
    """The error for anything that PyTorch has and rushlight has not."""
    return NotImplementedError(f"rushlight does not support {what}" + (f": {why}" if why else ""))


def refused(what: str, why: str = "") -> Callable[..., NoReturn]:
    """A function that stands for ``what`` and raises NotImplementedError when it is called."""

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise unsupported(what, why)

    refuse.__name__ = refuse.__qualname__ = what.rpartition(".")[2]
    refuse.__doc__ = f"Not supported: raises NotImplementedError. {why}".rstrip()
    return refuse
