"""The base class: registration, hooks, state dicts, conversion, errors with paths."""

import copy
import pickle
import sys
from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.modules import module as base


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("offset", torch.zeros(1))
        self.register_buffer("temporary", torch.zeros(1), persistent=False)
        self.shared = self.features[0]

    def forward(self, x):
        return self.features(x) * self.scale + self.offset


def test_names():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "features.0.weight", "features.0.bias", "features.1.weight", "features.1.bias",
    ]  # fmt: skip
    assert len(list(net.named_parameters(remove_duplicate=False))) == 7
    assert [n for n, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert next(n for n, _ in net.named_parameters("net")) == "net.scale"
    assert [n for n, _ in net.named_buffers()] == [
        "offset", "temporary", "features.1.running_mean", "features.1.running_var",
        "features.1.num_batches_tracked",
    ]  # fmt: skip
    assert [n for n, _ in net.named_children()] == ["features", "shared"]
    assert [n for n, _ in net.named_modules()] == [
        "", "features", "features.0", "features.1", "features.2",
    ]  # fmt: skip
    assert "temporary" not in net.state_dict()
    assert "shared.weight" in net.state_dict()


def test_find_and_replace():
    net = Net()
    assert net.get_submodule("features.1") is net.features[1]
    assert net.get_parameter("features.0.weight") is net.shared.weight
    assert net.get_buffer("features.1.running_mean") is net.features[1].running_mean
    net.set_submodule("features.2", nn.Tanh())
    assert isinstance(net.features[2], nn.Tanh)
    with pytest.raises(AttributeError):
        net.set_submodule("features.9", nn.Tanh(), strict=True)


def test_attributes_move_between_kinds():
    module = nn.Module()
    module.x = 3
    module.x = nn.Parameter(torch.ones(1))
    assert "x" not in module.__dict__
    assert list(module._parameters) == ["x"]
    del module.x
    module.x = nn.ReLU()
    assert list(module._modules) == ["x"]
    module.x = None
    assert module.x is None
    assert "x" in dir(module)
    module.register_buffer("b", torch.ones(1), persistent=False)
    module.b = torch.zeros(2)
    assert module.b.shape == (2,)
    assert not module.state_dict()
    del module.b
    assert not hasattr(module, "b")
    module.c = nn.Buffer(torch.ones(1), persistent=False)
    assert list(module._buffers) == ["c"]
    assert isinstance(module.c, nn.Buffer)
    module.t = torch.ones(1)
    assert "t" in module.__dict__


def test_state_dict_round_trip_and_metadata():
    net, other = Net(), Net()
    state = net.state_dict()
    assert isinstance(state, OrderedDict)
    assert state._metadata["features.1"] == {"version": 2}
    assert state["scale"].data_ptr() == net.scale.data_ptr()
    assert not state["scale"].requires_grad
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert next(iter(net.state_dict(prefix="a."))) == "a.scale"
    nn.init.constant_(net.scale, 5.0)
    assert str(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert other.scale.item() == 5.0
    found = other.load_state_dict({"scale": torch.zeros(1), "x": torch.ones(1)}, strict=False)
    assert found.unexpected_keys == ["x"]
    assert "offset" in found.missing_keys
    missing, _ = found
    assert missing is found.missing_keys


def test_load_by_assignment():
    net = nn.Linear(1, 1)
    state = {"weight": torch.ones(1, 1, dtype=torch.float64), "bias": torch.zeros(1)}
    before = net.weight
    net.load_state_dict(state, assign=True)
    assert net.weight is not before
    assert net.weight.dtype is torch.float64
    assert net.weight.requires_grad
    assert net.weight.data_ptr() == state["weight"].data_ptr()


def test_old_batch_norm_files_have_no_counter():
    norm = nn.BatchNorm1d(2)
    state = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    norm.load_state_dict(state)


def test_extra_state():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 1

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    first, second = Counting(), Counting()
    first.count = 7
    state = first.state_dict()
    assert list(state) == ["_extra_state"]
    second.load_state_dict(state)
    assert second.count == 7
    with pytest.raises(RuntimeError, match='Missing key.*"_extra_state"'):
        second.load_state_dict({})


def test_state_dict_hooks():
    net = nn.Linear(1, 1)
    seen = []
    net.register_state_dict_pre_hook(lambda module, prefix, keep: seen.append("pre"))
    handle = net.register_state_dict_post_hook(
        lambda m, state, prefix, meta: state.pop("bias") and None
    )
    net.register_load_state_dict_pre_hook(
        lambda module, state, prefix, *rest: state.setdefault("bias", torch.ones(1)) and None
    )
    net.register_load_state_dict_post_hook(
        lambda module, keys: seen.append(list(keys.missing_keys))
    )
    state = net.state_dict()
    assert list(state) == ["weight"]
    net.load_state_dict(state)
    assert net.bias.item() == 1.0
    assert seen == ["pre", []]
    handle.remove()
    assert list(net.state_dict()) == ["weight", "bias"]


def test_conversion_keeps_parameters():
    net = Net()
    weight, ids = net.scale, [id(p) for p in net.parameters()]
    weight.grad = torch.ones(1)
    assert net.double() is net
    assert [id(p) for p in net.parameters()] == ids
    assert weight.dtype is torch.float64
    assert weight.grad.dtype is torch.float64
    assert net.features[1].num_batches_tracked.dtype is torch.int64
    net.to(torch.float32).half().float().to(torch.zeros(1)).to("cpu").cpu()
    assert net.offset.dtype is torch.float32
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        net.cuda()
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        net.to("cuda")
    net.to_empty(device="cpu")


def test_modes_and_gradients():
    net = Net()
    net.eval()
    assert not net.features[1].training
    net.train()
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    net.requires_grad_()
    net(torch.ones(2, 1, 4, 4)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.tolist() == [0.0]
    net.zero_grad()
    assert net.scale.grad is None
    seen = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Conv2d", "BatchNorm2d", "ReLU", "Sequential", "Conv2d", "Net"]


def test_copy_and_pickle():
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.shared is other.features[0]
        assert other.scale is not net.scale
        assert isinstance(other.scale, nn.Parameter)
        nn.init.constant_(other.scale, 9.0)
        assert net.scale.item() == 1.0
        assert list(other.state_dict()) == list(net.state_dict())


def test_forward_hooks():
    layer = nn.Identity()
    order = []
    first = layer.register_forward_pre_hook(lambda m, args: order.append("pre"))
    layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,), prepend=True)
    layer.register_forward_hook(lambda m, args, out: out * 10)
    layer.register_forward_hook(
        lambda m, args, kwargs, out: order.append(sorted(kwargs)), with_kwargs=True
    )
    assert layer(torch.ones(1)).item() == 20.0
    assert order == ["pre", []]
    first.remove()
    with layer.register_forward_pre_hook(lambda m, args: torch.zeros(1)):
        assert layer(torch.ones(1)).item() == 0.0
    assert layer(torch.ones(1)).item() == 20.0


def test_hook_with_kwargs_changes_them():
    class Add(nn.Module):
        def forward(self, x, *, other):
            return x + other

    module = Add()
    module.register_forward_pre_hook(lambda m, a, k: (a, {"other": 5}), with_kwargs=True)
    assert module(1, other=2) == 6


def test_hook_that_is_always_called():
    class Fails(nn.Module):
        def forward(self):
            raise ValueError("no")

    seen = []
    module = Fails()
    module.register_forward_hook(lambda *a: seen.append("always"), always_call=True)
    module.register_forward_hook(lambda *a: seen.append("never"))
    with pytest.raises(ValueError, match="no"):
        module()
    assert seen == ["always"]


def test_full_backward_hooks():
    layer = nn.Linear(2, 1, bias=False)
    nn.init.constant_(layer.weight, 3.0)
    seen = {}

    def after(module, grad_input, grad_output):
        seen["input"], seen["output"] = grad_input[0].tolist(), grad_output[0].tolist()
        return (grad_input[0] * 2,)

    handle = layer.register_full_backward_hook(after)
    layer.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 10,))
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == {"input": [[30.0, 30.0]], "output": [[10.0]]}
    assert x.grad.tolist() == [[60.0, 60.0]]
    assert layer.weight.grad.tolist() == [[10.0, 10.0]]
    handle.remove()
    x.grad = None
    layer(x).sum().backward()
    assert x.grad.tolist() == [[30.0, 30.0]]


