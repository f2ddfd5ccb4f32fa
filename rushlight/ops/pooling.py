"""Pooling: maximum, average and power average over windows.

A window's maximum is a choice of elements, an average a linear map. So the gradient of the one is
to put values where the maxima were, and its own gradient to gather them again; the gradient of the
other is its adjoint.
"""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.tensor import Tensor
from rushlight.kernels import pool as kernels
from rushlight.ops._primitive import Primitive, apply, apply1, apply2
from rushlight.ops._promote import type_name
from rushlight.ops.activation import relu
from rushlight.ops.elementwise import abs, mul, pow
from rushlight.ops.pointwise import sign
from rushlight.ops.shape import squeeze, unsqueeze

Array = np.ndarray


def window_numbers(name: str, argument: str, value: Any, nd: int) -> tuple[int, ...]:
    """``value`` as one int per dimension; RuntimeError if it is of another length."""
    if type(value) is int:
        return (value,) * nd
    if isinstance(value, (tuple, list)):
        if len(value) == nd:
            return tuple([int(v) for v in value])
        if len(value) == 1:
            return (int(value[0]),) * nd
        word = {1: "a single int", 2: "two ints", 3: "three ints"}[nd]
        raise RuntimeError(f"{name}: {argument} must either be a single int, or a tuple of {word}")
    if hasattr(value, "__index__") and not isinstance(value, Tensor):
        return (value.__index__(),) * nd
    raise TypeError(
        f"{name}(): argument '{argument}' must be tuple of ints, not {type_name(value)}"
    )


# choices ----------------------------------------------------------------------------------------


def gather_plane_array(x: Array, index: Array, nd: int) -> Array:
    """The elements of each plane (the last ``nd`` dimensions) at flat positions."""
    lead = x.shape[: x.ndim - nd]
    plane = int(np.prod(x.shape[x.ndim - nd :]))
    picked = np.take_along_axis(
        x.reshape(*lead, plane), index.reshape(*lead, -1) if index.size else index.reshape(*lead, 0),
        axis=-1,
    )  # fmt: skip
    return picked.reshape(index.shape)


GATHER_PLANE = Primitive(
    "gather_plane",
    gather_plane_array,
    inputs=("input", "index"),
    params=("nd",),
    vjp={
        "input": lambda g, index, nd, input_shape: apply2(SCATTER_PLANE, g, index, input_shape, nd)
    },
)
SCATTER_PLANE = Primitive(
    "max_pool_backward",
    lambda g, index, shape, nd: kernels.max_pool_backward(g, index, shape, nd),
    inputs=("g", "index"),
    params=("shape", "nd"),
    vjp={"g": lambda h, index, nd: apply2(GATHER_PLANE, h, index, nd)},
)


def _choice_rule(g: Any, out: Any, input_shape: tuple[int, ...], nd: int) -> Any:
    """The gradient of a primitive that returns maxima and their positions."""
    return apply2(SCATTER_PLANE, g[0], out[1], input_shape, nd)


def _max_pool(x: Array, window: Any, nd: int) -> Any:
    return kernels.max_pool(x, *window)


def choice_primitive(name: str, eager: Any, node_name: str, params: tuple[str, ...]) -> Primitive:
    """A primitive that returns chosen elements and their flat positions in the plane."""
    return Primitive(
        name, eager, params=params, vjp={"input": _choice_rule}, materialize=False, keep=(1,),
        node_name=node_name,
    )  # fmt: skip


MAX_POOL = {
    nd: choice_primitive(
        f"max_pool{nd}d", _max_pool, f"MaxPool{nd}DWithIndicesBackward0", ("window", "nd")
    )
    for nd in (2, 3)
}
_windows: dict[Any, Any] = {}  # the windows of calls that were found right


def _size(shape: Any) -> str:
    return "x".join(map(str, shape))


def check_too_small(x: tuple[int, ...], nd: int, out: tuple[int, ...]) -> None:
    """RuntimeError unless every output size is at least 1."""
    if any(o < 1 for o in out):
        channels = x[-nd - 1]
        if nd == 1:
            raise RuntimeError(
                f"Given input size: ({channels}x1x{_size(x[-nd:])}). Calculated output size: "
                f"({channels}x1x{_size(out)}). Output size is too small"
            )
        raise RuntimeError(
            f"Given input size: ({channels}x{_size(x[-nd:])}). Calculated output size: "
            f"({channels}x{_size(out)}). Output size is too small"
        )


