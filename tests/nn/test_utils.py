"""nn.utils: clipping, vectors of parameters, sequences, parametrizations, functional calls."""

import copy

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.utils import parametrizations, parametrize, rnn, stateless


def _with_grads(*values):
    params = [nn.Parameter(torch.zeros(len(v))) for v in values]
    for p, v in zip(params, values, strict=True):
        p.grad = torch.tensor(v)
    return params


@pytest.mark.parametrize(
    ("kind", "norm"), [(2.0, 5.0), (1.0, 7.0), (float("inf"), 4.0), (3, 91 ** (1 / 3))]
)
def test_clip_grad_norm(kind, norm):
    params = _with_grads([3.0], [0.0, -4.0])
    found = nn.utils.clip_grad_norm_((p for p in params), 1.0, kind)
    assert found.item() == pytest.approx(norm)
    assert params[0].grad.item() == pytest.approx(3.0 / norm, rel=1e-5)
    assert nn.utils.clip_grad_norm_(params, 100.0).item() < 2
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0.0


def test_empty_generator_warns():
    with pytest.warns(UserWarning, match="`parameters` is an empty generator"):
        nn.utils.clip_grad_norm_((p for p in ()), 1.0)


def test_clip_grad_value():
    params = _with_grads([3.0, -0.5], [-4.0])
    nn.utils.clip_grad_value_(params, 1)
    assert [p.grad.tolist() for p in params] == [[1.0, -0.5], [-1.0]]


def test_parameters_to_vector_and_back():
    layer = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.requires_grad
    nn.utils.vector_to_parameters(torch.arange(9.0), layer.parameters())
    assert layer.weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert layer.bias.tolist() == [6.0, 7.0, 8.0]


def test_pack_and_unpack():
    sequences = [torch.arange(3.0) + 10 * i for i in range(3)]
    sequences = [sequences[0][:2], sequences[1], sequences[2][:1]]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    assert packed.data.tolist() == [10.0, 0.0, 20.0, 11.0, 1.0, 12.0]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    padded, lengths = rnn.pad_packed_sequence(packed, True, -1.0, total_length=4)
    assert padded.tolist() == [
        [0.0, 1.0, -1.0, -1.0],
        [10.0, 11.0, 12.0, -1.0],
        [20.0, -1.0, -1.0, -1.0],
    ]
    assert lengths.tolist() == [2, 3, 1]
    assert [s.tolist() for s in rnn.unpack_sequence(packed)] == [s.tolist() for s in sequences]
    assert packed.double().data.dtype is torch.float64


def test_padding_sides():
    padded = rnn.pad_sequence([torch.tensor([1]), torch.tensor([2, 3])], True, 9, "left")
    assert padded.tolist() == [[9, 1], [2, 3]]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_packed_sequences_run_like_single_ones(kind):
    torch.manual_seed(0)
    net = getattr(nn, kind)(2, 3, 2, bidirectional=True)
    sequences = [torch.randn(n, 2) for n in (4, 2, 3)]
    packed, state = net(rnn.pack_sequence(sequences, enforce_sorted=False))
    outputs = rnn.unpack_sequence(packed)
    hidden = state[0] if kind == "LSTM" else state
    for i, sequence in enumerate(sequences):
        expected, last = net(sequence)
        np.testing.assert_allclose(outputs[i].tolist(), expected.tolist(), rtol=1e-5, atol=1e-6)
        last = last[0] if kind == "LSTM" else last
        np.testing.assert_allclose(hidden[:, i].tolist(), last.tolist(), rtol=1e-5, atol=1e-6)
    packed.data.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


class _Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a):
        return a.triu()


class _Double(nn.Module):
    def forward(self, x):
        return 2 * x


def test_parametrize():
    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", _Symmetric())
    assert repr(layer).startswith("ParametrizedLinear(")
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert layer.weight.tolist() == layer.weight.T.tolist()
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    layer.weight = torch.ones(3, 3)
    assert layer.parametrizations.weight.original[1, 0].item() == 0.0
    parametrize.register_parametrization(layer, "weight", _Double())
    assert layer.weight.tolist() == [[2.0] * 3] * 3
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight
    assert copy.deepcopy(layer).weight.tolist() == layer.weight.tolist()
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert isinstance(layer.weight, nn.Parameter)
    assert layer.weight.tolist() == [[2.0] * 3] * 3


