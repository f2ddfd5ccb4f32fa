"""The cost of one operation on tensors so small that nothing else counts."""

import torch


def add():
    a, b = torch.rand(4, 4), torch.rand(4, 4)
    return lambda: a + b


def add_grad():
    p, b = torch.rand(4, 4, requires_grad=True), torch.rand(4, 4)
    return lambda: p + b


def backward():
    p, a = torch.rand(4, 4, requires_grad=True), torch.rand(4, 4)
    return lambda: (p * a).sum().backward()


WORKLOADS = {
    "add_4x4": (add, 5.0),
    "add_4x4_grad": (add_grad, 4.0),
    "mul_sum_backward_4x4": (backward, 8.0),
}
