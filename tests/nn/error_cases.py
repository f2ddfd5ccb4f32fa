"""Mistakes with modules, initial values and printed forms that must be PyTorch's."""

import warnings
from collections import OrderedDict


def _early(t, value):
    class Net(t.nn.Module):
        def __init__(self):
            self.x = value(t)

    Net()


def _net(t):
    t.manual_seed(0)
    return t.nn.Sequential(t.nn.Linear(2, 3), t.nn.BatchNorm1d(3), t.nn.Linear(3, 1))


def _load(t, change, strict=True):
    net = _net(t)
    state = net.state_dict()
    change(state, t)
    net.load_state_dict(state, strict=strict)


def _call(t, function):
    return function(t)


ERRORS = {
    "module_before_init": lambda t: _early(t, lambda t: t.nn.ReLU()),
    "parameter_before_init": lambda t: _early(t, lambda t: t.nn.Parameter(t.ones(1))),
    "no_forward": lambda t: t.nn.Module()(1),
    "init_argument": lambda t: t.nn.Module(1),
    "init_keyword": lambda t: t.nn.Module(size=1),
    "no_attribute": lambda t: t.nn.ReLU().weight,
    "tensor_as_parameter": lambda t: setattr(t.nn.Linear(1, 1), "weight", t.ones(1, 1)),
    "number_as_module": lambda t: setattr(t.nn.Sequential(t.nn.ReLU()), "0", 3),
    "string_as_buffer": lambda t: setattr(t.nn.BatchNorm1d(1), "running_mean", "x"),
    "buffer_name": lambda t: t.nn.Module().register_buffer(3, None),
    "buffer_dot": lambda t: t.nn.Module().register_buffer("a.b", None),
    "buffer_empty": lambda t: t.nn.Module().register_buffer("", None),
    "buffer_exists": lambda t: t.nn.Module().register_buffer("forward", None),
    "buffer_kind": lambda t: t.nn.Module().register_buffer("a", 3),
    "parameter_name": lambda t: t.nn.Module().register_parameter(3, None),
    "parameter_kind": lambda t: t.nn.Module().register_parameter("a", t.ones(1)),
    "parameter_non_leaf": lambda t: t.nn.Module().register_parameter("forward", None),
    "integer_parameter": lambda t: t.nn.Parameter(t.arange(3)),
    "module_kind": lambda t: t.nn.Module().add_module("a", 3),
    "module_dot": lambda t: t.nn.Module().add_module("a.b", None),
    "module_exists": lambda t: t.nn.Module().add_module("train", None),
    "train_mode": lambda t: t.nn.ReLU().train(1),
    "to_integer": lambda t: t.nn.Linear(1, 1).to(t.int64),
    "get_submodule": lambda t: _net(t).get_submodule("5.x"),
    "get_submodule_kind": lambda t: _net(t).get_submodule("0.weight"),
    "get_parameter": lambda t: _net(t).get_parameter("0.in_features"),
    "get_buffer": lambda t: _net(t).get_buffer("0.weight"),
    "load_missing": lambda t: _load(t, lambda s, t: s.pop("0.weight")),
    "load_unexpected": lambda t: _load(t, lambda s, t: s.update({"3.weight": t.ones(1), "0.x": t.ones(1)})),
    "load_both": lambda t: _load(t, lambda s, t: (s.pop("2.bias"), s.update({"y": t.ones(1)}))),
    "load_size": lambda t: _load(t, lambda s, t: s.update({"0.weight": t.ones(3, 4), "2.bias": t.ones(2)})),
    "load_kind": lambda t: _load(t, lambda s, t: s.update({"0.weight": [1, 2]})),
    "load_not_dict": lambda t: _net(t).load_state_dict([1]),
    "load_size_loosely": lambda t: _load(t, lambda s, t: s.update({"0.weight": t.ones(1)}), False),
    "sequential_index": lambda t: _net(t)[3],
    "sequential_add": lambda t: _net(t) + 3,
    "sequential_times": lambda t: _net(t) * 0,
    "sequential_kind": lambda t: t.nn.Sequential(t.nn.ReLU(), 3),
    "list_index": lambda t: t.nn.ModuleList([t.nn.ReLU()])[1],
    "list_extend": lambda t: t.nn.ModuleList().extend(3),
    "dict_update": lambda t: t.nn.ModuleDict().update(3),
    "dict_pair": lambda t: t.nn.ModuleDict([("a",)]),
    "parameter_list_call": lambda t: t.nn.ParameterList()(),
    "parameter_list_extend": lambda t: t.nn.ParameterList().extend(t.ones(2)),
    "parameter_dict_key": lambda t: t.nn.ParameterDict().__getitem__(3),
    "conv_groups": lambda t: t.nn.Conv2d(3, 4, 1, groups=2),
    "conv_groups_out": lambda t: t.nn.Conv2d(4, 3, 1, groups=2),
    "conv_groups_zero": lambda t: t.nn.Conv2d(4, 3, 1, groups=0),
    "conv_same": lambda t: t.nn.Conv2d(1, 1, 3, stride=2, padding="same"),
    "conv_transpose_mode": lambda t: t.nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"),
    "conv_transpose_size": lambda t: t.nn.ConvTranspose1d(1, 1, 3, 2)(t.ones(1, 1, 4), output_size=[20]),
    "batch_norm_dims": lambda t: t.nn.BatchNorm2d(3)(t.ones(2, 3)),
    "batch_norm_dims_1d": lambda t: t.nn.BatchNorm1d(3)(t.ones(3)),
    "instance_norm_dims": lambda t: t.nn.InstanceNorm2d(3)(t.ones(3)),
    "instance_norm_features": lambda t: t.nn.InstanceNorm1d(3, affine=True)(t.ones(1, 2, 4)),
    "group_norm": lambda t: t.nn.GroupNorm(3, 4),
    "dropout": lambda t: t.nn.Dropout(1.5),
    "hardtanh": lambda t: t.nn.Hardtanh(1, 0),
    "softmax2d": lambda t: t.nn.Softmax2d()(t.ones(2)),
    "unflatten": lambda t: t.nn.Unflatten(1, 3),
    "unflatten_float": lambda t: t.nn.Unflatten(1, (3, 2.0)),
    "embedding_padding": lambda t: t.nn.Embedding(3, 2, padding_idx=3),
    "embedding_weight": lambda t: t.nn.Embedding(3, 2, _weight=t.ones(2, 2)),
    "bilinear": lambda t: t.nn.Bilinear(0, 1, 1),
    "fractional": lambda t: t.nn.FractionalMaxPool2d(2),
    "fractional_both": lambda t: t.nn.FractionalMaxPool3d(2, 2, 0.5),
    "fractional_ratio": lambda t: t.nn.FractionalMaxPool2d(2, output_ratio=2),
    "circular": lambda t: t.nn.CircularPad2d(1)(t.ones(2)),
    "huber": lambda t: t.nn.HuberLoss(delta="1"),
    "multi_margin": lambda t: t.nn.MultiMarginLoss(p=3),
    "triplet": lambda t: t.nn.TripletMarginLoss(margin=-1),
    "attention_heads": lambda t: t.nn.MultiheadAttention(5, 2),
    "attention_size": lambda t: t.nn.MultiheadAttention(0, 2),
    "transformer": lambda t: t.nn.TransformerEncoderLayer(4, 2, activation="tanh"),
    "transformer_features": lambda t: t.nn.Transformer(4, 2, 1, 1)(t.ones(1, 2, 4), t.ones(1, 2, 3)),
    "rnn_dropout": lambda t: t.nn.RNN(1, 1, dropout=2),
    "rnn_size": lambda t: t.nn.RNN(0, 1),
    "rnn_kind": lambda t: t.nn.GRU(1.0, 1),
    "rnn_projection": lambda t: t.nn.GRU(1, 1, proj_size=1),
    "lstm_projection": lambda t: t.nn.LSTM(1, 2, proj_size=2),
    "rnn_nonlinearity": lambda t: t.nn.RNN(1, 1, nonlinearity="sin"),
    "rnn_dims": lambda t: t.nn.LSTM(1, 1)(t.ones(1)),
    "rnn_features": lambda t: t.nn.LSTM(2, 1)(t.ones(1, 1, 1)),
    "rnn_dtype": lambda t: t.nn.LSTM(1, 1)(t.ones(1, 1, 1, dtype=t.float64)),
    "rnn_hidden": lambda t: t.nn.GRU(1, 1)(t.ones(1, 1, 1), t.ones(2, 1, 1)),
    "lstm_hidden_dims": lambda t: t.nn.LSTM(1, 1)(t.ones(1, 1, 1), (t.ones(1, 1), t.ones(1, 1))),
    "adaptive_cutoffs": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [10, 5]),
    "adaptive_target": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5])(t.ones(2, 8), t.tensor([1, 20])),
    "init_gain": lambda t: t.nn.init.calculate_gain("sin"),
    "init_slope": lambda t: t.nn.init.calculate_gain("leaky_relu", "x"),
    "init_fan": lambda t: t.nn.init.xavier_uniform_(t.ones(3)),
    "init_mode": lambda t: t.nn.init.kaiming_uniform_(t.ones(3, 3), mode="fan"),
    "init_eye": lambda t: t.nn.init.eye_(t.ones(3)),
    "init_dirac": lambda t: t.nn.init.dirac_(t.ones(3, 3)),
    "init_dirac_groups": lambda t: t.nn.init.dirac_(t.ones(3, 3, 1), 2),
    "init_orthogonal": lambda t: t.nn.init.orthogonal_(t.ones(3)),
    "full_and_old_hooks": lambda t: _call(
        t, lambda t: (m := t.nn.ReLU(), m.register_backward_hook(print), m.register_full_backward_hook(print))
    ),
    "pre_hook_result": lambda t: _call(
        t,
        lambda t: (
            m := t.nn.ReLU(),
            m.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True),
            m(t.ones(1)),
        ),
    ),
    "lazy_shape": lambda t: t.nn.LazyLinear(2).weight.shape,
    "pack_order": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2), [1, 2]),
    "pack_zero": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2), [1, 0]),
    "pack_count": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2), [1]),
    "clip_nonfinite": lambda t: _call(
        t,
        lambda t: (
            p := t.nn.Parameter(t.ones(1)),
            setattr(p, "grad", t.tensor([float("inf")])),
            t.nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True),
        ),
    ),
}  # fmt: skip