def test_full_backward_hook_without_input_gradients_warns():
    layer = nn.Linear(1, 1)
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(gi))
    out = layer(torch.ones(1, 1))
    with pytest.warns(UserWarning, match="Full backward hook is firing"):
        out.sum().backward()
    assert seen == [(None,)]


def test_old_backward_hook():
    layer = nn.Sigmoid()
    seen = []
    layer.register_backward_hook(lambda m, gi, go: seen.append((type(m).__name__, len(gi))))
    layer(torch.ones(1, requires_grad=True) * 1).sum().backward()
    assert seen == [("Sigmoid", 1)]


def test_global_hooks():
    seen = []
    handles = [
        base.register_module_forward_pre_hook(lambda m, a: seen.append("pre")),
        base.register_module_forward_hook(lambda m, a, o: seen.append("post")),
        base.register_module_full_backward_hook(lambda m, gi, go: seen.append("backward")),
        base.register_module_parameter_registration_hook(lambda m, n, p: seen.append(n)),
        base.register_module_module_registration_hook(lambda m, n, c: seen.append(n)),
        base.register_module_buffer_registration_hook(lambda m, n, b: seen.append(n)),
    ]
    try:
        module = nn.Module()
        module.p = nn.Parameter(torch.ones(1))
        module.c = nn.ReLU()
        module.register_buffer("b", None)
        module.c(torch.ones(1, requires_grad=True)).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    assert seen == ["p", "c", "b", "pre", "post", "backward"]
    seen.clear()
    nn.ReLU()(torch.ones(1))
    assert seen == []


