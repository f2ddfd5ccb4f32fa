"""Parameters as one vector, and back."""

from collections.abc import Iterable
from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.nn.modules.module import typename
from rushlight.ops._late import late

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All parameters, flattened, in one vector; gradients flow through it.

    Examples::

        >>> nn.utils.parameters_to_vector(nn.Linear(2, 3).parameters()).shape
        torch.Size([9])
    """
    return late.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Makes the parameters views of the parts of ``vec``."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    start = 0
    for p in parameters:
        end = start + p.numel()
        p.data = vec[start:end].view_as(p).data  # type: ignore[index]
        start = end
