"""Modules that several models are built of."""

from collections.abc import Callable
from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.nn.modules.activation import ReLU, Sigmoid
from rushlight.nn.modules.batchnorm import BatchNorm2d
from rushlight.nn.modules.container import Sequential
from rushlight.nn.modules.conv import Conv2d
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.pooling import AdaptiveAvgPool2d


class Conv2dNormActivation(Sequential):
    """A convolution, a normalisation and an activation.

    Args:
        padding: default: such that a stride of 1 keeps the size.
        norm_layer, activation_layer: None leaves it out.
        bias: default: only without normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        norm_layer: Callable[..., Module] | None = BatchNorm2d,
        activation_layer: Callable[..., Module] | None = ReLU,
        dilation: int = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        if padding is None:
            padding = (kernel_size - 1) // 2 * dilation
        if bias is None:
            bias = norm_layer is None
        layers: list[Module] = [
            Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation=dilation,
                   groups=groups, bias=bias)
        ]  # fmt: skip
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            options: dict[str, Any] = {} if inplace is None else {"inplace": inplace}
            layers.append(activation_layer(**options))
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(Module):
    """Channels scaled by what two small layers make of their means (arXiv:1709.01507)."""

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[..., Module] = ReLU,
        scale_activation: Callable[..., Module] = Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc1 = Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        """The scaled picture."""
        scale = self.fc2(self.activation(self.fc1(self.avgpool(input))))
        return self.scale_activation(scale) * input
