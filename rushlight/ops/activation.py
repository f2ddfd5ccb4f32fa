"""Activation functions.

Note [Slopes]
Each smooth function comes with its derivative twice: as a NumPy kernel (``backward``), which the
first backward pass runs, and as a formula in operations (``slope``), which is taken where the
backward pass is recorded. Where the derivative is constant in pieces, the second is not needed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.autograd.node import edge_of
from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import numeric
from rushlight.core.state import state
from rushlight.core.tensor import Tensor, bump_version, wrap
from rushlight.ops._dispatch import check_writable
from rushlight.ops._dispatch import inplace as in_place
from rushlight.ops._elementwise import kernel
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply1, apply2, attach
from rushlight.ops._promote import type_name
from rushlight.ops.elementwise import add, mul, sub
from rushlight.ops.pointwise import exp, sigmoid, tanh

Array = np.ndarray
_gelu_kernel = kernel("activation.gelu")
_gelu_backward_kernel = kernel("activation.gelu_backward")
_gelu_tanh_kernel = kernel("activation.gelu_tanh")
_gelu_tanh_backward_kernel = kernel("activation.gelu_tanh_backward")
_leaky_relu_kernel = kernel("activation.leaky_relu")
_leaky_relu_backward_kernel = kernel("activation.leaky_relu_backward")
_relu_out_kernel = kernel("activation.relu_out")
_silu_kernel = kernel("activation.silu")
_silu_backward_kernel = kernel("activation.silu_backward")
_softplus_kernel = kernel("activation.softplus")


def check_floating(kernel: str, input: Tensor, complex_too: bool = False) -> None:
    """NotImplementedError for integers, in the words of PyTorch's kernel called ``kernel``."""
    kind = input._array.dtype.kind
    if kind in "iub" or (kind == "c" and not complex_too):
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )


def _declare(
    name: str,
    eager: Callable[..., Any],
    backward: Callable[..., Any],
    slope: Callable[..., Tensor] | None = None,
    node_name: str | None = None,
) -> Callable[..., Tensor]:
    """A function of one tensor and settings, from ``eager(x, *s)`` and ``backward(g, x, *s)``."""
    wide, wide_backward = numeric(eager), numeric(backward)
    derivative = Primitive(
        f"{name}_backward",
        lambda g, x, settings: wide_backward(g, x, *settings),
        inputs=("g", "input"),
        params=("settings",),
        vjp={"g": lambda g, input, settings: apply2(derivative, g, input, settings)},
    )

    def rule(g: Tensor, input: Tensor, settings: Any) -> Tensor:
        if slope is not None and state.grad_enabled:
            return mul(g, slope(input, *settings))
        return apply2(derivative, g, input, settings)

    primitive = Primitive(
        name,
        lambda x, settings: wide(x, *settings),
        params=("settings",),
        vjp={"input": rule},
        node_name=node_name,
    )

    def call(input: Tensor, *settings: Any) -> Tensor:
        return apply1(primitive, input, settings)

    return call


def _where(input: Tensor, condition: Array) -> Tensor:
    """1 where the condition holds and 0 elsewhere, in the dtype of ``input``."""
    return wrap(np.asarray(condition).astype(input._array.dtype))


# relu -----------------------------------------------------------------------------------------

RELU_BACKWARD = Primitive(
    "relu_backward",
    kernel("activation.relu_backward"),
    inputs=("g", "out_"),
    vjp={"g": lambda g, out_: apply2(RELU_BACKWARD, g, out_)},
    node_name="ThresholdBackwardBackward0",
)
RELU = Primitive(
    "relu",
    kernel("activation.relu"),
    vjp={"input": lambda g, out: apply2(RELU_BACKWARD, g, out)},
)


