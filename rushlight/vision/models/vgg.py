"""VGG, "Very Deep Convolutional Networks" (arXiv:1409.1556)."""

from typing import Any

import rushlight.nn as nn
from rushlight.core.tensor import Tensor
from rushlight.ops.shape import flatten
from rushlight.vision.models._api import register_model, weights_enum

VGG11_Weights = weights_enum("VGG11_Weights", ["vgg11-8a719046.pth"], 132863336)
VGG11_BN_Weights = weights_enum("VGG11_BN_Weights", ["vgg11_bn-6002323d.pth"], 132868840)
VGG13_Weights = weights_enum("VGG13_Weights", ["vgg13-19584684.pth"], 133047848)
VGG13_BN_Weights = weights_enum("VGG13_BN_Weights", ["vgg13_bn-abd245e5.pth"], 133053736)
VGG16_Weights = weights_enum("VGG16_Weights", ["vgg16-397923af.pth"], 138357544)
VGG16_BN_Weights = weights_enum("VGG16_BN_Weights", ["vgg16_bn-6c64b313.pth"], 138365992)
VGG19_Weights = weights_enum("VGG19_Weights", ["vgg19-dcbb9e9d.pth"], 143667240)
VGG19_BN_Weights = weights_enum("VGG19_BN_Weights", ["vgg19_bn-c79401a0.pth"], 143678248)

# The channels of the convolutions; "M" is a pooling.
cfgs: dict[str, list[Any]] = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M",
          512, 512, 512, 512, "M"],
}  # fmt: skip


class VGG(nn.Module):
    """Convolutions of 3x3 with poolings between them, and three linear layers.

    Args:
        features: the convolutional part, see :func:`make_layers`.
        init_weights: draw the weights as in the paper; False: leave the layers' own.
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            for m in self.modules():
                self._init(m)

    @staticmethod
    def _init(m: nn.Module) -> None:
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if m.bias is not None:
                nn.init.constant_(m.bias, 0)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.constant_(m.weight, 1)
            nn.init.constant_(m.bias, 0)
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
            nn.init.constant_(m.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes."""
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))


def make_layers(cfg: list[Any], batch_norm: bool = False) -> nn.Sequential:
    """The convolutional part, from a list of channels and poolings ("M")."""
    layers: list[nn.Module] = []
    channels = 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, v, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(v))
        layers.append(nn.ReLU(inplace=True))
        channels = v
    return nn.Sequential(*layers)


def _vgg(cfg: str, batch_norm: bool, trained: bool, **kwargs: Any) -> VGG:
    if trained:
        kwargs["init_weights"] = False
    return VGG(make_layers(cfgs[cfg], batch_norm), **kwargs)


@register_model(VGG11_Weights)
def vgg11(*, trained: bool = False, **kwargs: Any) -> VGG:
    """VGG of 11 layers. Args: ``weights`` (a ``VGG11_Weights``), then those of :class:`VGG`."""
    return _vgg("A", False, trained, **kwargs)


@register_model(VGG11_BN_Weights)
def vgg11_bn(*, trained: bool = False, **kwargs: Any) -> VGG:
    """VGG of 11 layers with batch normalisation."""
    return _vgg("A", True, trained, **kwargs)


@register_model(VGG13_Weights)
def vgg13(*, trained: bool = False, **kwargs: Any) -> VGG:
    """VGG of 13 layers."""
    return _vgg("B", False, trained, **kwargs)


@register_model(VGG13_BN_Weights)
def vgg13_bn(*, trained: bool = False, **kwargs: Any) -> VGG:
    """VGG of 13 layers with batch normalisation."""
    return _vgg("B", True, trained, **kwargs)


@register_model(VGG16_Weights)
def vgg16(*, trained: bool = False, **kwargs: Any) -> VGG:
    """VGG of 16 layers."""
    return _vgg("D", False, trained, **kwargs)


@register_model(VGG16_BN_Weights)
def vgg16_bn(*, trained: bool = False, **kwargs: Any) -> VGG:
    """VGG of 16 layers with batch normalisation."""
    return _vgg("D", True, trained, **kwargs)


@register_model(VGG19_Weights)
def vgg19(*, trained: bool = False, **kwargs: Any) -> VGG:
    """VGG of 19 layers."""
    return _vgg("E", False, trained, **kwargs)


@register_model(VGG19_BN_Weights)
def vgg19_bn(*, trained: bool = False, **kwargs: Any) -> VGG:
    """VGG of 19 layers with batch normalisation."""
    return _vgg("E", True, trained, **kwargs)
