"""Switching the recording of gradients on and off, as context managers and decorators."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from rushlight.core.state import set_grad, set_inference, state

F = TypeVar("F", bound=Callable[..., Any])
_GENERATOR = 0x20  # the flag of a generator's code object


class _Mode:
    """A context manager that sets grad recording for a while; also a decorator."""

    value = False

    def __enter__(self) -> None:
        self.previous = state.grad_enabled
        set_grad(self.value)

    def __exit__(self, *args: object) -> None:
        set_grad(self.previous)

    def clone(self) -> "_Mode":
        """A fresh one with the same setting: each use of a decorated function needs its own."""
        return type(self)()  # type: ignore[no-any-return]

    def __new__(cls, function: Any = None) -> Any:
        self = object.__new__(cls)
        if callable(function):
            return self(function)
        return self

    def __call__(self, function: F) -> F:
        make = self.clone
        if isinstance(function, type):
            raise TypeError("grad modes decorate functions, not classes")
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _GENERATOR:
            return _wrap_generator(make, function)  # type: ignore[no-any-return]

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with make():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


def _wrap_generator(make: Callable[[], _Mode], function: Any) -> Any:
    """A generator function whose steps, but not its pauses, run in the mode."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        try:
            with make():
                item = generator.send(None)
            while True:
                try:
                    reply = yield item
                except GeneratorExit:
                    with make():
                        generator.close()
                    raise
                except BaseException as error:
                    with make():
                        item = generator.throw(error)
                else:
                    with make():
                        item = generator.send(reply)
        except StopIteration as stop:
            return stop.value

    return wrapped


class no_grad(_Mode):
    """Operations inside record no gradients. Works as ``with no_grad():`` and ``@no_grad()``.

    Examples::

        >>> x = torch.ones(2, requires_grad=True)
        >>> with torch.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """


class enable_grad(_Mode):
    """Operations inside record gradients, even within ``no_grad``."""

    value = True


class set_grad_enabled(_Mode):
    """Sets grad recording at once; as a context manager, until its end.

    Args:
        mode: whether to record gradients.
    """

    def __new__(cls, mode: bool) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        self.previous = state.grad_enabled
        self.value = bool(mode)
        set_grad(self.value)

    def __enter__(self) -> None:
        set_grad(self.value)

    def clone(self) -> "set_grad_enabled":
        return set_grad_enabled(self.value)

    def __call__(self, function: F) -> F:
        set_grad(self.previous)  # a decorator changes nothing now
        return super().__call__(function)


class inference_mode(_Mode):
    """Like ``no_grad``; the tensors made inside may not be used for gradients later.

    Args:
        mode: whether to switch inference mode on (or off, inside another one).
    """

    def __new__(cls, mode: Any = True) -> Any:
        self = object.__new__(cls)
        if callable(mode):
            self.__init__()  # type: ignore[misc]
            return self(mode)
        return self

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self.previous = state.grad_enabled
        self.previous_inference = state.inference
        set_grad(not self.mode)
        set_inference(self.mode)

    def __exit__(self, *args: object) -> None:
        set_grad(self.previous)
        set_inference(self.previous_inference)

    def clone(self) -> "inference_mode":
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """Whether operations of this thread record gradients."""
    return state.grad_enabled


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside ``inference_mode``."""
    return state.inference
