"""``Variable``, the name that tensors with gradients had before PyTorch 0.4."""

from typing import Any

from rushlight.autograd.access import set_requires_grad
from rushlight.core.tensor import Tensor, wrap


class _VariableType(type):
    def __instancecheck__(cls, other: object) -> bool:
        return isinstance(other, Tensor)


class Variable(metaclass=_VariableType):
    """``Variable(data, requires_grad=False)`` gives a tensor on the same memory."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Any:
        out = wrap(data._array)
        if requires_grad:
            set_requires_grad(out, True)
        return out
