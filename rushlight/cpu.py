"""``torch.cpu``: the device that there is, for code that treats all devices alike."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """The name of the device, ``cpu``."""
    return "cpu"


def set_device(device: Any) -> None:
    """There is only one."""


def synchronize(device: Any = None) -> None:
    """Returns at once: each operation is finished when its function returns."""


def current_stream(device: Any = None) -> "Stream":
    """The stream in which everything runs."""
    return Stream()


class Stream:
    """Everything runs in order; accepted so that code for several devices runs."""

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Any) -> None:
        """Nothing to wait for."""


def stream(stream: Any) -> AbstractContextManager[None]:
    """A context manager that changes nothing."""
    return nullcontext()
