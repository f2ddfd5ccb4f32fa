import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("pooling").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


FUNCTIONS = [
    lambda x: F.max_pool2d(x, 2, 1, 1),
    lambda x: F.avg_pool2d(x, 2, 1, 1, count_include_pad=False),
    lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    lambda x: F.adaptive_max_pool2d(x, 2),
    lambda x: F.lp_pool2d(x.abs() + 0.5, 3, 2),
    lambda x: F.max_pool1d(x[0], 3, 2),
    lambda x: F.max_unpool2d(x, torch.arange(16).view(1, 1, 4, 4) * 4, 2),
]
SHAPES = [(1, 1, 4, 4)]


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


def test_adaptive_pooling_of_a_vector():
    with pytest.raises(ValueError, match="^Input dimension should be at least 3"):
        torch.nn.AdaptiveAvgPool2d((6, 6))(torch.ones(3))
