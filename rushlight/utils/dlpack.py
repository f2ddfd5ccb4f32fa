"""``torch.utils.dlpack``: memory shared with other libraries."""

from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.ops.protocols import from_dlpack


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the memory of ``tensor``."""
    return tensor.__dlpack__()  # type: ignore[attr-defined]


__all__ = ["from_dlpack", "to_dlpack"]