for _primitive in (RELU, RELU_BACKWARD):
    _primitive.eager.primitive = _primitive  # type: ignore[attr-defined]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    r"""Rectified linear unit, :math:`\max(0, x)`.

    Args:
        inplace: write the result into ``input``.

    Examples::

        >>> torch.relu(torch.tensor([-1., 2.]))
        tensor([0., 2.])
    """
    try:
        kind = input._array.dtype.kind
    except AttributeError:
        raise TypeError(
            f"relu(): argument 'input' (position 1) must be Tensor, not {type_name(input)}"
        ) from None
    if kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
    if kind == "c":
        raise NotImplementedError("clamp is not supported for complex types")
    if inplace:
        return relu_(input)
    return apply1(RELU, input)


def relu_(input: Tensor) -> Tensor:
    """In-place version of :func:`relu`."""
    array = input._array
    meta = input._meta
    kind = array.dtype.kind
    if kind in "bc" or (meta is not None and meta.view is not None) or not array.flags.c_contiguous:
        return in_place(relu, input, (), {})
    if input._edge is None or not state.grad_enabled:
        _relu_out_kernel(array, array)
        bump_version(input)
        return input
    check_writable(input)
    old = wrap(array)
    old._edge, old._index = edge_of(input), 0
    if type(old._edge) is tuple:
        old._edge, old._index = old._edge
    _relu_out_kernel(array, array)
    bump_version(input)
    input._index = 0
    attach(RELU, (old,), (), input)
    return input


# constant slopes in pieces ----------------------------------------------------------------------

_leaky_relu = _declare(
    "leaky_relu",
    lambda x, slope: _leaky_relu_kernel(x, slope),
    lambda g, x, slope: _leaky_relu_backward_kernel(g, x, slope),
)
_hardtanh = _declare(
    "hardtanh",
    lambda x, low, high: np.clip(x, x.dtype.type(low), x.dtype.type(high)),
    lambda g, x, low, high: np.where((x > low) & (x < high), g, g.dtype.type(0)),
)
_hardshrink = _declare(
    "hardshrink",
    lambda x, edge: np.where((x >= -edge) & (x <= edge), x.dtype.type(0), x),
    lambda g, x, edge: np.where((x >= -edge) & (x <= edge), g.dtype.type(0), g),
)
_softshrink = _declare(
    "softshrink",
    lambda x, edge: np.where(
        x > edge, x - x.dtype.type(edge), np.where(x < -edge, x + x.dtype.type(edge), x * 0)
    ),
    lambda g, x, edge: np.where((x >= -edge) & (x <= edge), g.dtype.type(0), g),
)
_threshold = _declare(
    "threshold",
    lambda x, edge, value: np.where(x <= edge, x.dtype.type(value), x),
    lambda g, x, edge, value: np.where(x <= edge, g.dtype.type(0), g),
)
_hardsigmoid = _declare(
    "hardsigmoid",
    lambda x: np.minimum(np.maximum(x + x.dtype.type(3), 0), 6) / x.dtype.type(6),
    lambda g, x: np.where((x > -3) & (x < 3), g / g.dtype.type(6), g.dtype.type(0)),
)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x`` where positive, else ``negative_slope * x``.

    Examples::

        >>> torch.nn.functional.leaky_relu(torch.tensor([-1., 2.]), 0.1)
        tensor([-0.1000,  2.0000])
    """
    check_floating("leaky_relu_cpu", input)
    if inplace:
        return in_place(leaky_relu, input, (negative_slope,), {})
    return _leaky_relu(input, negative_slope)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Elements limited to [min_val, max_val]; ValueError if ``min_val > max_val``.

    Examples::

        >>> torch.nn.functional.hardtanh(torch.tensor([-2., 0.5]))
        tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input._array.dtype.kind == "b":
        raise NotImplementedError("Bool inputs not supported for hardtanh")
    if inplace:
        return in_place(hardtanh, input, (min_val, max_val), {})
    return _hardtanh(input, min_val, max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    r"""Rectified linear unit with a ceiling, :math:`\min(\max(0, x), 6)`."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Elements in [-lambd, lambd] become 0."""
    check_floating("hardshrink_cpu", input)
    return _hardshrink(input, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Elements moved towards 0 by ``lambd``, those in [-lambd, lambd] to 0.

    Raises RuntimeError for a negative ``lambd``.
    """
    check_floating("softshrink_cpu", input)
    if lambd < 0:
        raise RuntimeError(
            "lambda must be in range [0, 3.40282e+38] for input dtype "
            f"{SCALAR_TYPE_NAMES[input.dtype]}, but found {lambd}"
        )
    return _softshrink(input, lambd)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where greater than ``threshold``, else ``value``."""
    if input._array.dtype.kind in "bc":
        check_floating("threshold_cpu", input)
    if inplace:
        return threshold_(input, threshold, value)
    return _threshold(input, threshold, value)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place version of :func:`threshold`."""
    return in_place(_threshold, input, (threshold, value), {})


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    r"""Piecewise linear sigmoid, :math:`\min(\max(x + 3, 0), 6) / 6`."""
    check_floating("hardsigmoid_cpu", input)
    return in_place(_hardsigmoid, input, (), {}) if inplace else _hardsigmoid(input)


# smooth -----------------------------------------------------------------------------------------


def _elu_eager(x: Array, alpha: float, scale: float, inner: float) -> Array:
    kind = x.dtype.type
    low = np.expm1(np.minimum(x, 0) * kind(inner)) * kind(alpha * scale)
    return np.where(x > 0, x * kind(scale), low)


def _elu_backward(g: Array, x: Array, alpha: float, scale: float, inner: float) -> Array:
    kind = x.dtype.type
    low = np.exp(np.minimum(x, 0) * kind(inner)) * kind(alpha * scale * inner)
    return g * np.where(x > 0, kind(scale), low)


def _elu_slope(input: Tensor, alpha: float, scale: float, inner: float) -> Tensor:
    low = _where(input, ~(input._array > 0))
    bend = mul(exp(mul(mul(input, low), inner)), alpha * scale * inner)
    return add(mul(low, bend), mul(sub(1, low), scale))


_elu = _declare("elu", _elu_eager, _elu_backward, _elu_slope)
_celu = _declare("celu", _elu_eager, _elu_backward, _elu_slope)
_silu = _declare(
    "silu",
    lambda x: _silu_kernel(x),
    lambda g, x: _silu_backward_kernel(g, x),
    lambda x: mul(sigmoid(x), add(mul(x, sub(1, sigmoid(x))), 1)),
)


def _gelu_slope(input: Tensor, approximate: str) -> Tensor:
    if approximate == "tanh":
        beta, kappa = (2 / np.pi) ** 0.5, 0.044715
        square = mul(input, input)
        t = tanh(mul(add(input, mul(mul(square, input), kappa)), beta))
        bend = mul(mul(sub(1, mul(t, t)), add(mul(square, 3 * kappa), 1)), beta)
        return add(mul(add(t, 1), 0.5), mul(mul(input, bend), 0.5))
    cdf = mul(add(late.erf(mul(input, 0.5**0.5)), 1), 0.5)
    pdf = mul(exp(mul(mul(input, input), -0.5)), (2 * np.pi) ** -0.5)
    return add(cdf, mul(input, pdf))


_gelu = _declare(
    "gelu",
    lambda x, approximate: _gelu_kernel(x) if approximate == "none" else _gelu_tanh_kernel(x),
    lambda g, x, approximate: (
        _gelu_backward_kernel(g, x) if approximate == "none" else _gelu_tanh_backward_kernel(g, x)
    ),
    _gelu_slope,
)


def _softplus_eager(x: Array, beta: float, threshold: float) -> Array:
    if beta == 1 and threshold == 20:
        return _softplus_kernel(x)  # type: ignore[no-any-return]
    kind = x.dtype.type
    scaled = x * kind(beta)
    return np.where(
        scaled > threshold, x, np.log1p(np.exp(np.minimum(scaled, threshold))) / kind(beta)
    )


def _softplus_backward(g: Array, x: Array, beta: float, threshold: float) -> Array:
    scaled = x * x.dtype.type(beta)
    e = np.exp(-np.abs(scaled))
    return g * np.where(scaled > threshold, 1, np.where(scaled >= 0, 1, e) / (1 + e)).astype(
        g.dtype
    )


def _softplus_slope(input: Tensor, beta: float, threshold: float) -> Tensor:
    bent = _where(input, ~(input._array * beta > threshold))
    return add(mul(sigmoid(mul(mul(input, bent), beta)), bent), sub(1, bent))


_softplus = _declare("softplus", _softplus_eager, _softplus_backward, _softplus_slope)


def _mish_eager(x: Array) -> Array:
    return np.asarray(x * np.tanh(np.logaddexp(x, x.dtype.type(0))))


def _mish_backward(g: Array, x: Array) -> Array:
    t = np.tanh(np.logaddexp(x, x.dtype.type(0)))
    e = np.exp(-np.abs(x))
    s = np.where(x >= 0, 1, e) / (1 + e)
    return np.asarray(g * (t + x * (1 - t * t) * s))


def _mish_slope(input: Tensor) -> Tensor:
    t = tanh(softplus(input))
    return add(t, mul(mul(input, sub(1, mul(t, t))), sigmoid(input)))


_mish = _declare("mish", _mish_eager, _mish_backward, _mish_slope)


def _logsigmoid_backward(g: Array, x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.asarray(g * (np.where(x >= 0, e, 1) / (1 + e)))


_logsigmoid = _declare(
    "log_sigmoid",
    lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
    _logsigmoid_backward,
    lambda x: sigmoid(mul(x, -1)),
)


def _hardswish_slope(input: Tensor) -> Tensor:
    middle = _where(input, (input._array > -3) & (input._array < 3))
    high = _where(input, input._array >= 3)
    return add(mul(middle, add(mul(input, 1 / 3), 0.5)), high)


def _hardswish_backward(g: Array, x: Array) -> Array:
    third, half = x.dtype.type(1 / 3), x.dtype.type(0.5)
    return np.where(x <= -3, 0, np.where(x < 3, g * (x * third + half), g)).astype(g.dtype)


_hardswish = _declare(
    "hardswish",
    lambda x: x * np.minimum(np.maximum(x + x.dtype.type(3), 0), 6) / x.dtype.type(6),
    _hardswish_backward,
    _hardswish_slope,
)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    r"""Exponential linear unit: ``x`` where positive, else :math:`\alpha (e^x - 1)`.

    Examples::

        >>> torch.nn.functional.elu(torch.tensor([-1., 2.]))
        tensor([-0.6321,  2.0000])
    """
    check_floating("elu_cpu", input)
    if inplace:
        return in_place(_elu, input, (alpha, 1.0, 1.0), {})
    return _elu(input, alpha, 1.0, 1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    r"""Continuously differentiable ELU: ``x`` where positive, else :math:`\alpha (e^{x/\alpha} - 1)`."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    check_floating("elu_cpu", input)
    if inplace:
        return in_place(_celu, input, (alpha, 1.0, 1.0 / alpha), {})
    return _celu(input, alpha, 1.0, 1.0 / alpha)


_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Scaled ELU, with the two constants of Klambauer et al. (2017) that keep mean and variance."""
    check_floating("elu_cpu", input)
    if inplace:
        return in_place(_elu, input, (*_SELU, 1.0), {})
    return _elu(input, *_SELU, 1.0)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    r"""Sigmoid linear unit, :math:`x \, \sigma(x)`.

    Examples::

        >>> torch.nn.functional.silu(torch.tensor([0., 1.]))
        tensor([0.0000, 0.7311])
    """
    check_floating("silu_cpu", input, complex_too=True)
    if input._array.dtype.kind == "c":
        return mul(input, sigmoid(input))
    return in_place(_silu, input, (), {}) if inplace else _silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    r"""Mish, :math:`x \tanh(\mathrm{softplus}(x))`."""
    check_floating("mish_cpu", input)
    return in_place(_mish, input, (), {}) if inplace else _mish(input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    r"""Gaussian error linear unit, :math:`x \, \Phi(x)`.

    Args:
        approximate: "none" for the exact function, "tanh" for the approximation by tanh.

    Examples::

        >>> torch.nn.functional.gelu(torch.tensor([-1., 1.]))
        tensor([-0.1587,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    check_floating("GeluKernelImpl", input)
    return _gelu(input, approximate)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    r"""Smooth relu, :math:`\log(1 + e^{\beta x}) / \beta`; ``x`` where ``beta * x > threshold``."""
    check_floating("softplus_cpu", input)
    return _softplus(input, beta, threshold)


def logsigmoid(input: Tensor) -> Tensor:
    r"""Logarithm of the sigmoid, :math:`-\log(1 + e^{-x})`."""
    check_floating("log_sigmoid_cpu", input)
    return _logsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * hardsigmoid(x)``."""
    check_floating("hardswish_cpu", input)
    return in_place(_hardswish, input, (), {}) if inplace else _hardswish(input)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return sub(input, tanh(input))


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return late.div(input, add(late.abs(input), 1))


# in place -------------------------------------------------------------------------------------


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place version of :func:`celu`."""
    return celu(input, alpha, inplace=True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place version of :func:`elu`."""
    return elu(input, alpha, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place version of :func:`hardtanh`."""
    return hardtanh(input, min_val, max_val, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place version of :func:`leaky_relu`."""
    return leaky_relu(input, negative_slope, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """In-place version of :func:`selu`."""
    return selu(input, inplace=True)


BOTH = """
    hardshrink relu relu_
"""
TORCH = """
    celu celu_ selu selu_ threshold threshold_
"""
