import expressions
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("recurrent").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


WEIGHTS = [double(8, 4), double(8, 2), double(8), double(8)]
FUNCTIONS = [
    lambda x: torch.lstm(
        x, (double(1, 3, 2), double(1, 3, 2)), WEIGHTS, True, 1, 0.0, True, False, False
    ),
    lambda x: torch.gru(
        x, double(1, 3, 2), [w[:6] for w in WEIGHTS], True, 1, 0.0, True, False, False
    ),
    lambda w: torch.lstm(
        double(3, 2, 4),
        (double(1, 2, 2), double(1, 2, 2)),
        [w.view(-1)[:8].repeat(4).view(8, 4), *WEIGHTS[1:]],
        True,
        1,
        0.0,
        True,
        False,
        False,
    ),
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
