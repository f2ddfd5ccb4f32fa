"""DenseNet (arXiv:1608.06993)."""

from collections import OrderedDict
from typing import Any

import rushlight.nn as nn
from rushlight.core.tensor import Tensor
from rushlight.ops.joining import cat
from rushlight.ops.shape import flatten
from rushlight.vision.models._api import register_model, weights_enum

DenseNet121_Weights = weights_enum("DenseNet121_Weights", ["densenet121-a639ec97.pth"], 7978856)
DenseNet161_Weights = weights_enum("DenseNet161_Weights", ["densenet161-8d451a50.pth"], 28681000)
DenseNet169_Weights = weights_enum("DenseNet169_Weights", ["densenet169-b2777c0a.pth"], 14149480)
DenseNet201_Weights = weights_enum("DenseNet201_Weights", ["densenet201-c1103571.pth"], 20013928)


class _DenseLayer(nn.Module):
    """New features from all that came before."""

    def __init__(
        self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float
    ) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, width, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, input: Any) -> Tensor:
        """The new features."""
        features = input if isinstance(input, Tensor) else cat(input, 1)
        narrow = self.conv1(self.relu1(self.norm1(features)))
        new = self.conv2(self.relu2(self.norm2(narrow)))
        if self.drop_rate > 0:
            new = nn.functional.dropout(new, p=self.drop_rate, training=self.training)
        return new


class _DenseBlock(nn.ModuleDict):
    """Layers of which each sees the results of all before it."""

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
    ) -> None:
        super().__init__()
        for i in range(num_layers):
            layer = _DenseLayer(
                num_input_features + i * growth_rate, growth_rate, bn_size, drop_rate
            )
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, init_features: Tensor) -> Tensor:
        """All features, joined."""
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Half the size, fewer channels."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(
            num_input_features, num_output_features, kernel_size=1, stride=1, bias=False
        )
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """Dense blocks with transitions between them.

    Args:
        growth_rate: the new features of each layer.
        block_config: the number of layers in each block.
        num_init_features: of the first convolution.
        bn_size: how many times ``growth_rate`` the 1x1 convolutions have.
        drop_rate: dropout after each layer.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        width = num_init_features
        self.features = nn.Sequential(OrderedDict([
            ("conv0", nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)),
            ("norm0", nn.BatchNorm2d(width)),
            ("relu0", nn.ReLU(inplace=True)),
            ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
        ]))  # fmt: skip
        for i, layers in enumerate(block_config):
            block = _DenseBlock(layers, width, bn_size, growth_rate, drop_rate)
            self.features.add_module(f"denseblock{i + 1}", block)
            width += layers * growth_rate
            if i != len(block_config) - 1:
                self.features.add_module(f"transition{i + 1}", _Transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                nn.init.constant_(m.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes."""
        out = nn.functional.relu(self.features(x), inplace=True)
        out = nn.functional.adaptive_avg_pool2d(out, (1, 1))
        return self.classifier(flatten(out, 1))


@register_model(DenseNet121_Weights)
def densenet121(*, trained: bool = False, **kwargs: Any) -> DenseNet:
    """DenseNet of 121 layers. Args: ``weights``, then those of :class:`DenseNet`."""
    return DenseNet(32, (6, 12, 24, 16), 64, **kwargs)


@register_model(DenseNet161_Weights)
def densenet161(*, trained: bool = False, **kwargs: Any) -> DenseNet:
    """DenseNet of 161 layers."""
    return DenseNet(48, (6, 12, 36, 24), 96, **kwargs)


@register_model(DenseNet169_Weights)
def densenet169(*, trained: bool = False, **kwargs: Any) -> DenseNet:
    """DenseNet of 169 layers."""
    return DenseNet(32, (6, 12, 32, 32), 64, **kwargs)


@register_model(DenseNet201_Weights)
def densenet201(*, trained: bool = False, **kwargs: Any) -> DenseNet:
    """DenseNet of 201 layers."""
    return DenseNet(32, (6, 12, 48, 32), 64, **kwargs)
