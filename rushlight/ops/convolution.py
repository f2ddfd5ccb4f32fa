"""Convolutions in one to three dimensions, and their transposes.

Note [Three bilinear maps]
The convolution, the gradient for its input (which is the transposed convolution) and the gradient
for its weight are linear in each of their two arguments, and the gradients of each are the other
two. Hence three primitives are closed under differentiation. The first backward pass computes both
gradients and the bias's with one fused primitive: see Note [Fused backward] in ops/linear.py.
"""

import warnings
from typing import Any

import numpy as np

from rushlight.base.dtypes import CPP_NAMES, SCALAR_TYPE_NAMES
from rushlight.core.state import state
from rushlight.core.tensor import Tensor
from rushlight.kernels import conv as kernels
from rushlight.ops._dispatch import write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply, apply2
from rushlight.ops._promote import type_name
from rushlight.ops.complex import conj
from rushlight.ops.linear import FUSED
from rushlight.ops.reduction import sum
from rushlight.ops.shape import narrow, permute, squeeze, unsqueeze

Array = np.ndarray
Geometry = tuple[Any, Any, Any, int]  # stride, padding, dilation, groups


def _backward(
    g: Array, x: Array, w: Array, geometry: Geometry, needs: tuple[bool, bool, bool]
) -> Any:
    return kernels.conv_backward(g, x, w, *geometry, *needs)


CONVOLUTION_BACKWARD = Primitive(
    "convolution_backward",
    _backward,
    inputs=("g", "input", "weight"),
    params=("geometry", "needs"),
    vjp=FUSED,
)


def _sum_over_channels(g: Tensor) -> Tensor:
    return sum(g, (0, *range(2, g._array.ndim)))


def _rule(
    g: Tensor, input: Tensor, weight: Tensor, geometry: Geometry, needs: tuple[bool, ...]
) -> Any:
    if not state.grad_enabled and g._array.dtype.kind != "c":
        return apply(CONVOLUTION_BACKWARD, (g, input, weight), geometry, needs)
    x, w = input._array, weight._array
    return (
        apply2(INPUT_GRADIENT, g, conj(weight), x.shape, geometry) if needs[0] else None,
        apply2(WEIGHT_GRADIENT, g, conj(input), w.shape, geometry) if needs[1] else None,
        _sum_over_channels(g) if needs[2] else None,
    )


CONVOLUTION = Primitive(
    "convolution",
    lambda x, w, b, geometry: kernels.conv_forward(x, w, b, *geometry),
    inputs=("input", "weight", "bias"),
    params=("geometry",),
    vjp=_rule,
)

# The gradient for the input: g (N, K, *out) and weight to (N, C, *size), the shape given.
INPUT_GRADIENT = Primitive(
    "convolution_input_gradient",
    lambda g, w, shape, geometry: kernels.conv_backward_input(g, w, shape, *geometry),
    inputs=("g", "weight"),
    params=("shape", "geometry"),
    vjp={
        "g": lambda h, weight, geometry: apply(CONVOLUTION, (h, conj(weight), None), geometry),
        "weight": lambda h, g, weight_shape, geometry: apply2(
            WEIGHT_GRADIENT, conj(g), h, weight_shape, geometry
        ),
    },
    node_name="ConvolutionBackward0",
)
WEIGHT_GRADIENT = Primitive(
    "convolution_weight_gradient",
    lambda g, x, shape, geometry: kernels.conv_backward_weight(g, x, shape, *geometry),
    inputs=("g", "input"),
    params=("shape", "geometry"),
    vjp={
        "g": lambda h, input, geometry: apply(CONVOLUTION, (conj(input), h, None), geometry),
        "input": lambda h, g, input_shape, geometry: apply2(
            INPUT_GRADIENT, conj(g), h, input_shape, geometry
        ),
    },
    node_name="ConvolutionBackward0",
)


