import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("linear").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


FUNCTIONS = [
    lambda x: F.linear(x, double(2, 4), double(2)),
    lambda w: F.linear(double(5, 4), w, double(3)),
    lambda w: F.linear(double(2, 5, 4), w),
    lambda b: torch.addmm(b, double(3, 2), double(2, 4), beta=2),
    lambda x: F.bilinear(x, double(3, 2), double(5, 4, 2), double(5)),
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
