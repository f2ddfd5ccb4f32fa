import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("convolution").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


FUNCTIONS = [
    lambda x: F.conv2d(x, double(3, 2, 2, 2), double(3), stride=2, padding=1),
    lambda x: F.conv2d(x, double(4, 1, 3, 3), groups=2, dilation=2, padding=2),
    lambda w: F.conv2d(double(1, 2, 5, 5), w, padding=2),
    lambda x: F.conv_transpose2d(x, double(2, 3, 2, 2), double(3), stride=2, output_padding=1),
    lambda w: F.conv_transpose2d(double(1, 2, 3, 3), w, padding=1),
]
SHAPES = [(2, 2, 4, 4)]


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