def _check_window(
    name: str,
    shape: tuple[int, ...],
    nd: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
) -> None:
    if any(k < 1 for k in kernel):
        raise RuntimeError("kernel size should be greater than zero, but got " + ", ".join(
            f"k{a}: {k}" for a, k in zip("DHW"[3 - nd:], kernel)))  # fmt: skip
    if any(s == 0 for s in stride):
        raise RuntimeError("stride should not be zero")
    if any(s < 0 for s in stride):
        raise RuntimeError("stride should be greater than zero, but got " + ", ".join(
            f"d{a}: {s}" for a, s in zip("DHW"[3 - nd:], stride)))  # fmt: skip
    if any(d < 1 for d in dilation):
        raise RuntimeError("dilation should be greater than zero, but got " + ", ".join(
            f"dilation{a}: {d}" for a, d in zip("DHW"[3 - nd:], dilation)))  # fmt: skip
    if any(p < 0 for p in padding):
        raise RuntimeError(f"pad must be non-negative, but got pad: {min(padding)}")
    for p, k, d in zip(padding, kernel, dilation):
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={d}"
            )


def _check_batch(shape: tuple[int, ...], nd: int) -> None:
    """RuntimeError unless the input has channels, planes and perhaps a batch, none of them empty."""
    if len(shape) not in (nd + 1, nd + 2):
        raise RuntimeError(
            f"non-empty {nd + 1}D or {nd + 2}D (batch mode) tensor expected for input"
        )
    if 0 in shape[len(shape) - nd - 1 :]:
        raise RuntimeError(
            f"Expected {nd + 1}D or {nd + 2}D (batch mode) tensor with optional 0 dim batch size "
            f"for input, but got:{list(shape)}"
        )


