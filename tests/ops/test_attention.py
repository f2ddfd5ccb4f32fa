import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("attention").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


FUNCTIONS = [
    lambda q: F.scaled_dot_product_attention(q, double(2, 5, 4), double(2, 5, 3)),
    lambda k: F.scaled_dot_product_attention(double(2, 2, 4), k, double(2, 3, 3), is_causal=True),
    lambda v: F.scaled_dot_product_attention(double(2, 2, 4), double(2, 3, 4), v),
    lambda m: F.scaled_dot_product_attention(double(2, 3, 4), double(2, 4, 4), double(2, 4, 3), m),
]
SHAPES = [(2, 3, 4)]


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
