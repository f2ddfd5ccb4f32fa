"""SqueezeNet (arXiv:1602.07360)."""

from typing import Any

import rushlight.nn as nn
from rushlight.core.tensor import Tensor
from rushlight.ops.joining import cat
from rushlight.ops.shape import flatten
from rushlight.vision.models._api import register_model, weights_enum

SqueezeNet1_0_Weights = weights_enum(
    "SqueezeNet1_0_Weights", ["squeezenet1_0-b66bff10.pth"], 1248424
)
SqueezeNet1_1_Weights = weights_enum(
    "SqueezeNet1_1_Weights", ["squeezenet1_1-b8a52dc0.pth"], 1235496
)


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then one of 1x1 and one of 3x3 side by side."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Both results, joined."""
        x = self.squeeze_activation(self.squeeze(x))
        return cat([self.expand1x1_activation(self.expand1x1(x)),
                    self.expand3x3_activation(self.expand3x3(x))], 1)  # fmt: skip


def _pool() -> nn.Module:
    return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)


def _fires(*sizes: tuple[int, int]) -> list[nn.Module]:
    """Fire modules from (input channels, squeezed channels); they give eight times the latter."""
    return [Fire(channels, small, 4 * small, 4 * small) for channels, small in sizes]


class SqueezeNet(nn.Module):
    """Fire modules with poolings between them; "1_0" or "1_1" (2.4 times less work)."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        relu = nn.ReLU(inplace=True)
        if version == "1_0":
            layers = [
                nn.Conv2d(3, 96, kernel_size=7, stride=2), relu, _pool(),
                *_fires((96, 16), (128, 16), (128, 32)), _pool(),
                *_fires((256, 32), (256, 48), (384, 48), (384, 64)), _pool(), *_fires((512, 64)),
            ]  # fmt: skip
        elif version == "1_1":
            layers = [
                nn.Conv2d(3, 64, kernel_size=3, stride=2), relu, _pool(),
                *_fires((64, 16), (128, 16)), _pool(), *_fires((128, 32), (256, 32)), _pool(),
                *_fires((256, 48), (384, 48), (384, 64), (512, 64)),
            ]  # fmt: skip
        else:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.features = nn.Sequential(*layers)
        final_conv = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), final_conv, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is final_conv:
                    nn.init.normal_(m.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes."""
        return flatten(self.classifier(self.features(x)), 1)


@register_model(SqueezeNet1_0_Weights)
def squeezenet1_0(*, trained: bool = False, **kwargs: Any) -> SqueezeNet:
    """SqueezeNet 1.0."""
    return SqueezeNet("1_0", **kwargs)


@register_model(SqueezeNet1_1_Weights)
def squeezenet1_1(*, trained: bool = False, **kwargs: Any) -> SqueezeNet:
    """SqueezeNet 1.1."""
    return SqueezeNet("1_1", **kwargs)
