import expressions
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import gradcheck, gradgradcheck


@pytest.mark.parametrize("line, text", expressions.golden("loss").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


LABELS = torch.tensor([1, 0, -100])
FUNCTIONS = [
    lambda x: F.cross_entropy(x, LABELS),
    lambda x: F.cross_entropy(x, LABELS, reduction="none"),
    lambda x: F.cross_entropy(x, LABELS, weight=double(4).abs(), reduction="sum"),
    lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.2),
    lambda x: F.cross_entropy(x, double(3, 4).softmax(1)),
    lambda x: F.nll_loss(x, LABELS),
    lambda x: F.cross_entropy(x.view(1, 3, 2, 2), torch.ones(1, 2, 2, dtype=torch.int64)),
    lambda x: F.mse_loss(x, double(3, 4)),
    lambda y: F.mse_loss(double(3, 4), y, reduction="sum"),
    lambda x: F.smooth_l1_loss(x, double(3, 4)),
    lambda x: F.huber_loss(x, double(3, 4), delta=0.5),
    lambda x: F.l1_loss(x, double(3, 4)),
    lambda x: F.soft_margin_loss(x, double(3, 4).sign()),
    lambda x: F.binary_cross_entropy(x.sigmoid(), double(3, 4).sigmoid()),
    lambda y: F.binary_cross_entropy(double(3, 4).sigmoid(), y.sigmoid(), reduction="none"),
    lambda x: F.binary_cross_entropy_with_logits(
        x, double(3, 4).sigmoid(), pos_weight=double(4).abs()
    ),
    lambda x: F.binary_cross_entropy_with_logits(x, double(3, 4).sigmoid()),
    lambda x: F.kl_div(x, double(3, 4).softmax(1), reduction="batchmean"),
    lambda x: F.gaussian_nll_loss(double(3, 4), double(3, 4), x.abs() + 0.5),
    lambda x: F.multi_margin_loss(x, torch.tensor([1, 0, 3]), p=2),
    lambda x: F.multilabel_margin_loss(
        x, torch.tensor([[1, 0, -1, 2], [3, -1, 0, 0], [0, 1, 2, -1]])
    ),
    lambda x: F.triplet_margin_loss(x, double(3, 4), double(3, 4), swap=True),
    lambda x: F.cosine_embedding_loss(x, double(3, 4), torch.tensor([1, -1, 1])),
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


def test_rows_of_targets_that_are_no_probabilities():
    with pytest.raises(RuntimeError, match="^0D or 1D target tensor expected, multi-target not"):
        F.cross_entropy(torch.ones(3, 4), torch.ones(3, 3))
