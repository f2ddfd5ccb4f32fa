"""Lazy modules."""

import copy

import pytest

import rushlight as torch
from rushlight import nn

pytestmark = pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")

CASES = [
    ("LazyLinear", (3,), (2, 5), {}),
    ("LazyConv1d", (3, 2), (2, 4, 5), {}),
    ("LazyConv2d", (4, 2), (2, 4, 5, 5), {"groups": 2}),
    ("LazyConv3d", (3, 2), (4, 3, 3, 3), {"bias": False}),
    ("LazyConvTranspose1d", (3, 2), (2, 4, 5), {}),
    ("LazyConvTranspose2d", (3, 2), (2, 4, 5, 5), {}),
    ("LazyConvTranspose3d", (3, 2), (2, 4, 3, 3, 3), {}),
    ("LazyBatchNorm1d", (), (4, 3), {}),
    ("LazyBatchNorm2d", (), (2, 3, 4, 4), {"affine": False}),
    ("LazyBatchNorm3d", (), (2, 3, 2, 2, 2), {}),
    ("LazyInstanceNorm1d", (), (2, 3, 5), {}),
    ("LazyInstanceNorm2d", (), (2, 3, 4, 4), {}),
    ("LazyInstanceNorm3d", (), (2, 3, 2, 2, 2), {"track_running_stats": False}),
]


@pytest.mark.parametrize(("name", "arguments", "shape", "options"), CASES)
def test_becomes_an_ordinary_module(name, arguments, shape, options):
    layer = getattr(nn, name)(*arguments, **options)
    weights = list(layer.parameters())
    copied = copy.deepcopy(layer)
    for module in (layer, copied):
        module(torch.ones(shape))
        assert type(module) is getattr(nn, name[len("Lazy") :])
        assert all(type(p) is nn.Parameter for p in module.parameters())
        module(torch.ones(shape))
    assert [id(p) for p in layer.parameters()] == [id(p) for p in weights]


def test_state_dict_gives_the_shapes():
    layer = nn.LazyLinear(2)
    layer.load_state_dict(nn.Linear(3, 2).state_dict())
    assert layer.weight.shape == (2, 3)
    assert layer(torch.ones(1, 3)).shape == (1, 2)
    assert layer.in_features == 3


def test_uninitialized_parameters_hold_nothing():
    layer = nn.LazyLinear(2)
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        layer.weight + 1
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        layer.weight.shape
    assert layer.double().weight.dtype is torch.float64
    layer(torch.ones(1, 3, dtype=torch.float64))
    assert layer.weight.dtype is torch.float64


def test_wrong_dims():
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input"):
        nn.LazyConv2d(1, 1)(torch.ones(2))


def test_warning():
    with pytest.warns(UserWarning, match="Lazy modules are a new feature under heavy development"):
        nn.LazyLinear(1)
