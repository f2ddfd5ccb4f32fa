"""Activations and the gradients of element-wise functions, one pass each.

``name_backward(grad_output, saved...)`` takes what PyTorch saves: the output for relu, sigmoid,
tanh and sqrt, the input for the others. Every kernel has a twin ``name_out`` that writes into its
last argument.
"""

from functools import partial
from math import pi
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Expr, select

from ._native import twins
from .elementwise import reference_normal_cdf, reference_sigmoid

_twins = partial(twins, __name__)
_BETA: float = (2.0 / pi) ** 0.5
_KAPPA = 0.044715


def _zero(x: Expr) -> Expr:
    return ir.const(0.0, x.dtype)


# relu -----------------------------------------------------------------------------------------

relu, relu_out = _twins("relu", ["x"], lambda x: ir.maximum(x, 0.0), lambda x: np.maximum(x, 0))
relu_backward, relu_backward_out = _twins(
    "relu_backward",
    ["g", "y"],
    lambda g, y: select(y <= 0.0, _zero(g), g),
    lambda g, y: np.where(y <= 0, np.zeros((), g.dtype), g),
)
leaky_relu, leaky_relu_out = _twins(
    "leaky_relu",
    ["x"],
    lambda x, slope: select(x > 0.0, x, x * slope),
    lambda x, slope: np.where(x > 0, x, x * np.asarray(slope, x.dtype)),
    ["slope"],
)
leaky_relu_backward, leaky_relu_backward_out = _twins(
    "leaky_relu_backward",
    ["g", "x"],
    lambda g, x, slope: select(x > 0.0, g, g * slope),
    lambda g, x, slope: np.where(x > 0, g, g * np.asarray(slope, g.dtype)),
    ["slope"],
)
# threshold_backward for clamp(x, low, high): the gradient passes where low <= x <= high
clamp_backward, clamp_backward_out = _twins(
    "clamp_backward",
    ["g", "x"],
    lambda g, x, low, high: select((x >= low) & (x <= high), g, 0.0),
    lambda g, x, low, high: np.where((x >= low) & (x <= high), g, np.zeros((), g.dtype)),
    ["low", "high"],
)

# from the output ------------------------------------------------------------------------------

sigmoid_backward, sigmoid_backward_out = _twins(
    "sigmoid_backward",
    ["g", "y"],
    lambda g, y: g * ((1.0 - y) * y),
    lambda g, y: g * ((1 - y) * y),
)
tanh_backward, tanh_backward_out = _twins(
    "tanh_backward",
    ["g", "y"],
    lambda g, y: g * (1.0 - y * y),
    lambda g, y: g * (1 - y * y),
)
sqrt_backward, sqrt_backward_out = _twins(
    "sqrt_backward", ["g", "y"], lambda g, y: g / (2.0 * y), lambda g, y: g / (2 * y)
)
absolute_backward, absolute_backward_out = _twins(
    "absolute_backward",
    ["g", "x"],
    lambda g, x: select(x > 0.0, g, select(x < 0.0, -g, g * 0.0 * x)),
    lambda g, x: g * np.sign(x),
)

# silu -----------------------------------------------------------------------------------------


def _silu(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(x / (1 + np.exp(-x)))


def _silu_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    s = reference_sigmoid(x)
    return np.asarray(g * s * (1 + x * (1 - s)))


def _silu_slope(g: Expr, x: Expr) -> Expr:
    s = ir.math("sigmoid", x)
    return (g * s) * ((1.0 - s) * x + 1.0)


silu, silu_out = _twins("silu", ["x"], lambda x: ir.math("silu", x), _silu)
silu_backward, silu_backward_out = _twins("silu_backward", ["g", "x"], _silu_slope, _silu_backward)

# gelu -----------------------------------------------------------------------------------------


def _gelu(x: np.ndarray) -> np.ndarray:
    return np.asarray(x * reference_normal_cdf(x))


def _gelu_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    pdf = np.exp(-0.5 * x * x) * np.asarray((2 * pi) ** -0.5, x.dtype)
    return np.asarray(g * (reference_normal_cdf(x) + x * pdf))


def _gelu_slope(g: Expr, x: Expr) -> Expr:
    cdf = ir.math("normal_cdf", x)
    pdf = ir.math("exp_nonpositive", x * x * -0.5) * (2 * pi) ** -0.5
    return g * ir.fma(x, pdf, cdf)


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    beta, kappa = np.asarray(2 * _BETA, x.dtype), np.asarray(_KAPPA, x.dtype)
    return np.asarray(x * reference_sigmoid(beta * (x + kappa * x * x * x)))


def _gelu_tanh_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    beta, kappa = np.asarray(2 * _BETA, x.dtype), np.asarray(_KAPPA, x.dtype)
    s = reference_sigmoid(beta * (x + kappa * x * x * x))
    return np.asarray(g * (s + x * beta * (1 + 3 * kappa * x * x) * (s * (1 - s))))


def _gelu_tanh_slope(g: Expr, x: Expr) -> Expr:
    # x * s with s = sigmoid(2 u): no difference of close numbers in the left tail
    q = x * x
    s = ir.math("sigmoid", ir.fma(q * x, _KAPPA, x) * (2.0 * _BETA))
    inner = ir.fma(q, 3.0 * _KAPPA, 1.0) * (2.0 * _BETA)
    return g * ir.fma(x * inner, s * (1.0 - s), s)


gelu, gelu_out = _twins("gelu", ["x"], lambda x: ir.math("gelu", x), _gelu)
gelu_backward, gelu_backward_out = _twins("gelu_backward", ["g", "x"], _gelu_slope, _gelu_backward)
gelu_tanh, gelu_tanh_out = _twins("gelu_tanh", ["x"], lambda x: ir.math("gelu_tanh", x), _gelu_tanh)
gelu_tanh_backward, gelu_tanh_backward_out = _twins(
    "gelu_tanh_backward", ["g", "x"], _gelu_tanh_slope, _gelu_tanh_backward
)


def _softplus(x: np.ndarray) -> Any:
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


softplus, softplus_out = _twins("softplus", ["x"], lambda x: ir.math("softplus", x), _softplus)
softplus_backward, softplus_backward_out = _twins(
    "softplus_backward",
    ["g", "x"],
    lambda g, x: select(x > 20.0, g, g * ir.math("sigmoid", x)),
    lambda g, x: np.where(x > 20, g, g * reference_sigmoid(x)),
)