def error_of(t, name):
    """Type and text of the error that a mistake raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ERRORS[name](t)
        except Exception as error:
            return [type(error).__name__, str(error)]
    return None


INITIAL = {
    "uniform_": ((4, 5), {"a": -2.0, "b": 3.0}),
    "normal_": ((4, 5), {"mean": 1.0, "std": 2.0}),
    "trunc_normal_": ((4, 5), {"std": 1.5}),
    "trunc_normal_/tail": ((4, 5), {"a": 2.0, "b": 3.0}),
    "constant_": ((2, 3), {"val": 0.3}),
    "ones_": ((2, 3), {}),
    "zeros_": ((2, 3), {}),
    "eye_": ((3, 4), {}),
    "eye_/tall": ((4, 3), {}),
    "dirac_": ((4, 2, 3), {}),
    "dirac_/groups": ((4, 2, 3, 3), {"groups": 2}),
    "xavier_uniform_": ((4, 5), {"gain": 2.0}),
    "xavier_normal_": ((4, 5, 2), {}),
    "kaiming_uniform_": ((4, 5, 3), {"nonlinearity": "relu"}),
    "kaiming_normal_": ((4, 5), {"mode": "fan_out", "a": 0.1}),
    "orthogonal_": ((4, 5), {}),
    "orthogonal_/tall": ((5, 2, 2), {"gain": 2.0}),
    "sparse_": ((5, 3), {"sparsity": 0.4}),
}


def initial(t, name):
    """The values that an ``nn.init`` function gives a tensor."""
    shape, options = INITIAL[name]
    t.manual_seed(3)
    out = getattr(t.nn.init, name.partition("/")[0])(t.empty(*shape), **options)
    return [round(float(v), 8) for v in out.reshape(-1).tolist()]


def _custom(t):
    class Block(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = t.nn.ModuleList([t.nn.Linear(2, 2), t.nn.Linear(2, 2), t.nn.ReLU()])
            self.empty = t.nn.ModuleList()
            self.table = t.nn.ModuleDict({"a": t.nn.Sequential(), "b": t.nn.Tanh()})
            self.missing = None
            self.register_module("later", None)

        def extra_repr(self):
            return "first line\nsecond line"

    return Block()


PRINTED = {
    "empty": lambda t: t.nn.Sequential(),
    "nested": lambda t: t.nn.Sequential(t.nn.Sequential(t.nn.Linear(1, 2)), t.nn.ReLU()),
    "named": lambda t: t.nn.Sequential(OrderedDict(conv=t.nn.Conv2d(1, 2, 3), act=t.nn.ReLU(True))),
    "custom": _custom,
    "blocks": lambda t: t.nn.ModuleList([t.nn.Sequential(t.nn.ReLU(), t.nn.Tanh()) for _ in range(3)]),
    "parameter_list": lambda t: t.nn.ParameterList([t.ones(2, 3), t.nn.Parameter(t.ones(1)), 3]),
    "parameter_dict": lambda t: t.nn.ParameterDict({"b": t.ones(2), "a": "text"}),
    "parameter": lambda t: t.nn.Parameter(t.ones(2, 2)),
    "frozen": lambda t: t.nn.Parameter(t.ones(2), requires_grad=False),
    "lazy": lambda t: t.nn.LazyConv2d(3, 2),
    "lazy_parameter": lambda t: t.nn.LazyLinear(3).weight,
    "keys": lambda t: t.nn.Linear(1, 1).load_state_dict({}, strict=False),
    "matched": lambda t: t.nn.Linear(1, 1).load_state_dict(t.nn.Linear(1, 1).state_dict()),
    "typename": lambda t: t.typename(t.nn.Linear(1, 1)),
    "encoder": lambda t: t.nn.TransformerEncoder(t.nn.TransformerEncoderLayer(4, 2, 8), 2),
}  # fmt: skip


def printed(t, name):
    """What printing shows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(PRINTED[name](t))
