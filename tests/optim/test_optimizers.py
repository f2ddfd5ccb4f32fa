"""Optimizers against runs recorded from PyTorch (tools/record_optim.py)."""

import copy
import json
import pathlib
import pickle

import numpy as np
import pytest

import rushlight as torch
from tests.optim import cases

GOLDEN = json.loads((pathlib.Path(__file__).parent.parent / "golden" / "optim.json").read_text())


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_twenty_steps(name):
    found = cases.run_optimizer(torch, *cases.OPTIMIZERS[name])
    expected = GOLDEN["optimizers"][name]
    exact = name.split("_")[0] not in ("lbfgs", "muon")
    tolerance = {"rtol": 2e-5, "atol": 2e-6} if exact else {"rtol": 5e-3, "atol": 5e-4}
    np.testing.assert_allclose(found["losses"], expected["losses"], **tolerance)
    for mine, theirs in zip(found["params"], expected["params"], strict=True):
        np.testing.assert_allclose(mine, theirs, **tolerance)
    assert found["state_keys"] == expected["state_keys"]
    assert found["group_keys"] == expected["group_keys"]
    assert found["repr"] == expected["repr"]


@pytest.mark.parametrize("name", cases.ERRORS)
def test_errors(name):
    assert cases.error_of(torch, name) == GOLDEN["errors"][name]


def _train(optimizer, params, steps):
    for step in range(steps):
        optimizer.zero_grad()
        cases.loss_of(torch, params, step).backward()
        optimizer.step()


@pytest.mark.parametrize("name", [n for n in cases.OPTIMIZERS if n not in ("lbfgs", "lbfgs_wolfe")])
def test_state_dict_goes_on_to_the_same_numbers(name):
    kind, options = cases.OPTIMIZERS[name]
    params = cases.parameters(torch, kind == "Muon")
    optimizer = getattr(torch.optim, kind)(params, **options)
    _train(optimizer, params, 3)
    copies = [torch.nn.Parameter(p.detach().clone()) for p in params]
    other = getattr(torch.optim, kind)(copies, **options)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    _train(optimizer, params, 3)
    _train(other, copies, 3)
    for p, q in zip(params, copies, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_float64_runs_the_same_rule():
    for name in ("sgd_nesterov", "adam_decay", "adamw_amsgrad", "rmsprop_centered"):
        kind, options = cases.OPTIMIZERS[name]
        params = [torch.nn.Parameter(p.detach().double()) for p in cases.parameters(torch)]
        optimizer = getattr(torch.optim, kind)(params, **options)
        for step in range(cases.STEPS):
            optimizer.zero_grad()
            cases.loss_of(torch, params, step).backward()
            optimizer.step()
        for p, expected in zip(params, GOLDEN["optimizers"][name]["params"], strict=True):
            assert p.dtype is torch.float64
            np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_parameters_without_gradients_stay():
    p, q = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([p, q], lr=0.1)
    p.sum().backward()
    optimizer.step()
    assert q.tolist() == [1.0, 1.0]
    assert q not in optimizer.state
    (p.sum() + q.sum()).backward()
    optimizer.step()  # q is at its first step, p at its second
    assert optimizer.state[p]["step"].item() == 2
    assert optimizer.state[q]["step"].item() == 1
    np.testing.assert_allclose(q.tolist(), [0.9, 0.9], rtol=1e-6)


def test_step_counts_a_change_of_the_parameters():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], lr=0.1)
    out = (p * p).sum()
    p.grad = torch.ones(2)
    before = p._version
    optimizer.step()
    assert p._version == before + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_zero_grad():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], lr=0.1)
    p.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_closure_and_groups():
    p, q = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([{"params": [p], "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": q})

    def closure():
        optimizer.zero_grad()
        loss = (p + q).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 2.0
    assert (p.item(), round(q.item(), 6)) == (0.5, 0.9)


def test_named_parameters():
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["params"] == [0, 1]


def test_hooks_run_around_the_step():
    p = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([p], lr=1.0)
    seen = []
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", p.item()))),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", p.item()))),
    ]
    p.grad = torch.ones(1)
    optimizer.step()
    assert seen == [("pre", 1.0), ("post", 0.0)]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 2


def test_state_dict_hooks():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    state = optimizer.state_dict()
    assert state["extra"] == 1
    seen = []
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append("pre"))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("post"))
    optimizer.load_state_dict(state)
    assert seen == ["pre", "post"]


def test_own_optimizer():
    class Halve(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.5})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(group["lr"])

    p = torch.nn.Parameter(torch.ones(1))
    optimizer = Halve([p])
    seen = []
    optimizer.register_step_post_hook(lambda *a: seen.append(1))
    optimizer.step()
    assert p.item() == 0.5
    assert seen == [1]


def test_pickle_and_deepcopy():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([p], lr=0.1)
    p.sum().backward()
    optimizer.step()
    for copied in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        q = copied.param_groups[0]["params"][0]
        assert q is not p
        q.grad = torch.ones(2)
        copied.step()
        assert copied.state[q]["step"].item() == 2


def test_tensor_learning_rate():
    p = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([p], lr=torch.tensor(0.5))
    p.grad = torch.ones(1)
    optimizer.step()
    assert p.item() == 0.5


def test_differentiable_is_refused():
    with pytest.raises(NotImplementedError, match="differentiable=True"):
        torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], differentiable=True)


def test_print_of_several_groups():
    p = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": p[:1]}, {"params": p[1:]}], lr=0.5)
    text = repr(optimizer)
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n")
    assert "    weight_decay: 0\n\nParameter Group 1\n" in text
    assert text.endswith("    weight_decay: 0\n)")
