import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("normalization").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


FUNCTIONS = [
    lambda x: F.batch_norm(x, None, None, double(3), double(3), training=True),
    lambda x: F.batch_norm(x, double(3), double(3).abs() + 1, double(3), double(3)),
    lambda w: F.batch_norm(
        double(4, 3, 2), None, None, w.sum((0, 2)), w.mean((0, 2)), training=True
    ),
    lambda x: F.layer_norm(x, (3, 2), double(3, 2), double(3, 2)),
    lambda x: F.layer_norm(x, (2,)),
    lambda w: F.layer_norm(double(4, 3, 2), (4, 3, 2), w, w),
    lambda x: F.group_norm(x, 3, double(3), double(3)),
    lambda x: F.instance_norm(x, weight=double(3)),
    lambda x: F.rms_norm(x, (3, 2), double(3, 2)),
    lambda x: F.normalize(x),
    lambda x: F.local_response_norm(x, 2),
]
SHAPES = [(4, 3, 2)]


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