def _per_dim(name: str, value: Any, nd: int) -> tuple[int, ...]:
    """``value`` as one int per dimension; RuntimeError if it is of another length."""
    if type(value) is int:
        return (value,) * nd
    if isinstance(value, (tuple, list)):
        if len(value) == nd:
            return tuple(value)
        if len(value) == 1:
            return (int(value[0]),) * nd
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {nd} values to match the "
            f"convolution dimensions, but got {name}={list(value)}"
        )
    if hasattr(value, "__index__"):
        return (value.__index__(),) * nd
    raise TypeError(f"convolution: argument '{name}' must be tuple of ints, not {type_name(value)}")


def _pair_padding(
    padding: str, stride: tuple[int, ...], dilation: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[Any, ...]:
    """The padding that a word stands for."""
    if padding == "valid":
        return (0,) * len(kernel)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel)]
    if any(t % 2 for t in totals):
        warnings.warn(
            "Using padding='same' with even kernel lengths and odd dilation may require a "
            "zero-padded copy of the input be created",
            stacklevel=5,
        )
    return tuple([t // 2 if t % 2 == 0 else (t // 2, t - t // 2) for t in totals])


def _check_numbers(geometry: Geometry) -> None:
    stride, padding, dilation, groups = geometry
    if any(isinstance(p, int) and p < 0 for p in padding):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")


def _check_kinds(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    kind = input._array.dtype
    if bias is not None and bias._array.dtype != kind:
        raise RuntimeError(
            f"Input type ({_cpp(input)}) and bias type ({_cpp(bias)}) should be the same"
        )
    if weight._array.dtype != kind:
        raise RuntimeError(
            f"expected scalar type {SCALAR_TYPE_NAMES[input.dtype]} but found "
            f"{SCALAR_TYPE_NAMES[weight.dtype]}"
        )
    if kind.kind == "b":
        raise NotImplementedError("\"slow_conv2d_cpu\" not implemented for 'Bool'")


def _cpp(t: Tensor) -> str:
    return CPP_NAMES.get(t.dtype, SCALAR_TYPE_NAMES[t.dtype])


def _check(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Raises PyTorch's errors for shapes that do not fit. Called before anything is computed."""
    _, padding, dilation, groups = geometry
    x, w = input._array.shape, weight._array.shape
    if w[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {list(w)} instead"
        )
    if w[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{list(w)}] instead"
        )
    if x[1] != w[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {list(w)}, expected input{list(x)} to have "
            f"{w[1] * groups} channels, but got {x[1]} channels instead"
        )
    if bias is not None and bias._array.shape != (w[0],):
        raise RuntimeError(
            f"Given weight of size {list(w)}, expected bias to be 1-dimensional with {w[0]} "
            f"elements, but got bias of size {list(bias._array.shape)} instead"
        )
    pairs = kernels.padding_pairs(padding)
    padded = [n + lo + hi for n, (lo, hi) in zip(x[2:], pairs)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w[2:])]
    if any(p < r for p, r in zip(padded, reach)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel "
            f"size: ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual "
            "input size"
        )


_checked: dict[Any, Geometry] = {}  # the geometry of calls that were found right


def _convolve(
    nd: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    try:
        x, w = input._array, weight._array
        b = None if bias is None else bias._array
    except AttributeError:
        raise _not_a_tensor(f"conv{nd}d", input, weight) from None
    try:
        key = (
            nd, x.shape, w.shape, x.dtype, w.dtype, b if b is None else (b.shape, b.dtype),
            stride, padding, dilation, groups,
        )  # fmt: skip
        geometry = _checked.get(key)
    except TypeError:  # a list among them
        key, geometry = None, None
    if geometry is None:
        geometry = _geometry(nd, input, weight, bias, stride, padding, dilation, groups)
        if key is not None and x.ndim == nd + 2:
            if len(_checked) > 4096:
                _checked.clear()
            _checked[key] = geometry
    if x.ndim == nd + 1:
        result = apply(CONVOLUTION, (unsqueeze(input, 0), weight, bias), geometry)
        return squeeze(result, 0)
    return apply(CONVOLUTION, (input, weight, bias), geometry)  # type: ignore[no-any-return]


def _not_a_tensor(name: str, input: Any, weight: Any) -> TypeError:
    for position, (argument, value) in enumerate((("input", input), ("weight", weight)), 1):
        if not isinstance(value, Tensor):
            return TypeError(
                f"{name}(): argument '{argument}' (position {position}) must be Tensor, not "
                f"{type_name(value)}"
            )
    return TypeError(f"{name}(): argument 'bias' (position 3) must be Tensor")


def _geometry(
    nd: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Geometry:
    """The arguments in their plain form, after all checks."""
    x, w = input._array, weight._array
    dims = w.ndim - 2
    if w.ndim == nd + 2 and x.ndim not in (nd + 1, nd + 2):
        raise RuntimeError(
            f"Expected {nd + 1}D (unbatched) or {nd + 2}D (batched) input to conv{nd}d, but got "
            f"input of size: {list(x.shape)}"
        )
    stride = (stride,) * nd if type(stride) is int else stride
    steps = _per_dim("stride", stride, dims)
    spread = _per_dim("dilation", dilation, dims)
    if isinstance(padding, str):
        around = _pair_padding(padding, steps, spread, w.shape[2:])
    else:
        around = _per_dim("padding", padding, dims)
    geometry = (steps, around, spread, groups)
    _check_kinds(input, weight, bias)
    _check_numbers(geometry)
    batched = input if x.ndim == nd + 2 else unsqueeze(input, 0)
    _check(batched, weight, bias, geometry)
    return geometry


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution (cross-correlation) over one dimension.

    Args: as for :func:`conv2d`.

    Shape:
        - input: (N, C, L) or (C, L); weight: (K, C / groups, kernel); bias: (K,)
        - result: (N, K, L') or (K, L')

    Examples::

        >>> torch.conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 2))
        tensor([[[2., 2., 2.]]])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution (cross-correlation) over two dimensions.

    Args:
        stride: the step of the window, one int or one for each dimension.
        padding: zeros on both sides, one int or one for each dimension; "valid" for none, "same"
            for as many as keep the size (only with stride 1).
        dilation: the distance between the taps of the kernel.
        groups: the number of groups of channels that are convolved separately.

    Shape:
        - input: (N, C, H, W) or (C, H, W); weight: (K, C / groups, kH, kW); bias: (K,)
        - result: (N, K, H', W') or (K, H', W')

    Raises RuntimeError if shapes or dtypes do not fit.

    Examples::

        >>> torch.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
        tensor([[[[4., 4.],
                  [4., 4.]]]])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution (cross-correlation) over three dimensions.

    Args: as for :func:`conv2d`.

    Shape:
        - input: (N, C, D, H, W) or (C, D, H, W); weight: (K, C / groups, kD, kH, kW); bias: (K,)
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


# transposed -------------------------------------------------------------------------------------


def _transposed_rule(
    g: Tensor, input: Tensor, weight: Tensor, geometry: Geometry, needs: tuple[bool, ...]
) -> Any:
    shape = weight._array.shape
    return (
        _cropped(apply(CONVOLUTION, (g, conj(weight), None), geometry), input)
        if needs[0]
        else None,
        apply2(WEIGHT_GRADIENT, conj(input), g, shape, geometry) if needs[1] else None,
        _sum_over_channels(g) if needs[2] else None,
    )


def _cropped(t: Tensor, like: Tensor) -> Tensor:
    """``t`` without what a wide output padding adds to it."""
    for dim, n in enumerate(like._array.shape):
        if t._array.shape[dim] != n:
            t = narrow(t, dim, 0, n)
    return t


def _transposed(x: Array, w: Array, bias: Array | None, shape: Any, geometry: Geometry) -> Array:
    kind = x.dtype
    if kind.itemsize <= 2 and kind.kind in "fV":  # rounded once, after the bias
        x, w = x.astype(np.float32), w.astype(np.float32)
    y: Array = kernels.conv_backward_input(x, w, shape, *geometry)
    if bias is not None:
        y += bias.reshape((-1,) + (1,) * (y.ndim - 2)).astype(y.dtype, copy=False)
    return y.astype(kind, copy=False)


TRANSPOSED = Primitive(
    "convolution_transposed",
    _transposed,
    inputs=("input", "weight", "bias"),
    params=("shape", "geometry"),
    vjp=_transposed_rule,
    node_name="ConvolutionBackward0",
)
_AXES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def _check_transposed(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, extra: Any
) -> None:
    stride, _, dilation, groups = geometry
    x, w = input._array.shape, weight._array.shape
    if x[1] != w[0]:
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(w)}, expected input{list(x)} to have "
            f"{w[0]} channels, but got {x[1]} channels instead"
        )
    if w[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{list(w)}] instead"
        )
    if bias is not None and bias._array.shape != (w[1] * groups,):
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(w)}, expected bias to be 1-dimensional with "
            f"{w[1] * groups} elements, but got bias of size {list(bias._array.shape)} instead"
        )
    if any(o < 0 for o in extra):
        raise RuntimeError("negative output_padding is not supported")
    if any(o >= s and o >= d for o, s, d in zip(extra, stride, dilation)):
        names = _AXES[len(extra)]
        parts = []
        for label, values in (
            ("output_padding", extra), ("stride", stride), ("dilation", dilation)
        ):  # fmt: skip
            parts += [f"{label}_{axis}: {v}" for axis, v in zip(names, values)]
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            + " ".join(parts)
        )