def test_weight_norm():
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    parametrizations.weight_norm(layer)
    np.testing.assert_allclose(layer.weight.tolist(), before.tolist(), rtol=1e-6)
    shapes = {k: tuple(v.shape) for k, v in layer.state_dict().items()}
    assert shapes["parametrizations.weight.original0"] == (2, 1)
    state = {"bias": layer.bias, "weight_g": torch.ones(2, 1), "weight_v": before}
    layer.load_state_dict(state)
    np.testing.assert_allclose((layer.weight**2).sum(1).tolist(), [1.0, 1.0], rtol=1e-5)


def test_old_weight_norm():
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    with pytest.warns(FutureWarning, match="`torch.nn.utils.weight_norm` is deprecated"):
        nn.utils.weight_norm(layer)
    assert sorted(n for n, _ in layer.named_parameters()) == ["bias", "weight_g", "weight_v"]
    layer(torch.ones(1, 3)).sum().backward()
    nn.utils.remove_weight_norm(layer)
    np.testing.assert_allclose(layer.weight.tolist(), before.tolist(), rtol=1e-6)
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        nn.utils.remove_weight_norm(layer)


@pytest.mark.parametrize("hooked", [False, True])
def test_spectral_norm(hooked):
    torch.manual_seed(0)
    layer = nn.Linear(5, 4)
    make = nn.utils.spectral_norm if hooked else parametrizations.spectral_norm
    make(layer, n_power_iterations=20)
    for _ in range(5):
        layer(torch.ones(1, 5)).sum().backward()
    largest = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0]
    assert largest == pytest.approx(1.0, rel=1e-3)
    if hooked:
        nn.utils.remove_spectral_norm(layer)
        assert isinstance(layer.weight, nn.Parameter)


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_orthogonal(kind, shape):
    torch.manual_seed(0)
    layer = nn.Linear(shape[1], shape[0])
    parametrizations.orthogonal(layer, orthogonal_map=kind)
    weight = layer.weight.detach().numpy()
    product = weight @ weight.T if shape[0] <= shape[1] else weight.T @ weight
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-5)


def test_functional_call():
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    net.eval()
    weight = torch.full((1, 1), 3.0, requires_grad=True)
    out = stateless._functional_call(net[0], {"weight": weight}, torch.ones(1, 1))
    assert out.item() == 3.0
    out.backward()
    assert weight.grad.item() == 1.0
    assert net[0].weight is not weight
    with pytest.raises(RuntimeError, match="Missing key"):
        stateless._functional_call(net, {"0.weight": weight}, torch.ones(1, 1), strict=True)
    with pytest.warns(FutureWarning, match="is deprecated as of PyTorch 2.0"):
        stateless.functional_call(net, {"0.weight": weight}, torch.ones(1, 1))


def test_fusion():
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
    norm(torch.randn(4, 3, 2, 2))
    conv.eval(), norm.eval()
    x = torch.randn(1, 2, 5, 5)
    fused = nn.utils.fuse_conv_bn_eval(conv, norm)
    np.testing.assert_allclose(fused(x).tolist(), norm(conv(x)).tolist(), rtol=1e-4, atol=1e-5)
    linear, norm = nn.Linear(2, 3).eval(), nn.BatchNorm1d(3).eval()
    fused = nn.utils.fuse_linear_bn_eval(linear, norm)
    x = torch.randn(4, 2)
    np.testing.assert_allclose(fused(x).tolist(), norm(linear(x)).tolist(), rtol=1e-4, atol=1e-5)


def test_skip_init_draws_nothing():
    torch.manual_seed(0)
    layer = nn.utils.skip_init(nn.Linear, 2, 3)
    assert layer.weight.shape == (3, 2)
    first = torch.rand(1)
    torch.manual_seed(0)
    assert torch.rand(1).item() == first.item()
