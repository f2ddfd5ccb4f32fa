"""PyTorch's global switches: threads, determinism, precision, default device."""

import warnings
from typing import Any

from rushlight.base.device import check_device, device
from rushlight.core.state import defaults
from rushlight.runtime.threads import get_num_threads, set_num_threads

PRECISIONS = ("highest", "high", "medium")


class _Settings:
    """The values of switches that change nothing here but can be asked for."""

    interop_threads = 1
    matmul_precision = "highest"
    warn_only = False
    debug_mode = 0


_settings = _Settings()


def get_num_interop_threads() -> int:
    """How many operations run at the same time: one."""
    return _settings.interop_threads


def set_num_interop_threads(num: int) -> None:
    """Accepted; operations run one after the other."""
    if num <= 0:
        raise RuntimeError("Expected positive number of threads")
    _settings.interop_threads = num


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: all operations give the same results when they are run again."""
    defaults.deterministic = bool(mode)
    _settings.warn_only = bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What :func:`use_deterministic_algorithms` set."""
    return defaults.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What :func:`use_deterministic_algorithms` set as ``warn_only``."""
    return _settings.warn_only


def get_float32_matmul_precision() -> str:
    """What :func:`set_float32_matmul_precision` set."""
    return _settings.matmul_precision


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted: products of float32 matrices are computed in float32."""
    if precision not in PRECISIONS:
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current "
            "setFloat32MatmulPrecision call has no effect.",
            UserWarning,
            stacklevel=2,
        )
        return
    _settings.matmul_precision = precision


def get_default_device() -> device:
    """Where tensors are made by default: the CPU."""
    return device("cpu")


def set_default_device(device: Any) -> None:
    """Accepts the CPU; raises for other devices."""
    check_device(device)


def set_flush_denormal(mode: bool) -> bool:
    """False: denormal numbers are kept."""
    return False


__all__ = ["get_num_threads", "set_num_threads"]
NAMES = [
    "are_deterministic_algorithms_enabled",
    "get_default_device",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "get_num_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "set_default_device",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_num_threads",
    "use_deterministic_algorithms",
]
