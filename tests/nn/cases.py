"""Modules and inputs on which PyTorch and rushlight must agree."""

import math
import warnings


def _x(*shape):
    """Fixed values, made without the random generator."""

    def make(t):
        n = math.prod(shape)
        return t.arange(float(n)).mul(0.731).sin().mul(1.7).reshape(shape)

    return make


def _ints(high, *shape):
    def make(t):
        n = math.prod(shape)
        return ((t.arange(n) * 7 + 3) % high).reshape(shape)

    return make


def _signs(*shape):
    def make(t):
        n = math.prod(shape)
        return (((t.arange(n) * 5) % 3) != 0).float().mul(2).sub(1).reshape(shape)

    return make


def _probabilities(*shape):
    return lambda t: _x(*shape)(t).sigmoid()


def _positive(*shape):
    return lambda t: _x(*shape)(t).abs() + 0.1


# name: (class, arguments, options, inputs). A trailing part of the name after "/" tells cases apart.
MODULES = {
    "Identity": ((), {}, [_x(2, 3)]),
    "Linear": ((4, 3), {}, [_x(2, 4)]),
    "Linear/no_bias": ((4, 3), {"bias": False}, [_x(2, 5, 4)]),
    "Bilinear": ((2, 3, 4), {}, [_x(5, 2), _x(5, 3)]),
    "Flatten": ((), {}, [_x(2, 3, 4)]),
    "Unflatten": ((1, (2, 3)), {}, [_x(2, 6)]),
    "ReLU": ((), {}, [_x(3, 4)]),
    "ReLU/inplace": ((True,), {}, [_x(3, 4)]),
    "ReLU6": ((), {}, [_x(3, 4)]),
    "RReLU": ((), {}, [_x(3, 4)]),
    "Threshold": ((0.1, 20), {}, [_x(3, 4)]),
    "Hardtanh": ((-0.5, 0.5), {}, [_x(3, 4)]),
    "Sigmoid": ((), {}, [_x(3, 4)]),
    "Hardsigmoid": ((), {}, [_x(3, 4)]),
    "Tanh": ((), {}, [_x(3, 4)]),
    "SiLU": ((), {}, [_x(3, 4)]),
    "Mish": ((), {}, [_x(3, 4)]),
    "Hardswish": ((), {}, [_x(3, 4)]),
    "ELU": ((1.5,), {}, [_x(3, 4)]),
    "CELU": ((1.5, False), {}, [_x(3, 4)]),
    "SELU": ((), {}, [_x(3, 4)]),
    "GLU": ((), {}, [_x(3, 4)]),
    "GELU": ((), {}, [_x(3, 4)]),
    "GELU/tanh": (("tanh",), {}, [_x(3, 4)]),
    "Hardshrink": ((), {}, [_x(3, 4)]),
    "Softshrink": ((0.3,), {}, [_x(3, 4)]),
    "LeakyReLU": ((0.1,), {}, [_x(3, 4)]),
    "LeakyReLU/inplace": ((0.2, True), {}, [_x(3, 4)]),
    "LogSigmoid": ((), {}, [_x(3, 4)]),
    "Softplus": ((2,), {}, [_x(3, 4)]),
    "Softsign": ((), {}, [_x(3, 4)]),
    "Tanhshrink": ((), {}, [_x(3, 4)]),
    "PReLU": ((), {}, [_x(3, 4)]),
    "PReLU/channels": ((4, 0.1), {}, [_x(3, 4, 2)]),
    "Softmin": ((1,), {}, [_x(3, 4)]),
    "Softmax": ((-1,), {}, [_x(3, 4)]),
    "Softmax2d": ((), {}, [_x(1, 3, 2, 2)]),
    "LogSoftmax": ((1,), {}, [_x(3, 4)]),
    "Conv1d": ((2, 4, 3), {}, [_x(2, 2, 7)]),
    "Conv1d/same": ((2, 4, 4), {"padding": "same", "padding_mode": "reflect"}, [_x(2, 2, 7)]),
    "Conv2d": ((2, 4, 3), {"padding": 1}, [_x(2, 2, 5, 6)]),
    "Conv2d/options": (
        (4, 6, (3, 2)),
        {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2, "bias": False},
        [_x(1, 4, 7, 6)],
    ),
    "Conv2d/circular": ((1, 2, 3), {"padding": 1, "padding_mode": "circular"}, [_x(1, 1, 4, 4)]),
    "Conv3d": ((1, 2, 2), {"padding": "valid"}, [_x(1, 1, 3, 4, 3)]),
    "ConvTranspose1d": ((2, 3, 3), {"stride": 2}, [_x(2, 2, 4)]),
    "ConvTranspose2d": (
        (2, 4, 3),
        {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
        [_x(1, 2, 3, 4)],
    ),
    "ConvTranspose3d": ((1, 2, 2), {"bias": False}, [_x(1, 1, 2, 3, 2)]),
    "MaxPool1d": ((2,), {}, [_x(1, 2, 7)]),
    "MaxPool2d": ((3, 2, 1), {"dilation": 1}, [_x(1, 2, 7, 6)]),
    "MaxPool2d/ceil": ((2,), {"ceil_mode": True}, [_x(2, 7, 5)]),
    "MaxPool3d": ((2,), {"return_indices": True}, [_x(1, 1, 4, 4, 4)]),
    "AvgPool1d": ((3,), {"stride": 2, "padding": 1}, [_x(1, 2, 7)]),
    "AvgPool2d": ((2,), {}, [_x(1, 2, 4, 6)]),
    "AvgPool2d/divisor": (((3, 2), 2), {"divisor_override": 3}, [_x(1, 2, 7, 6)]),
    "AvgPool3d": ((2,), {"padding": 1, "count_include_pad": False}, [_x(1, 1, 3, 4, 5)]),
    "LPPool1d": ((2, 3), {"stride": 2}, [_positive(1, 2, 7)]),
    "LPPool2d": ((2, 2), {}, [_positive(1, 2, 4, 4)]),
    "LPPool3d": ((2, 2), {}, [_positive(1, 1, 2, 4, 4)]),
    "AdaptiveAvgPool1d": ((3,), {}, [_x(1, 2, 7)]),
    "AdaptiveAvgPool2d": (((3, None),), {}, [_x(1, 2, 7, 5)]),
    "AdaptiveAvgPool3d": ((2,), {}, [_x(1, 1, 3, 4, 5)]),
    "AdaptiveMaxPool1d": ((3,), {}, [_x(1, 2, 7)]),
    "AdaptiveMaxPool2d": ((3,), {"return_indices": True}, [_x(1, 2, 7, 5)]),
    "AdaptiveMaxPool3d": ((2,), {}, [_x(1, 1, 3, 4, 5)]),
    "FractionalMaxPool2d": ((2,), {"output_size": 3}, [_x(1, 2, 7, 6)]),
    "FractionalMaxPool3d": ((2,), {"output_ratio": 0.6}, [_x(1, 1, 6, 7, 6)]),
    "BatchNorm1d": ((3,), {}, [_x(4, 3)]),
    "BatchNorm1d/sequence": ((3,), {"momentum": None, "affine": False}, [_x(4, 3, 5)]),
    "BatchNorm2d": ((3,), {}, [_x(2, 3, 4, 4)]),
    "BatchNorm2d/options": ((3, 1e-3, 0.3), {"track_running_stats": False}, [_x(2, 3, 4, 4)]),
    "BatchNorm3d": ((2,), {}, [_x(2, 2, 2, 3, 3)]),
    "SyncBatchNorm": ((3,), {}, [_x(2, 3, 4)]),
    "InstanceNorm1d": ((3,), {}, [_x(2, 3, 5)]),
    "InstanceNorm2d": ((3,), {"affine": True, "track_running_stats": True}, [_x(2, 3, 4, 4)]),
    "InstanceNorm3d": ((2,), {}, [_x(2, 2, 3, 3)]),
    "LayerNorm": ((4,), {}, [_x(2, 3, 4)]),
    "LayerNorm/options": (([3, 4], 1e-3), {"bias": False}, [_x(2, 3, 4)]),
    "LayerNorm/plain": ((4,), {"elementwise_affine": False}, [_x(2, 4)]),
    "GroupNorm": ((2, 4), {}, [_x(2, 4, 3)]),
    "RMSNorm": ((4,), {}, [_x(2, 3, 4)]),
    "LocalResponseNorm": ((3,), {"alpha": 0.5}, [_x(2, 5, 3)]),
    "CrossMapLRN2d": ((3,), {"alpha": 0.5}, [_x(1, 5, 2, 3)]),
    "ReflectionPad1d": ((2,), {}, [_x(1, 2, 5)]),
    "ReflectionPad2d": (((1, 2, 0, 1),), {}, [_x(1, 1, 3, 4)]),
    "ReflectionPad3d": ((1,), {}, [_x(1, 1, 3, 3, 3)]),
    "ReplicationPad1d": ((2,), {}, [_x(1, 2, 5)]),
    "ReplicationPad2d": ((1,), {}, [_x(1, 1, 3, 4)]),
    "ReplicationPad3d": ((1,), {}, [_x(1, 1, 2, 3, 2)]),
    "ConstantPad1d": ((2, 3.5), {}, [_x(1, 2, 5)]),
    "ConstantPad2d": (((1, 0, 2, 1), -1.0), {}, [_x(1, 1, 3, 4)]),
    "ConstantPad3d": ((1, 0.5), {}, [_x(1, 1, 2, 2, 2)]),
    "ZeroPad1d": ((2,), {}, [_x(1, 2, 5)]),
    "ZeroPad2d": ((1,), {}, [_x(1, 1, 3, 4)]),
    "ZeroPad3d": ((1,), {}, [_x(1, 1, 2, 2, 2)]),
    "CircularPad1d": ((2,), {}, [_x(1, 2, 5)]),
    "CircularPad2d": ((1,), {}, [_x(1, 1, 3, 4)]),
    "CircularPad3d": ((1,), {}, [_x(1, 1, 2, 2, 2)]),
    "Upsample": ((), {"scale_factor": 2}, [_x(1, 2, 3)]),
    "Upsample/bilinear": ((), {"size": (5, 7), "mode": "bilinear"}, [_x(1, 2, 3, 4)]),
    "UpsamplingNearest2d": ((), {"scale_factor": 2}, [_x(1, 2, 3, 4)]),
    "UpsamplingBilinear2d": (((5, 6),), {}, [_x(1, 2, 3, 4)]),
    "PixelShuffle": ((2,), {}, [_x(1, 8, 2, 3)]),
    "PixelUnshuffle": ((2,), {}, [_x(1, 2, 4, 6)]),
    "ChannelShuffle": ((2,), {}, [_x(1, 4, 2, 2)]),
    "Fold": (((4, 5), (2, 2)), {}, [_x(1, 12, 12)]),
    "Unfold": (((2, 3),), {"padding": 1}, [_x(2, 2, 3, 4)]),
    "CosineSimilarity": ((), {}, [_x(3, 4), _positive(3, 4)]),
    "PairwiseDistance": ((), {}, [_x(3, 4), _positive(3, 4)]),
    "Dropout": ((0.3,), {}, [_x(4, 6)]),
    "Dropout1d": ((), {}, [_x(4, 6, 2)]),
    "Dropout2d": ((), {}, [_x(4, 6, 2, 2)]),
    "Dropout3d": ((), {}, [_x(4, 6, 1, 2, 2)]),
    "AlphaDropout": ((0.2,), {}, [_x(4, 6)]),
    "FeatureAlphaDropout": ((0.2,), {}, [_x(4, 6, 2)]),
    "Embedding": ((10, 3), {}, [_ints(10, 2, 4)]),
    "Embedding/options": (
        (10, 3),
        {"padding_idx": -1, "norm_type": 1.0, "scale_grad_by_freq": True},
        [_ints(10, 2, 4)],
    ),
    "Embedding/max_norm": ((10, 3), {"max_norm": 1.0}, [_ints(10, 4)]),
    "EmbeddingBag": ((10, 3), {}, [_ints(10, 2, 4)]),
    "EmbeddingBag/sum": ((10, 3), {"mode": "sum", "padding_idx": 3}, [_ints(10, 2, 4)]),
    "EmbeddingBag/max": ((10, 3), {"mode": "max"}, [_ints(10, 2, 4)]),
    "RNN": ((3, 4, 2), {}, [_x(5, 2, 3)]),
    "RNN/relu": ((3, 4), {"nonlinearity": "relu", "bidirectional": True}, [_x(5, 2, 3)]),
    "LSTM": ((3, 4), {}, [_x(5, 2, 3)]),
    "LSTM/options": (
        (3, 4, 2),
        {"batch_first": True, "bidirectional": True, "bias": False},
        [_x(2, 5, 3)],
    ),
    "LSTM/projection": ((3, 4), {"proj_size": 2}, [_x(5, 2, 3)]),
    "GRU": ((3, 4), {}, [_x(5, 2, 3)]),
    "GRU/two": ((3, 4, 2), {"bidirectional": True}, [_x(5, 3)]),
    "RNNCell": ((3, 4), {}, [_x(2, 3), _x(2, 4)]),
    "RNNCell/relu": ((3, 4, False, "relu"), {}, [_x(3)]),
    "LSTMCell": ((3, 4), {}, [_x(2, 3)]),
    "GRUCell": ((3, 4), {}, [_x(2, 3), _x(2, 4)]),
    "MultiheadAttention": ((4, 2), {}, [_x(3, 2, 4), _x(5, 2, 4), _x(5, 2, 4)]),
    "MultiheadAttention/options": (
        (4, 2),
        {"bias": False, "add_bias_kv": True, "add_zero_attn": True, "kdim": 3, "vdim": 5,
         "batch_first": True},
        [_x(2, 3, 4), _x(2, 5, 3), _x(2, 5, 5)],
    ),
    "TransformerEncoderLayer": ((4, 2, 8, 0.0), {"batch_first": True}, [_x(2, 3, 4)]),
    "TransformerEncoderLayer/first": (
        (4, 2, 8, 0.0), {"norm_first": True, "activation": "gelu"}, [_x(3, 2, 4)]
    ),
    "TransformerDecoderLayer": ((4, 2, 8, 0.0), {}, [_x(3, 2, 4), _x(5, 2, 4)]),
    "Transformer": ((4, 2, 1, 2, 8, 0.0), {}, [_x(5, 2, 4), _x(3, 2, 4)]),
    "AdaptiveLogSoftmaxWithLoss": ((8, 20, [5, 10]), {"div_value": 2.0}, [_x(6, 8), _ints(20, 6)]),
    "L1Loss": ((), {}, [_x(3, 4), _positive(3, 4)]),
    "MSELoss": ((), {"reduction": "sum"}, [_x(3, 4), _positive(3, 4)]),
    "CrossEntropyLoss": ((), {}, [_x(3, 4), _ints(4, 3)]),
    "CrossEntropyLoss/smoothing": ((), {"label_smoothing": 0.1}, [_x(3, 4, 2), _ints(4, 3, 2)]),
    "NLLLoss": ((), {"ignore_index": 3}, [_x(3, 4), _ints(4, 3)]),
    "PoissonNLLLoss": ((), {"full": True}, [_x(3, 4), _positive(3, 4)]),
    "GaussianNLLLoss": ((), {}, [_x(3, 4), _x(3, 4), _positive(3, 4)]),
    "KLDivLoss": ((), {"reduction": "batchmean"}, [_x(3, 4), _probabilities(3, 4)]),
    "BCELoss": ((), {}, [_probabilities(3, 4), _probabilities(3, 4)]),
    "BCEWithLogitsLoss": ((), {}, [_x(3, 4), _probabilities(3, 4)]),
    "HingeEmbeddingLoss": ((), {"margin": 0.5}, [_x(3, 4), _signs(3, 4)]),
    "MultiLabelMarginLoss": ((), {}, [_x(2, 4), lambda t: t.tensor([[3, 0, -1, 1], [1, -1, 0, 0]])]),
    "SmoothL1Loss": ((), {"beta": 0.5}, [_x(3, 4), _positive(3, 4)]),
    "HuberLoss": ((), {"delta": 0.5}, [_x(3, 4), _positive(3, 4)]),
    "SoftMarginLoss": ((), {}, [_x(3, 4), _signs(3, 4)]),
    "MultiLabelSoftMarginLoss": ((), {}, [_x(3, 4), _probabilities(3, 4)]),
    "CosineEmbeddingLoss": ((), {"margin": 0.1}, [_x(3, 4), _positive(3, 4), _signs(3)]),
    "MarginRankingLoss": ((), {"margin": 0.1}, [_x(3), _positive(3), _signs(3)]),
    "MultiMarginLoss": ((), {"p": 2}, [_x(3, 4), _ints(4, 3)]),
    "TripletMarginLoss": ((), {"swap": True}, [_x(3, 4), _positive(3, 4), _probabilities(3, 4)]),
    "TripletMarginWithDistanceLoss": ((), {}, [_x(3, 4), _positive(3, 4), _probabilities(3, 4)]),
    "CTCLoss": (
        (), {},
        [lambda t: _x(6, 2, 5)(t).log_softmax(2), lambda t: 1 + _ints(4, 2, 3)(t),
         lambda t: t.tensor([6, 5]), lambda t: t.tensor([3, 2])],
    ),
    "LinearCrossEntropyLoss": ((4, 3), {}, [_x(5, 4), _ints(3, 5)]),
}  # fmt: skip


def _tensors(t, value):
    """The tensors in an output, in order."""
    if isinstance(value, t.Tensor):
        return [value]
    return [x for part in value for x in _tensors(t, part)]


def _numbers(tensor):
    return [round(float(v), 9) for v in tensor.detach().double().reshape(-1).tolist()]


def build(t, name):
    """The module of a case, with the initial values of seed 0."""
    arguments, options, inputs = MODULES[name]
    t.manual_seed(0)
    return getattr(t.nn, name.partition("/")[0])(*arguments, **options), inputs


def run(t, name):
    """Printed form, initial values, outputs, gradients and what came after a training step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, makers = build(t, name)
        found = {
            "repr": repr(module),
            "state": {k: list(v.shape) for k, v in module.state_dict().items()},
        }
        found["initial"] = {k: _numbers(v)[:40] for k, v in module.state_dict().items()}
        inputs = [make(t) for make in makers]
        trained = inputs[:1] if "Loss" in name else inputs
        leaves = [x.detach().requires_grad_() for x in trained if x.is_floating_point()]
        held = iter(leaves)
        trained = [next(held) if x.is_floating_point() else x for x in trained]
        inputs = trained + inputs[len(trained) :]
        given = [x * 1 if "inplace" in name and x.is_floating_point() else x for x in inputs]
        t.manual_seed(1)
        outputs = _tensors(t, module(*given))
        found["outputs"] = [[list(o.shape), _numbers(o)] for o in outputs]
        total = 0.0
        for o in outputs:
            if o.requires_grad:
                total = (
                    total + (o * t.arange(float(o.numel())).mul(0.37).cos().reshape(o.shape)).sum()
                )
        if not isinstance(total, float):
            total.backward()
        found["gradients"] = [None if x.grad is None else _numbers(x.grad) for x in leaves]
        found["weight_gradients"] = {
            k: None if p.grad is None else _numbers(p.grad)[:60]
            for k, p in module.named_parameters()
        }
        found["buffers"] = {k: _numbers(b) for k, b in module.named_buffers()}
        module.eval()
        with t.no_grad():
            outputs = _tensors(t, module(*[make(t) for make in makers]))
        found["evaluated"] = [_numbers(o) for o in outputs]
    return found
