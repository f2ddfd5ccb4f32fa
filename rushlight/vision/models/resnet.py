"""ResNet, "Deep Residual Learning" (arXiv:1512.03385), ResNeXt and Wide ResNet.

The stride of a bottleneck block is in its 3x3 convolution ("ResNet V1.5").
"""

from collections.abc import Callable
from typing import Any

import rushlight.nn as nn
from rushlight.core.tensor import Tensor
from rushlight.ops.shape import flatten
from rushlight.vision.models._api import register_model, weights_enum

ResNet18_Weights = weights_enum("ResNet18_Weights", ["resnet18-f37072fd.pth"], 11689512)
ResNet34_Weights = weights_enum("ResNet34_Weights", ["resnet34-b627a593.pth"], 21797672)
ResNet50_Weights = weights_enum(
    "ResNet50_Weights", ["resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth"], 25557032
)
ResNet101_Weights = weights_enum(
    "ResNet101_Weights", ["resnet101-63fe2227.pth", "resnet101-cd907fc2.pth"], 44549160
)
ResNet152_Weights = weights_enum(
    "ResNet152_Weights", ["resnet152-394f9c45.pth", "resnet152-f82ba261.pth"], 60192808
)
ResNeXt50_32X4D_Weights = weights_enum(
    "ResNeXt50_32X4D_Weights",
    ["resnext50_32x4d-7cdf4587.pth", "resnext50_32x4d-1a0047aa.pth"], 25028904,
)  # fmt: skip
Wide_ResNet50_2_Weights = weights_enum(
    "Wide_ResNet50_2_Weights",
    ["wide_resnet50_2-95faca4d.pth", "wide_resnet50_2-9ba9bcbe.pth"], 68883240,
)  # fmt: skip


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size at stride 1."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=3, stride=stride, padding=dilation,
                     groups=groups, bias=False, dilation=dilation)  # fmt: skip


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to their input."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """The sum, rectified."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1 that change the channels, added to their input."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """The sum, rectified."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """Four stages of residual blocks.

    Args:
        block: BasicBlock or Bottleneck.
        layers: the number of blocks in each stage.
        zero_init_residual: let each block begin as the identity.
        groups, width_per_group: of the 3x3 convolutions of bottleneck blocks.
        replace_stride_with_dilation: for the last three stages.
        norm_layer: default: BatchNorm2d.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: list[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        dilate = replace_stride_with_dilation or [False, False, False]
        if len(dilate) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation}"
            )
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._init_weights(zero_init_residual)

    def _init_weights(self, zero_init_residual: bool) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
        if not zero_init_residual:
            return
        for m in self.modules():
            last = m.bn3 if isinstance(m, Bottleneck) else getattr(m, "bn2", None)
            if isinstance(m, (Bottleneck, BasicBlock)) and last.weight is not None:
                nn.init.constant_(last.weight, 0)

    def _make_layer(
        self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        norm_layer = self._norm_layer
        downsample = None
        previous_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, planes * block.expansion, stride),
                norm_layer(planes * block.expansion),
            )
        layers = [
            block(self.inplanes, planes, stride, downsample, self.groups, self.base_width,
                  previous_dilation, norm_layer)
        ]  # fmt: skip
        self.inplanes = planes * block.expansion
        layers += [
            block(self.inplanes, planes, groups=self.groups, base_width=self.base_width,
                  dilation=self.dilation, norm_layer=norm_layer)
            for _ in range(1, blocks)
        ]  # fmt: skip
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(flatten(self.avgpool(x), 1))


@register_model(ResNet18_Weights)
def resnet18(*, trained: bool = False, **kwargs: Any) -> ResNet:
    """ResNet of 18 layers. Args: ``weights``, then those of :class:`ResNet`."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **kwargs)


@register_model(ResNet34_Weights)
def resnet34(*, trained: bool = False, **kwargs: Any) -> ResNet:
    """ResNet of 34 layers."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **kwargs)


@register_model(ResNet50_Weights)
def resnet50(*, trained: bool = False, **kwargs: Any) -> ResNet:
    """ResNet of 50 layers."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


@register_model(ResNet101_Weights)
def resnet101(*, trained: bool = False, **kwargs: Any) -> ResNet:
    """ResNet of 101 layers."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


@register_model(ResNet152_Weights)
def resnet152(*, trained: bool = False, **kwargs: Any) -> ResNet:
    """ResNet of 152 layers."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **kwargs)


@register_model(ResNeXt50_32X4D_Weights)
def resnext50_32x4d(*, trained: bool = False, **kwargs: Any) -> ResNet:
    """ResNeXt of 50 layers, 32 groups of width 4."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **{"groups": 32, "width_per_group": 4, **kwargs})


@register_model(Wide_ResNet50_2_Weights)
def wide_resnet50_2(*, trained: bool = False, **kwargs: Any) -> ResNet:
    """ResNet of 50 layers with bottlenecks twice as wide."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **{"width_per_group": 128, **kwargs})
