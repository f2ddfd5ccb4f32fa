"""Averaged models."""

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn

swa_utils = torch.optim.swa_utils


def _linear(value):
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_mean_of_models():
    average = swa_utils.AveragedModel(_linear(1.0))
    for value in (1.0, 3.0, 8.0):
        average.update_parameters(_linear(value))
    assert average.module.weight.item() == pytest.approx(4.0)
    assert average.n_averaged.item() == 3
    assert list(average.state_dict()) == ["n_averaged", "module.weight"]


@pytest.mark.parametrize("multi", [False, True])
def test_moving_average(multi):
    if multi:
        kwargs = {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)}
    else:
        kwargs = {"avg_fn": swa_utils.get_ema_avg_fn(0.9)}
    average = swa_utils.AveragedModel(_linear(1.0), **kwargs)
    average.update_parameters(_linear(1.0))
    average.update_parameters(_linear(2.0))
    assert average.module.weight.item() == pytest.approx(1.1)
    assert average(torch.ones(1, 1)).item() == pytest.approx(1.1)


def test_update_bn():
    model = nn.Sequential(nn.BatchNorm1d(1))
    model.eval()
    batches = [torch.tensor([[1.0], [3.0]]), [torch.tensor([[5.0], [7.0]]), None]]
    swa_utils.update_bn(batches, model)
    np.testing.assert_allclose(model[0].running_mean.tolist(), [4.0])
    assert model[0].momentum == 0.1
    assert not model.training


def test_invalid_decay():
    with pytest.raises(ValueError, match="Invalid decay value 2"):
        swa_utils.get_ema_avg_fn(2)
