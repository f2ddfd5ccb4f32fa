import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("resampling").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


FUNCTIONS = [
    lambda x: F.interpolate(x, size=(5, 2), mode="bilinear"),
    lambda x: F.interpolate(x, scale_factor=2),
    lambda x: F.interpolate(x, size=(2, 2), mode="bicubic", antialias=True),
    lambda x: F.interpolate(x, size=(5, 5), mode="bicubic", align_corners=True),
    lambda x: F.grid_sample(x, double(1, 2, 2, 2).tanh(), align_corners=False),
    lambda g: F.grid_sample(
        double(1, 1, 4, 4),
        g.view(1, 3, 3, 1).tanh().expand(1, 3, 3, 2) * 0.9,
        mode="bicubic",
        padding_mode="border",
        align_corners=True,
    ),
    lambda x: F.pad(x, (1, 2, 0, 1), mode="reflect"),
    lambda x: F.pad(x, (1, -1), value=2.0),
    lambda x: F.pad(x, (1, 2, 0, 1), mode="circular"),
    lambda x: F.unfold(x, 2, padding=1),
    lambda x: F.fold(F.unfold(x, 2), (3, 3), 2),
    lambda x: F.pixel_unshuffle(x[..., :2, :2], 2),
]
SHAPES = [(1, 1, 3, 3)]


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
