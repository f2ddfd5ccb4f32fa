import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("embedding").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


INDICES = torch.tensor([[0, 2, 1], [1, 1, 0]])
FUNCTIONS = [
    lambda w: F.embedding(INDICES, w),
    lambda w: F.embedding_bag(INDICES, w, mode="mean"),
    lambda w: F.embedding_bag(INDICES, w, mode="max"),
    lambda p: F.embedding_bag(INDICES, double(3, 2), mode="sum", per_sample_weights=p.T[:2, :3]),
]
SHAPES = [(3, 2)]


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
