import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("activation").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


FUNCTIONS = [
    F.relu,
    F.leaky_relu,
    F.elu,
    F.celu,
    F.selu,
    F.gelu,
    lambda x: F.gelu(x, "tanh"),
    F.silu,
    F.mish,
    F.softplus,
    lambda x: F.softplus(x, 2.0, 1.0),
    F.softsign,
    F.hardswish,
    F.hardsigmoid,
    F.hardtanh,
    F.hardshrink,
    F.softshrink,
    F.tanhshrink,
    F.logsigmoid,
    F.glu,
    lambda x: F.threshold(x, 0.1, 2.0),
    lambda x: F.softmax(x, 1),
    lambda x: F.log_softmax(x, 0),
    lambda x: F.prelu(x, double(4).abs()),
]
SHAPES = [(3, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_first_and_second_derivatives(function, shape):
    x = double(*shape).requires_grad_()
    torch.manual_seed(1)

    def fixed(x):
        torch.manual_seed(2)
        return function(x)

    assert gradcheck(fixed, (x,))
    assert gradgradcheck(fixed, (x,))
