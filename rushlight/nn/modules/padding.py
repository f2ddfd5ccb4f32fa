"""Padding at the borders of signals, images and volumes.

``padding`` is one number, or one for each side: (left, right), then (top, bottom), (front, back).
"""

from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _PadNd(Module):
    """Padding of one mode and number of dimensions."""

    mode: str
    nd: int

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self.nd)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self.nd + 1, self.nd + 2):
            raise ValueError(
                f"expected {self.nd + 1}D or {self.nd + 2}D input (got {input.ndim}D input)"
            )
        return F.pad(input, self.padding, "circular")


class CircularPad1d(_CircularPadNd):
    """Pads ``(N, C, L)`` with values from the other end.

    Examples::

        >>> nn.CircularPad1d(1)(torch.arange(3.).reshape(1, 1, 3))
        tensor([[[2., 0., 1., 2., 0.]]])
    """

    nd = 1


class CircularPad2d(_CircularPadNd):
    """Pads ``(N, C, H, W)`` with values from the opposite sides."""

    nd = 2


class CircularPad3d(_CircularPadNd):
    """Pads ``(N, C, D, H, W)`` with values from the opposite sides."""

    nd = 3


class _ConstantPadNd(_PadNd):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pads the last dimension with ``value``.

    Examples::

        >>> nn.ConstantPad1d((1, 2), 3.5)(torch.zeros(1, 1, 2))
        tensor([[[3.5000, 0.0000, 0.0000, 3.5000, 3.5000]]])
    """

    nd = 1


class ConstantPad2d(_ConstantPadNd):
    """Pads the last two dimensions with ``value``."""

    nd = 2


class ConstantPad3d(_ConstantPadNd):
    """Pads the last three dimensions with ``value``."""

    nd = 3


class ReflectionPad1d(_PadNd):
    """Pads ``(N, C, L)`` with its mirror image, without repeating the border.

    Examples::

        >>> nn.ReflectionPad1d(2)(torch.arange(4.).reshape(1, 1, 4))
        tensor([[[2., 1., 0., 1., 2., 3., 2., 1.]]])
    """

    mode = "reflect"
    nd = 1


class ReflectionPad2d(_PadNd):
    """Pads ``(N, C, H, W)`` with its mirror image."""

    mode = "reflect"
    nd = 2


class ReflectionPad3d(_PadNd):
    """Pads ``(N, C, D, H, W)`` with its mirror image."""

    mode = "reflect"
    nd = 3


class ReplicationPad1d(_PadNd):
    """Pads ``(N, C, L)`` with the values at the border.

    Examples::

        >>> nn.ReplicationPad1d(2)(torch.arange(3.).reshape(1, 1, 3))
        tensor([[[0., 0., 0., 1., 2., 2., 2.]]])
    """

    mode = "replicate"
    nd = 1


class ReplicationPad2d(_PadNd):
    """Pads ``(N, C, H, W)`` with the values at the border."""

    mode = "replicate"
    nd = 2


class ReplicationPad3d(_PadNd):
    """Pads ``(N, C, D, H, W)`` with the values at the border."""

    mode = "replicate"
    nd = 3


class ZeroPad1d(ConstantPad1d):
    """Pads the last dimension with zeros."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Pads the last two dimensions with zeros.

    Examples::

        >>> nn.ZeroPad2d((1, 0, 0, 0))(torch.ones(1, 1, 1, 2))
        tensor([[[[0., 1., 1.]]]])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Pads the last three dimensions with zeros."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
