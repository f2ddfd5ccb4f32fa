"""The printed form of tensors, PyTorch's to the character."""

from typing import Any

from rushlight.core.tensor import Tensor


def tensor_repr(t: Tensor, *, tensor_contents: Any = None) -> str:
    """What ``print(tensor)`` shows."""
    return f"tensor({t._array.tolist()})"


def tensor_format(t: Tensor, spec: str) -> str:
    """``format(tensor, spec)``: that of the number for 0-d tensors."""
    if t._array.ndim == 0 and t._edge is None:
        return format(t._array.item(), spec)
    return format(tensor_repr(t), spec) if spec else tensor_repr(t)
