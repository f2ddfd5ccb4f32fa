"""3x3 convolutions of the shapes that VGG16 has."""

import torch
import torch.nn.functional as F


def conv(channels, size):
    def make():
        x = torch.randn(1, channels, size, size)
        weight, bias = torch.randn(channels, channels, 3, 3), torch.randn(channels)

        def step():
            with torch.no_grad():
                F.conv2d(x, weight, bias, padding=1)

        return step

    return make


WORKLOADS = {
    "conv3x3_64_at_224": (conv(64, 224), 2.0),
    "conv3x3_256_at_56": (conv(256, 56), 2.0),
    "conv3x3_512_at_28": (conv(512, 28), 2.0),
    "conv3x3_512_at_14": (conv(512, 14), 2.0),
}