def _max_window(
    name: str, input: Tensor, nd: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> Any:  # fmt: skip
    """The arguments in their plain form, after all checks."""
    shape = input._array.shape
    kernel = window_numbers(name, "kernel_size", kernel_size, nd)
    if stride is None or (isinstance(stride, (list, tuple)) and not stride):
        stride = kernel
    steps = window_numbers(name, "stride", stride, nd)
    around = window_numbers(name, "padding", padding, nd)
    spread = window_numbers(name, "dilation", dilation, nd)
    _check_batch(shape, nd)
    _check_window(name, shape, nd, kernel, steps, around, spread)
    out = kernels.pool_output_size(shape[-nd:], kernel, steps, around, spread, ceil_mode)
    check_too_small(shape, nd, out)
    kind = input._array.dtype.kind
    if kind in "cb":
        raise NotImplementedError(
            f"\"max_pool{nd}d\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    return (kernel, steps, around, spread, bool(ceil_mode))


def _max_pool_nd(
    nd: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[Tensor, Tensor]:
    try:
        array = input._array
    except AttributeError:
        raise TypeError(
            f"max_pool{nd}d(): argument 'input' (position 1) must be Tensor, not {type_name(input)}"
        ) from None
    key = (nd, array.shape, array.dtype, kernel_size, stride, padding, dilation, ceil_mode)
    try:
        window = _windows.get(key)
    except TypeError:  # a list among them
        key, window = (), None
    if window is None:
        window = _max_window(
            f"max_pool{nd}d", input, nd, kernel_size, stride, padding, dilation, ceil_mode
        )
        if key:
            if len(_windows) > 4096:
                _windows.clear()
            _windows[key] = window
    return apply(MAX_POOL[nd], (input,), window, nd)  # type: ignore[no-any-return]


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """As :func:`max_pool2d`; also returns the positions of the maxima in the flattened plane."""
    return _max_pool_nd(2, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of the last two dimensions.

    Args:
        kernel_size: the size of the window, one int or one for each dimension.
        stride: the step of the window (default: its size).
        padding: minus infinity on both sides, at most half the window.
        dilation: the distance between the elements of a window.
        ceil_mode: let the last window reach over the edge.
        return_indices: also return the positions of the maxima in the flattened plane.

    Shape:
        - input: (N, C, H, W) or (C, H, W)

    Raises RuntimeError for windows or shapes that do not fit.

    Examples::

        >>> torch.nn.functional.max_pool2d(torch.tensor([[[1., 2.], [3., 4.]]]), 2)
        tensor([[[4.]]])
    """
    both = _max_pool_nd(2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return both if return_indices else both[0]


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """As :func:`max_pool3d`; also returns the positions of the maxima in the flattened volume."""
    return _max_pool_nd(3, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of the last three dimensions; see :func:`max_pool2d`."""
    both = _max_pool_nd(3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return both if return_indices else both[0]


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """As :func:`max_pool1d`; also returns the positions of the maxima."""
    shape = input._array.shape
    if len(shape) not in (2, 3):
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(shape)}"
        )
    kernel = window_numbers("max_pool1d", "kernel_size", kernel_size, 1)
    if stride is None or (isinstance(stride, (list, tuple)) and not stride):
        stride = kernel
    steps = window_numbers("max_pool1d", "stride", stride, 1)
    around = window_numbers("max_pool1d", "padding", padding, 1)
    spread = window_numbers("max_pool1d", "dilation", dilation, 1)
    for name, value in (("kernel_size", kernel[0]), ("stride", steps[0]), ("dilation", spread[0])):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {value}")
    if around[0] < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {around[0]}")
    if around[0] > ((kernel[0] - 1) * spread[0] + 1) // 2:
        raise RuntimeError(
            "max_pool1d() padding should be at most half of kernel size, but got "
            f"padding={around[0]} and kernel_size={kernel[0]}"
        )
    out = kernels.pool_output_size(shape[-1:], kernel, steps, around, spread, ceil_mode)
    if out[0] <= 0:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {out[0]}")
    y, index = _max_pool_nd(
        2,
        unsqueeze(input, -2),
        (1, *kernel),
        (1, *steps),
        (0, *around),
        (1, *spread),
        ceil_mode,
    )
    return squeeze(y, -2), squeeze(index, -2)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of the last dimension; see :func:`max_pool2d`."""
    both = max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return both if return_indices else both[0]


# averages ---------------------------------------------------------------------------------------


def _avg_primitive(nd: int) -> Primitive:
    adjoint = Primitive(
        f"avg_pool{nd}d_backward",
        lambda g, shape, window: kernels.avg_pool_backward(
            g, shape, *window[:3], window[4], window[5]
        ),
        params=("shape", "window"),
        vjp={"input": lambda h, window: apply1(primitive, h, window)},
    )
    primitive = Primitive(
        f"avg_pool{nd}d",
        lambda x, window: kernels.avg_pool(x, *window),
        params=("window",),
        vjp={"input": lambda g, input_shape, window: apply1(adjoint, g, input_shape, window)},
        node_name=f"AvgPool{nd}DBackward0",
    )
    return primitive


AVG_POOL = {2: _avg_primitive(2), 3: _avg_primitive(3)}


def _avg_pool_nd(
    nd: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    name = f"avg_pool{nd}d"
    shape = input._array.shape
    kernel = window_numbers(name, "kernel_size", kernel_size, nd)
    if stride is None or (isinstance(stride, (list, tuple)) and not stride):
        stride = kernel
    steps = window_numbers(name, "stride", stride, nd)
    around = window_numbers(name, "padding", padding, nd)
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    if len(shape) < nd + 1:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-len(shape)}, "
            f"{len(shape) - 1}], but got {-nd - 1})"
        )
    _check_batch(shape, nd)
    _check_window(name, shape, nd, kernel, steps, around, (1,) * nd)
    out = kernels.pool_output_size(shape[-nd:], kernel, steps, around, (1,) * nd, ceil_mode)
    check_too_small(shape, nd, out)
    if input._array.dtype.kind in "cb" or input._array.dtype in _NO_AVERAGE:
        raise NotImplementedError(
            f"\"avg_pool{nd}d_out_frame\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    window = (kernel, steps, around, bool(ceil_mode), bool(count_include_pad), divisor_override)
    return apply1(AVG_POOL[nd], input, window)


_NO_AVERAGE = {np.dtype(k) for k in ("uint8", "int8", "int16", "int32")}


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of the last dimension; see :func:`avg_pool2d`."""
    ndim = input._array.ndim
    if ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {ndim}-dimensional tensor for argument #1 "
            "'self' (while checking arguments for avg_pool1d)"
        )
    kernel = window_numbers("avg_pool1d", "kernel_size", kernel_size, 1)
    if stride is None or (isinstance(stride, (list, tuple)) and not stride):
        stride = kernel
    return squeeze(
        _avg_pool_nd(
            2,
            unsqueeze(input, -2),
            (1, *kernel),
            (1, *window_numbers("avg_pool1d", "stride", stride, 1)),
            (0, *window_numbers("avg_pool1d", "padding", padding, 1)),
            ceil_mode,
            count_include_pad,
            None,
        ),
        -2,
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of the last two dimensions.

    Args:
        kernel_size, stride, padding, ceil_mode: as for :func:`max_pool2d`, with zeros around.
        count_include_pad: whether the padding counts in the divisor.
        divisor_override: what the sum is divided by, instead of the size of the window.

    Examples::

        >>> torch.nn.functional.avg_pool2d(torch.tensor([[[1., 2.], [3., 4.]]]), 2)
        tensor([[[2.5000]]])
    """
    return _avg_pool_nd(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of the last three dimensions; see :func:`avg_pool2d`."""
    return _avg_pool_nd(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# power averages -----------------------------------------------------------------------------------


def _lp_pool(
    nd: int, input: Tensor, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    pool = (avg_pool1d, avg_pool2d, avg_pool3d)[nd - 1]
    kernel = window_numbers(f"lp_pool{nd}d", "kernel_size", kernel_size, nd)
    count = 1
    for k in kernel:
        count *= k
    step = kernel if stride is None else stride
    mean = pool(pow(input, norm_type), kernel, step, 0, ceil_mode)
    return pow(mul(mul(sign(mean), relu(abs(mean))), count), 1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    r"""The power average :math:`(\sum x^p)^{1/p}` of each window of the last dimension."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    r"""The power average :math:`(\sum x^p)^{1/p}` of each window of the last two dimensions."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    r"""The power average :math:`(\sum x^p)^{1/p}` of each window of the last three dimensions."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
