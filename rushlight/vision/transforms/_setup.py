"""Checks of the arguments of transforms."""

from collections.abc import Sequence
from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.ops.creation import empty
from rushlight.vision.transforms import functional as F


def size_of(size: Any, message: str) -> tuple[int, int]:
    """(height, width) of one number or of two; ValueError with ``message`` for anything else."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return size  # type: ignore[return-value]


def check_sequence(x: Any, name: str, sizes: tuple[int, ...]) -> None:
    """TypeError or ValueError if ``x`` is no sequence of one of these lengths."""
    words = str(sizes[0]) if len(sizes) < 2 else " or ".join(map(str, sizes))
    if not isinstance(x, Sequence):
        raise TypeError(f"{name} should be a sequence of length {words}.")
    if len(x) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {words}.")


def angle_range(x: Any, name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """A range of angles: of one number, from minus it to it."""
    if isinstance(x, (int, float)):
        if x < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [-float(x), float(x)]
    check_sequence(x, name, sizes)
    return [float(d) for d in x]


def fill_value(fill: Any) -> Any:
    """``fill``, 0 for None; TypeError if it is neither number nor sequence."""
    if fill is None:
        return 0
    if not isinstance(fill, (Sequence, int, float)):
        raise TypeError("Fill should be either a sequence or a number.")
    return fill


def fill_for(img: Any, fill: Any) -> Any:
    """``fill`` as the functions take it: a list of floats for tensors."""
    if not isinstance(img, Tensor):
        return fill
    if isinstance(fill, (int, float)):
        return [float(fill)] * F.get_dimensions(img)[0]
    return [float(f) for f in fill]


def uniform(low: float, high: float) -> float:
    """A number from a range, drawn from the default generator."""
    return float(empty(1).uniform_(float(low), float(high)).item())
