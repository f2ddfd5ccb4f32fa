"""``torch.random``: the state of the default generator."""

import contextlib
from collections.abc import Iterator
from typing import Any

from rushlight.core.generator import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)


@contextlib.contextmanager
def fork_rng(
    devices: Any = None, enabled: bool = True, device_type: str = "cpu", **names: Any
) -> Iterator[None]:
    """Inside, random numbers are drawn; afterwards the stream goes on as if there had been none.

    Args:
        devices, device_type: accepted; there is only the CPU.
        enabled: False to do nothing.
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


__all__ = [
    "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
    "set_rng_state",
]  # fmt: skip
