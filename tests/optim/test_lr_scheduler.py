"""Learning rate schedules against curves recorded from PyTorch (tools/record_optim.py)."""

import json
import pathlib
import warnings

import numpy as np
import pytest

import rushlight as torch
from tests.optim import cases

GOLDEN = json.loads((pathlib.Path(__file__).parent.parent / "golden" / "optim.json").read_text())
lr_scheduler = torch.optim.lr_scheduler


def _optimizer(lr=0.1):
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr)


@pytest.mark.filterwarnings("ignore:To get the last learning rate")
@pytest.mark.parametrize("name", cases.SCHEDULERS)
def test_curves(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cases.run_scheduler(torch, name)
    expected = GOLDEN["schedulers"][name]
    np.testing.assert_allclose(found["curve"], expected["curve"], rtol=1e-12)
    np.testing.assert_allclose(found["last_lr"], expected["last_lr"], rtol=1e-12)
    hidden = {"_scale_fn_ref"}
    assert set(found["state_keys"]) - hidden == set(expected["state_keys"]) - hidden


@pytest.mark.parametrize("name", cases.SCHEDULERS)
def test_state_dict_goes_on_to_the_same_rates(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizers = [cases._sgd(torch), cases._sgd(torch)]
        first, second = [cases.make_scheduler(torch, name, o) for o in optimizers]
        arguments = [(figure,) if "Plateau" in name else () for figure in cases.FIGURES]
        for given in arguments[:6]:
            optimizers[0].step()
            first.step(*given)
        second.load_state_dict(first.state_dict())
        optimizers[1].load_state_dict(optimizers[0].state_dict())
        for given in arguments[6:]:
            for optimizer, scheduler in zip(optimizers, (first, second), strict=True):
                optimizer.step()
                scheduler.step(*given)
            assert first.get_last_lr() == second.get_last_lr()


def test_warning_for_the_wrong_order():
    scheduler = lr_scheduler.StepLR(_optimizer(), 1)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before"):
        scheduler.step()


def test_warning_for_get_lr():
    scheduler = lr_scheduler.ExponentialLR(_optimizer(), 0.5)
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        scheduler.get_lr()


def test_epoch_argument_is_deprecated():
    optimizer = _optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 2, 0.5)
    optimizer.step()
    with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step"):
        scheduler.step(4)
    assert scheduler.get_last_lr() == [0.025]


def test_restarts_at_a_fraction_of_an_epoch():
    optimizer = _optimizer(1.0)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2, 2)
    scheduler.step(4.5)
    assert (scheduler.T_i, scheduler.T_cur, scheduler.last_epoch) == (4, 2.5, 4)
    with pytest.raises(ValueError, match="Expected non-negative epoch"):
        scheduler.step(-1)


def test_tensor_learning_rate_changes_in_place():
    rate = torch.tensor(1.0)
    optimizer = _optimizer(rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert rate.item() == 0.5


def test_callable_object_keeps_its_attributes():
    class Factor:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    first = lr_scheduler.LambdaLR(_optimizer(), Factor(0.5))
    second = lr_scheduler.LambdaLR(_optimizer(), Factor(0.9))
    second.load_state_dict(first.state_dict())
    assert second.lr_lambdas[0].base == 0.5


def test_scheduler_is_no_base_class_by_itself():
    with pytest.raises(NotImplementedError):
        lr_scheduler.LRScheduler(_optimizer())