def _convolve_transposed(
    nd: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        raise _not_a_tensor(f"conv_transpose{nd}d", input, weight)
    x, w = input._array, weight._array
    if x.ndim not in (nd + 1, nd + 2):
        raise RuntimeError(
            f"Expected {nd + 1}D (unbatched) or {nd + 2}D (batched) input to conv_transpose{nd}d, "
            f"but got input of size: {list(x.shape)}"
        )
    if x.ndim == nd + 1:
        input = unsqueeze(input, 0)
        result = _convolve_transposed(
            nd, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
        return squeeze(result, 0)
    stride, padding = _per_dim("stride", stride, nd), _per_dim("padding", padding, nd)
    dilation = _per_dim("dilation", dilation, nd)
    extra = _per_dim("output_padding", output_padding, nd)
    geometry = (stride, padding, dilation, groups)
    _check_kinds(input, weight, bias)
    _check_numbers(geometry)
    _check_transposed(input, weight, bias, geometry, extra)
    size = [
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, s, p, d, k, o in zip(x.shape[2:], stride, padding, dilation, w.shape[2:], extra)
    ]
    if any(n < 1 for n in size):
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, x.shape[2:]))}). Calculated "
            f"output size per channel: ({' x '.join(map(str, size))}). Output size is too small"
        )
    shape = (x.shape[0], w.shape[1] * groups, *size)
    if any(o >= s for o, s in zip(extra, stride)):  # as many zeros as still reach the result
        more = [n for o, s in zip(reversed(extra), reversed(stride)) for n in (0, o // s)]
        input = late.constant_pad_nd(input, more, 0)
    return apply(TRANSPOSED, (input, weight, bias), shape, geometry)  # type: ignore[no-any-return]


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution over one dimension; see :func:`conv_transpose2d`."""
    return _convolve_transposed(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution over two dimensions: the gradient of a convolution, as an operation.

    Args:
        output_padding: rows and columns added at the end of the result, which several input sizes
            of the convolution share.
        others: as for :func:`conv2d`; ``padding`` is that of the convolution.

    Shape:
        - input: (N, C, H, W) or (C, H, W); weight: (C, K / groups, kH, kW); bias: (K,)
    """
    return _convolve_transposed(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution over three dimensions; see :func:`conv_transpose2d`."""
    return _convolve_transposed(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The general form of all convolutions."""
    nd = weight._array.ndim - 2
    if transposed:
        result = _convolve_transposed(
            nd, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    else:
        result = _convolve(
            nd, input, weight, bias, tuple(stride), tuple(padding), tuple(dilation), groups
        )
    return result if out is None else write_out(out, result)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolution of a sequence laid out as (time, batch, channels).

    Shape:
        - input: (T, N, C), weight: (kernel, C, K), bias: (K,), result: (T', N, K)
    """
    x, w = permute(input, 1, 2, 0), permute(weight, 2, 1, 0)
    return permute(conv1d(x, w, bias, padding=pad), 2, 0, 1)


TORCH = """
    conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution
"""
