"""AlexNet, in the form of "One weird trick" (arXiv:1404.5997)."""

from typing import Any

import rushlight.nn as nn
from rushlight.core.tensor import Tensor
from rushlight.ops.shape import flatten
from rushlight.vision.models._api import register_model, weights_enum

AlexNet_Weights = weights_enum("AlexNet_Weights", ["alexnet-owt-7be5be79.pth"], 61100840)


class AlexNet(nn.Module):
    """Five convolutions and three linear layers."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes."""
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))


@register_model(AlexNet_Weights)
def alexnet(*, trained: bool = False, **kwargs: Any) -> AlexNet:
    """AlexNet.

    Args:
        weights: an ``AlexNet_Weights``, its name, or None: random weights.
        kwargs: for :class:`AlexNet`.
    """
    return AlexNet(**kwargs)
