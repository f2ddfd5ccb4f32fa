"""Normalisation over the batch, and of each sample on its own (instances)."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import quiet
from rushlight.core.state import state
from rushlight.core.tensor import Tensor, bump_version, wrap
from rushlight.ops._elementwise import kernel
from rushlight.ops._primitive import Primitive, apply
from rushlight.ops._promote import cast
from rushlight.ops.elementwise import mul, sub
from rushlight.ops.linear import FUSED
from rushlight.ops.normalization import along_channels, channels, recorded, wide
from rushlight.ops.reduction import sum
from rushlight.ops.shape import clone, reshape

Array = np.ndarray
_batch_train = kernel("batch_norm.batch_norm")
_batch_eval = kernel("batch_norm.batch_norm_eval")
_batch_backward = kernel("batch_norm.batch_norm_backward")


def _batch_norm(
    x: Array,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    if training and bias is None and weight is not None:
        bias = np.zeros_like(weight)
    if training and weight is not None and running_mean is not None and running_var is not None:
        plain = x.dtype
        if plain == weight.dtype == running_mean.dtype and plain.itemsize >= 4 and x.size:
            shape = x.shape  # the usual case, without conversions
            planes = x.reshape(shape[0], shape[1], -1)
            made = _batch_train.made or _batch_train
            found = made(planes, weight, bias, running_mean, running_var, momentum, eps)
            return found[0].reshape(shape), found[1], found[2]
    return _batch_norm_any(x, weight, bias, running_mean, running_var, training, momentum, eps)


@quiet
def _batch_norm_any(
    x: Array,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    kind = x.dtype
    planes = channels(wide(x))
    count, to = x.shape[1], planes.dtype
    w = np.ones(count, to) if weight is None else weight.astype(to, copy=False)
    b = np.zeros(count, to) if bias is None else bias.astype(to, copy=False)
    if training:
        tracked = [
            np.zeros(count, to) if r is None else r.astype(to, copy=False)
            for r in (running_mean, running_var)
        ]
        y, average, inverse = _batch_train(planes, w, b, *tracked, momentum, eps)
        for r, new in zip((running_mean, running_var), tracked):
            if r is not None and new is not r:
                r[...] = new
    else:
        average = running_mean.astype(to)
        inverse = 1 / np.sqrt(running_var.astype(to) + to.type(eps))
        y = _batch_eval(planes, w, b, average, inverse)
    return y.reshape(x.shape).astype(kind, copy=False), average, inverse


@quiet
def _batch_norm_backward(
    g: Array, x: Array, weight: Any, average: Array, inverse: Array, training: bool, needs: Any
) -> Any:
    kind, to = x.dtype, average.dtype
    w = np.ones(x.shape[1], to) if weight is None else weight.astype(to, copy=False)
    gx, gw, gb = _batch_backward(
        channels(wide(g)), channels(wide(x)), w, average, inverse, training
    )
    of = kind if weight is None else weight.dtype
    return (
        gx.reshape(x.shape).astype(kind, copy=False) if needs[0] else None,
        gw.astype(of, copy=False) if needs[1] else None,
        gb.astype(of, copy=False) if needs[2] else None,
    )


BATCH_NORM_BACKWARD = Primitive(
    "native_batch_norm_backward",
    _batch_norm_backward,
    inputs=("g", "input", "weight", "average", "inverse"),
    params=("training", "needs"),
    vjp=FUSED,
)


def _batch_norm_rule(
    g: Any, input: Tensor, weight: Any, out: Any, training: bool, eps: float, needs: Any
) -> Any:
    g = g[0]
    if not state.grad_enabled:
        found = apply(BATCH_NORM_BACKWARD, (g, input, weight, out[1], out[2]), training, needs)
        return (*found, None, None)
    ndim = input._array.ndim
    dims = (0, *range(2, ndim))
    h = g if weight is None else mul(g, along_channels(weight, ndim))
    if training:
        gx, x = recorded(h, input, dims, eps)
    else:
        average, inverse = wrap(out[1]._array), wrap(out[2]._array)  # constants here
        r = cast(along_channels(inverse, ndim), input.dtype)
        x = mul(sub(input, cast(along_channels(average, ndim), input.dtype)), r)
        gx = mul(h, r)
    of = None if weight is None else weight.dtype
    gw = cast(sum(mul(g, x), dims), of) if needs[1] and of is not None else None
    gb = sum(g, dims) if needs[2] else None
    return gx, gw, gb, None, None


BATCH_NORM = Primitive(
    "native_batch_norm",
    _batch_norm,
    inputs=("input", "weight", "bias", "running_mean", "running_var"),
    params=("training", "momentum", "eps"),
    vjp=_batch_norm_rule,
    materialize=False,
    keep=(1, 2),
)


def _check_batch(input: Tensor, **vectors: Tensor | None) -> None:
    x = input._array
    if x.ndim < 2:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-{max(x.ndim, 1)}, "
            f"{max(x.ndim, 1) - 1}], but got 1)"
        )
    if x.dtype.kind in "iubc":
        raise NotImplementedError(
            f"\"batch_norm\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    for name, v in vectors.items():
        if v is None:
            continue
        if v._array.size != x.shape[1]:
            raise RuntimeError(f"{name} should contain {x.shape[1]} elements not {v._array.size}")
        if v._array.dtype != x.dtype and not (
            x.dtype.itemsize == 2 and v._array.dtype == np.float32
        ):
            raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


def torch_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float | None,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """``torch.batch_norm``: :func:`batch_norm` with its arguments in another order."""
    return native_batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )[0]


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`batch_norm`; also returns the means and reciprocal standard deviations used."""
    if not input._array.size and input._array.ndim < 2:
        nothing = wrap(np.zeros(0, input._array.dtype))
        return clone(input), nothing, nothing
    _check_batch(
        input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    if not training and (running_mean is None or running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise RuntimeError(f"{missing} must be defined in evaluation mode")
    out = apply(
        BATCH_NORM,
        (input, weight, bias, running_mean, running_var),
        bool(training),
        0.0 if momentum is None else float(momentum),
        float(eps),
    )
    if training:
        for statistic in (running_mean, running_var):
            if statistic is not None:
                bump_version(statistic)
    else:
        empty = wrap(np.zeros(0, (input if weight is None else weight)._array.dtype))
        return out[0], empty, empty
    of = (input if weight is None else weight)._array.dtype
    return out[0], *(wrap(t._array.astype(of, copy=False)) for t in out[1:])


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    r"""Each channel normalised over the batch, :math:`(x - m) / \sqrt{v + \epsilon} \cdot w + b`.

    Args:
        running_mean, running_var: used for m and v unless ``training``; else updated in place.
        training: whether m and v are those of the batch.
        momentum: the weight of the batch in the update.
        eps: keeps the root away from 0.

    Shape:
        - input: (N, C, *); the vectors: (C,)

    Raises ValueError for one value per channel in training, RuntimeError for wrong sizes.
    """
    if training:
        shape = input._array.shape
        count = shape[0]
        for n in shape[2:]:
            count *= n
        if count == 1:
            raise ValueError(
                "Expected more than 1 value per channel when training, got input size "
                f"{input.shape}"
            )
    return native_batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )[0]


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample normalised on its own.

    Args: as for :func:`batch_norm`; ``use_input_stats`` is its ``training``.
    """
    shape = input._array.shape
    if use_input_stats:
        count = 1
        for n in shape[2:]:
            count *= n
        if count == 1:
            raise ValueError(
                f"Expected more than 1 spatial element when training, got input size {input.shape}"
            )
    elif running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")  # fmt: skip
    samples, per = shape[0], shape[1]
    flat = reshape(input, (1, samples * per, *shape[2:]))
    repeated = [
        None if v is None else reshape(_tile(v, samples), (samples * per,))
        for v in (weight, bias, running_mean, running_var)
    ]
    y = native_batch_norm(flat, *repeated, use_input_stats, momentum, eps)[0]
    if use_input_stats:
        for held, new in ((running_mean, repeated[2]), (running_var, repeated[3])):
            if held is not None and new is not None:
                held._array[...] = new._array.reshape(samples, per).mean(axis=0)
                bump_version(held)
    return reshape(y, shape)


def _tile(v: Tensor, samples: int) -> Tensor:
    """``samples`` copies of a vector."""
    return apply(TILE, (v,), samples)  # type: ignore[no-any-return]


TILE = Primitive(
    "repeat_rows",
    lambda v, samples: np.tile(v, (samples, 1)),
    params=("samples",),
    vjp={"input": lambda g: sum(g, 0)},
)


def torch_instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """``torch.instance_norm``: :func:`instance_norm` with its arguments in another order."""
    return instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )
