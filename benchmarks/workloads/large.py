"""Operations on matrices larger than the caches."""

import torch
import torch.nn.functional as F

N = 4096


def relu():
    x = torch.randn(N, N)
    return lambda: F.relu(x)


def gelu():
    x = torch.randn(N, N)
    return lambda: F.gelu(x)


def softmax():
    x = torch.randn(N, N)
    return lambda: F.softmax(x, dim=1)


def layer_norm():
    x = torch.randn(N, N)
    weight, bias = torch.rand(N), torch.rand(N)
    return lambda: F.layer_norm(x, (N,), weight, bias)


def expression():
    x = torch.randn(2048, 2048)
    return lambda: torch.exp(-(x * x) + x * 0.5) * x


WORKLOADS = {
    "relu_4096": (relu, 4.0),
    "gelu_4096": (gelu, 4.0),
    "softmax_4096": (softmax, 4.0),
    "layer_norm_4096": (layer_norm, 4.0),
    "expression_2048": (expression, 2.0),
}
