import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("distance").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


FUNCTIONS = [
    lambda x: torch.cdist(x, double(2, 4)),
    lambda x: torch.cdist(double(2, 4), x, p=3.0),
    lambda x: F.pdist(x),
    lambda x: F.pdist(x, p=1.5),
    lambda x: F.pairwise_distance(x, double(3, 4)),
    lambda x: F.cosine_similarity(x, double(3, 4)),
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