def test_errors_carry_the_path_of_the_module():
    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied") as caught:
        net(torch.ones(1, 3))
    assert [n for n in caught.value.__notes__ if n.startswith("in ")] == [
        "in Sequential.1.1 (Linear)"
    ]


def test_errors_of_the_outermost_module_name_it_alone():
    class Wrong(nn.Module):
        def forward(self, x):
            raise KeyError("x")

    with pytest.raises(KeyError) as caught:
        Wrong()(1)
    assert caught.value.__notes__ == ["in Wrong"]


def test_call_goes_straight_to_forward():
    calls = []

    def profile(frame, event, argument):
        if event == "call":
            calls.append(frame.f_code.co_name)

    module, x = nn.Identity(), torch.ones(1)
    sys.setprofile(profile)
    module(x)
    sys.setprofile(None)
    assert calls == ["__call__", "forward"]


def test_parameter():
    data = torch.ones(2)
    p = nn.Parameter(data)
    assert isinstance(p, torch.Tensor)
    assert p.is_leaf
    assert p.data_ptr() == data.data_ptr()
    assert type(p * 1) is torch.Tensor
    assert type(p.detach()) is torch.Tensor
    with torch.no_grad():
        assert nn.Parameter(data).requires_grad
    q = copy.deepcopy(p)
    assert q.data_ptr() != p.data_ptr()
    r = pickle.loads(pickle.dumps(nn.Parameter(data, requires_grad=False)))
    assert not r.requires_grad
    assert r.tolist() == [1.0, 1.0]


def test_containers():
    seq = nn.Sequential(nn.ReLU(), nn.Tanh())
    seq.append(nn.Sigmoid()).insert(1, nn.GELU())
    assert [type(m).__name__ for m in seq] == ["ReLU", "GELU", "Tanh", "Sigmoid"]
    assert isinstance(seq.pop(-1), nn.Sigmoid)
    del seq[0]
    assert list(seq._modules) == ["0", "1"]
    assert len(seq * 2) == 4
    seq += nn.Sequential(nn.ReLU())
    assert type(seq[1:]) is nn.Sequential
    seq[0] = nn.Mish()
    assert isinstance(seq[0], nn.Mish)
    named = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
    assert isinstance(named.b, nn.Tanh)
    assert list(named[:1]._modules) == ["a"]

    layers = nn.ModuleList([nn.ReLU()]) + [nn.Tanh()]  # noqa: RUF005
    layers.insert(0, nn.GELU())
    layers[-1] = nn.Mish()
    assert [type(m).__name__ for m in layers] == ["GELU", "ReLU", "Mish"]
    del layers[:2]
    assert len(layers) == 1

    table = nn.ModuleDict([("a", nn.ReLU())])
    table["b"] = nn.Tanh()
    assert list(table.keys()) == ["a", "b"]
    assert "a" in table
    assert isinstance(table.pop("b"), nn.Tanh)
    table.clear()
    assert len(table) == 0

    params = nn.ParameterList([torch.ones(1)]).append(torch.zeros(2))
    assert len(list(params.parameters())) == 2
    assert len(params[1:]) == 1
    numbers = nn.ParameterDict({"b": torch.ones(1), "a": torch.ones(1)})
    assert list(numbers.keys()) == ["a", "b"]
    assert list((numbers | nn.ParameterDict({"c": torch.ones(1)})).keys()) == ["a", "b", "c"]
    assert numbers.setdefault("d", 3) == 3
    assert numbers.popitem() == ("d", 3)


def test_data_parallel_is_the_module():
    net = nn.DataParallel(nn.Linear(1, 1))
    assert list(net.state_dict()) == ["module.weight", "module.bias"]
    assert net(torch.ones(1, 1)).shape == (1, 1)
    assert nn.parallel.data_parallel(net.module, torch.ones(1, 1)).shape == (1, 1)
