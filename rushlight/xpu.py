"""``torch.xpu`` on a machine without it: questions are answered, use raises."""

from typing import Any

from rushlight.base.errors import refused


def is_available() -> bool:
    """False: rushlight computes on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds nothing. Accepted so that seeding code runs unchanged."""


def manual_seed_all(seed: int) -> None:
    """Seeds nothing. Accepted so that seeding code runs unchanged."""


def empty_cache() -> None:
    """Nothing to empty."""


_WHY = "rushlight computes on the CPU"
synchronize: Any = refused("torch.xpu.synchronize", _WHY)
set_device: Any = refused("torch.xpu.set_device", _WHY)
current_device: Any = refused("torch.xpu.current_device", _WHY)
