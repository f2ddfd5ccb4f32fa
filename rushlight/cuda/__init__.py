"""``torch.cuda`` on a machine without it: questions are answered, use raises PyTorch's errors."""

from typing import Any, NoReturn

from rushlight.base.device import device as _device

_MESSAGE = "Torch not compiled with CUDA enabled"


def is_available() -> bool:
    """False: rushlight computes on the CPU."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds nothing: there is no GPU. Accepted so that seeding code runs unchanged."""


def manual_seed_all(seed: int) -> None:
    """Seeds nothing: there is no GPU."""


def empty_cache() -> None:
    """Nothing to empty."""


def memory_allocated(device: Any = None) -> int:
    """0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """0."""
    return 0


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises AssertionError: there is no GPU."""
    raise AssertionError(_MESSAGE)


current_device = get_device_name = get_device_properties = get_device_capability = _refuse
set_device = synchronize = current_stream = init = _refuse


class Event:
    """Raises RuntimeError when made: there is no GPU to time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(_MESSAGE)


class Stream(Event):
    """Raises RuntimeError when made."""


class device:
    """A context manager that selects a GPU; without one it does nothing for ``None`` or -1."""

    def __init__(self, device: Any) -> None:
        if isinstance(device, (_device, str)) or (isinstance(device, int) and device >= 0):
            _refuse()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass
