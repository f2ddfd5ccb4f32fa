"""Normalisation over trailing dimensions and over groups of channels.

These, and that over the batch (ops/batch_norm.py), share one gradient. With x̂ = (x - m) r and h = g w, where m and r depend on x,

    gx = r (h - mean(h) - x̂ mean(h x̂)),   gw = sum(g x̂),   gb = sum(g).

It runs fused where the backward pass is not recorded: see Note [Fused backward] in ops/linear.py.
"""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import quiet
from rushlight.core.state import state
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._elementwise import kernel
from rushlight.ops._primitive import Primitive, apply
from rushlight.ops.elementwise import add, mul, sub
from rushlight.ops.linear import FUSED
from rushlight.ops.pointwise import rsqrt
from rushlight.ops.reduction import mean, sum
from rushlight.ops.shape import reshape

Array = np.ndarray
_layer = kernel("norm.layer_norm")
_layer_backward = kernel("norm.layer_norm_backward")
_layer_plain = kernel("norm.layer_norm_plain")
_layer_plain_backward = kernel("norm.layer_norm_plain_backward")
_rms = kernel("norm.rms_norm")
_rms_backward = kernel("norm.rms_norm_backward")
_rms_plain = kernel("norm.rms_norm_plain")
_rms_plain_backward = kernel("norm.rms_norm_plain_backward")
_group = kernel("group_norm.group_norm")
_group_backward = kernel("group_norm.group_norm_backward")


def wide(x: Any) -> Any:
    """``x`` in the precision that is computed in: float32 for half precision."""
    if x is not None and x.dtype.itemsize <= 2:
        return x.astype(np.float32)
    return x


def recorded(
    g: Tensor, input: Tensor, dims: tuple[int, ...], eps: float, center: bool = True
) -> tuple[Tensor, Tensor]:
    """The gradient of ``input`` for the gradient ``g`` of x̂, and x̂, in operations."""
    d = sub(input, mean(input, dims, True)) if center else input
    r = rsqrt(add(mean(mul(d, d), dims, True), eps))
    x = mul(d, r)
    part = sub(g, mul(x, mean(mul(g, x), dims, True)))
    if center:
        part = sub(part, mean(g, dims, True))
    return mul(r, part), x


def channels(x: Array) -> Array:
    """``x`` as (batch, channels, pixels)."""
    return x.reshape(x.shape[0], x.shape[1], -1) if x.size else x.reshape(*x.shape[:2], 0)


def along_channels(v: Tensor, ndim: int) -> Tensor:
    """A vector with one number for each channel, ready to meet tensors of ``ndim`` dimensions."""
    return reshape(v, (1, v._array.size) + (1,) * (ndim - 2))


# trailing dimensions --------------------------------------------------------------------------------


def _flat(x: Array, nd: int) -> Array:
    """``x`` as (rows, normalised elements)."""
    size = 1
    for n in x.shape[x.ndim - nd :]:
        size *= n
    return x.reshape(-1, size) if x.size else x.reshape(0, max(size, 1))


def _statistic(v: Array, x: Array, nd: int) -> Array:
    return v.reshape(*x.shape[: x.ndim - nd], *(1,) * nd)


@quiet
def _layer_norm(x: Array, weight: Any, bias: Any, nd: int, eps: float) -> Any:
    if not x.size:
        empty = np.zeros((*x.shape[: x.ndim - nd], *(1,) * nd), x.dtype)
        return x.copy(), empty, empty.copy()
    rows = _flat(wide(x), nd)
    if weight is None and bias is None:
        y, average, inverse = _layer_plain(rows, eps)
    else:
        n, to = rows.shape[1], rows.dtype
        w = np.ones(n, to) if weight is None else weight.reshape(-1).astype(to, copy=False)
        b = np.zeros(n, to) if bias is None else bias.reshape(-1).astype(to, copy=False)
        y, average, inverse = _layer(rows, w, b, eps)
    return (
        y.reshape(x.shape).astype(x.dtype, copy=False),
        _statistic(average, x, nd),
        _statistic(inverse, x, nd),
    )


@quiet
def _layer_norm_backward(
    g: Array, x: Array, weight: Any, average: Array, inverse: Array, nd: int, needs: Any
) -> Any:
    if not x.size:
        zeros = np.zeros(x.shape[x.ndim - nd :], x.dtype)
        return np.zeros_like(x), zeros if needs[1] else None, zeros if needs[2] else None
    rows, h = _flat(wide(x), nd), _flat(wide(g), nd)
    average, inverse = average.reshape(-1), inverse.reshape(-1)
    if weight is None and not needs[2]:
        gx = _layer_plain_backward(h, rows, average, inverse)
        return gx.reshape(x.shape).astype(x.dtype, copy=False), None, None
    n, to = rows.shape[1], rows.dtype
    w = np.ones(n, to) if weight is None else weight.reshape(-1).astype(to, copy=False)
    gx, gw, gb = _layer_backward(h, rows, w, average, inverse)[:3]
    shape = x.shape[x.ndim - nd :]
    of = x.dtype if weight is None else weight.dtype
    return (
        gx.reshape(x.shape).astype(x.dtype, copy=False) if needs[0] else None,
        gw.reshape(shape).astype(of, copy=False) if needs[1] else None,
        gb.reshape(shape).astype(of, copy=False) if needs[2] else None,
    )


LAYER_NORM_BACKWARD = Primitive(
    "native_layer_norm_backward",
    _layer_norm_backward,
    inputs=("g", "input", "weight", "average", "inverse"),
    params=("nd", "needs"),
    vjp=FUSED,
)


def _layer_norm_rule(
    g: Any, input: Tensor, weight: Any, out: Any, nd: int, eps: float, needs: Any
) -> Any:
    g = g[0]
    if not state.grad_enabled:
        return apply(LAYER_NORM_BACKWARD, (g, input, weight, out[1], out[2]), nd, needs)
    ndim = input._array.ndim
    dims, lead = tuple(range(ndim - nd, ndim)), tuple(range(ndim - nd))
    gx, x = recorded(g if weight is None else mul(g, weight), input, dims, eps)
    gw = (sum(mul(g, x), lead) if lead else mul(g, x)) if needs[1] else None
    gb = (sum(g, lead) if lead else g) if needs[2] else None
    return gx, gw, gb


LAYER_NORM = Primitive(
    "native_layer_norm",
    _layer_norm,
    inputs=("input", "weight", "bias"),
    params=("nd", "eps"),
    vjp=_layer_norm_rule,
    materialize=False,
    keep=(1, 2),
)


def _check_shape(
    input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, star: str
) -> int:
    """How many dimensions are normalised; RuntimeError if the shapes do not fit."""
    wanted = (
        tuple(normalized_shape) if not isinstance(normalized_shape, int) else (normalized_shape,)
    )
    x = input._array
    if not wanted:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    for name, v in (("weight", weight), ("bias", bias)):
        if v is not None and v._array.shape != wanted:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(v._array.shape)} and normalized_shape = {list(wanted)}"
            )
    if x.shape[max(x.ndim - len(wanted), 0) :] != wanted:
        raise RuntimeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape [*{star}"
            f"{', '.join(map(str, wanted))}], but got input of size{list(x.shape)}"
        )
    return len(wanted)


def native_layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`layer_norm`; also returns the means and reciprocal standard deviations."""
    nd = _check_shape(input, normalized_shape, weight, bias, ", ")
    if input._array.dtype.kind in "iubc":
        raise NotImplementedError(
            f"\"LayerNormKernelImpl\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    kind = input._array.dtype
    for v in (weight, bias):
        if v is not None and v._array.dtype != kind and kind.itemsize != 2:
            raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    y, average, inverse = apply(LAYER_NORM, (input, weight, bias), nd, float(eps))
    of = kind if weight is None else weight._array.dtype
    return y, *(wrap(t._array.astype(of, copy=False)) for t in (average, inverse))


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """Normalisation over the trailing dimensions of sizes ``normalized_shape``.

    Args:
        weight, bias: of shape ``normalized_shape``, or None.
        eps: keeps the root away from 0.

    Raises RuntimeError for shapes that do not fit.

    Examples::

        >>> torch.nn.functional.layer_norm(torch.tensor([[1., 3.]]), (2,))
        tensor([[-1.0000,  1.0000]])
    """
    return native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


@quiet
def _rms_norm(x: Array, weight: Any, nd: int, eps: float) -> Any:
    if not x.size:
        return x.copy(), np.zeros((*x.shape[: x.ndim - nd], *(1,) * nd), x.dtype)
    rows = _flat(wide(x), nd)
    if weight is None:
        y, inverse = _rms_plain(rows, eps)[:2]
    else:
        y, inverse = _rms(rows, weight.reshape(-1).astype(rows.dtype, copy=False), eps)[:2]
    return y.reshape(x.shape).astype(x.dtype, copy=False), _statistic(inverse, x, nd)


@quiet
def _rms_norm_backward(g: Array, x: Array, weight: Any, inverse: Array, nd: int, needs: Any) -> Any:
    if not x.size:
        zeros = np.zeros(x.shape[x.ndim - nd :], x.dtype)
        return np.zeros_like(x), zeros if needs[1] else None
    rows, h = _flat(wide(x), nd), _flat(wide(g), nd)
    if weight is None:
        gx, gw = _rms_plain_backward(h, rows, inverse.reshape(-1)), None
    else:
        w = weight.reshape(-1).astype(rows.dtype, copy=False)
        gx, gw = _rms_backward(h, rows, w, inverse.reshape(-1))[:2]
        gw = gw.reshape(weight.shape).astype(weight.dtype, copy=False)
    return gx.reshape(x.shape).astype(x.dtype, copy=False), gw if needs[1] else None


RMS_NORM_BACKWARD = Primitive(
    "rms_norm_backward",
    _rms_norm_backward,
    inputs=("g", "input", "weight", "inverse"),
    params=("nd", "needs"),
    vjp=FUSED,
)


def _rms_norm_rule(
    g: Any, input: Tensor, weight: Any, out: Any, nd: int, eps: float, needs: Any
) -> Any:
    g = g[0]
    if not state.grad_enabled:
        return apply(RMS_NORM_BACKWARD, (g, input, weight, out[1]), nd, needs)
    ndim = input._array.ndim
    dims, lead = tuple(range(ndim - nd, ndim)), tuple(range(ndim - nd))
    gx, x = recorded(g if weight is None else mul(g, weight), input, dims, eps, center=False)
    gw = (sum(mul(g, x), lead) if lead else mul(g, x)) if needs[1] else None
    return gx, gw


RMS_NORM = Primitive(
    "rms_norm",
    _rms_norm,
    inputs=("input", "weight"),
    params=("nd", "eps"),
    vjp=_rms_norm_rule,
    materialize=False,
    keep=(1,),
    node_name="MulBackward0",
)


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    r"""Division by the root of the mean square over the trailing dimensions.

    Args:
        eps: added to the mean square; by default the dtype's machine epsilon.
    """
    nd = _check_shape(input, normalized_shape, weight, None, "")
    if input._array.dtype.kind == "c":
        return _complex_rms(input, nd, weight, eps)
    if input._array.dtype.kind in "iub":
        raise NotImplementedError(
            f"rms_norm is not implemented for {SCALAR_TYPE_NAMES[input.dtype]}"
        )
    if eps is None:
        # half precision is computed in float32, and so is its epsilon
        eps = float(
            np.finfo(wide(input._array[:0] if input._array.ndim else input._array).dtype).eps
        )
    return apply(RMS_NORM, (input, weight), nd, float(eps))[0]  # type: ignore[no-any-return]


def _complex_rms(input: Tensor, nd: int, weight: Tensor | None, eps: float | None) -> Tensor:
    ndim = input._array.ndim
    if eps is None:
        eps = float(np.finfo(input._array.dtype).eps)
    square = mean(mul(input, input), tuple(range(ndim - nd, ndim)), True)
    result = mul(input, rsqrt(add(square, eps)))
    return result if weight is None else mul(result, weight)


# groups -------------------------------------------------------------------------------------------


@quiet
def _group_norm(x: Array, weight: Any, bias: Any, groups: int, eps: float) -> Any:
    if not x.size:
        return x.copy(), *(np.zeros((x.shape[0], groups), x.dtype) for _ in range(2))
    planes = channels(wide(x))
    count, to = x.shape[1], planes.dtype
    w = np.ones(count, to) if weight is None else weight.astype(to, copy=False)
    b = np.zeros(count, to) if bias is None else bias.astype(to, copy=False)
    y, average, inverse = _group(planes, w, b, groups, eps)
    return y.reshape(x.shape).astype(x.dtype, copy=False), average, inverse


@quiet
def _group_norm_backward(
    g: Array, x: Array, weight: Any, average: Array, inverse: Array, needs: Any
) -> Any:
    if not x.size:
        zeros = np.zeros(x.shape[1], x.dtype)
        return np.zeros_like(x), zeros if needs[1] else None, zeros if needs[2] else None
    planes = channels(wide(x))
    w = (
        np.ones(x.shape[1], planes.dtype)
        if weight is None
        else weight.astype(planes.dtype, copy=False)
    )
    gx, gw, gb = _group_backward(channels(wide(g)), planes, w, average, inverse)[:3]
    of = x.dtype if weight is None else weight.dtype
    return (
        gx.reshape(x.shape).astype(x.dtype, copy=False) if needs[0] else None,
        gw.astype(of, copy=False) if needs[1] else None,
        gb.astype(of, copy=False) if needs[2] else None,
    )


GROUP_NORM_BACKWARD = Primitive(
    "native_group_norm_backward",
    _group_norm_backward,
    inputs=("g", "input", "weight", "average", "inverse"),
    params=("needs",),
    vjp=FUSED,
)


def _group_norm_rule(
    g: Any, input: Tensor, weight: Any, out: Any, groups: int, eps: float, needs: Any
) -> Any:
    g = g[0]
    if not state.grad_enabled:
        return apply(GROUP_NORM_BACKWARD, (g, input, weight, out[1], out[2]), needs)
    shape = input._array.shape
    grouped = (shape[0], groups, int(np.prod(shape[1:])) // groups)
    h = g if weight is None else mul(g, along_channels(weight, len(shape)))
    gx, x = recorded(reshape(h, grouped), reshape(input, grouped), (2,), eps)
    dims = (0, *range(2, len(shape)))
    gw = sum(mul(g, reshape(x, shape)), dims) if needs[1] else None
    gb = sum(g, dims) if needs[2] else None
    return reshape(gx, shape), gw, gb


GROUP_NORM = Primitive(
    "native_group_norm",
    _group_norm,
    inputs=("input", "weight", "bias"),
    params=("groups", "eps"),
    vjp=_group_norm_rule,
    materialize=False,
    keep=(1, 2),
)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Normalisation of each sample over groups of its channels.

    Shape:
        - input: (N, C, *), C divisible by ``num_groups``; weight, bias: (C,)

    Raises RuntimeError for sizes that do not fit.
    """
    x = input._array
    if x.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {x.ndim}")
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if x.shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(x.shape)} and num_groups={num_groups}"
        )
    for name, v in (("weight", weight), ("bias", bias)):
        if v is not None and v._array.shape != (x.shape[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, "
                f"but got {name} of shape {list(v._array.shape)} and input of shape {list(x.shape)}"
            )
    if x.dtype.kind in "iubc":
        raise NotImplementedError(
            f"\"GroupNormKernelImpl\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    return apply(GROUP_NORM, (input, weight, bias), num_groups, float(eps))[0]  # type: ignore[no-any-return]
