"""Loss functions between an input and a target of its shape: squares, absolute values, binary
cross-entropy. Classification losses are in ops/classification.py.

Note [Pointwise losses]
A loss is declared by three formulas for one element: its value, the derivatives in NumPy (for the
first backward pass) and the derivatives in operations (for a recorded one). The reduction is part
of the primitive, so that no array of element-wise losses outlives the call.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import numeric, quiet
from rushlight.core.state import state
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply
from rushlight.ops._promote import cast, result_type, type_name
from rushlight.ops.activation import logsigmoid
from rushlight.ops.elementwise import abs, add, div, mul, neg, sub
from rushlight.ops.linear import FUSED
from rushlight.ops.pointwise import exp, log, sigmoid
from rushlight.ops.reduction import mean, sum
from rushlight.ops.shape import expand

Array = np.ndarray
MEAN, SUM, NONE = "mean", "sum", "none"


def reduction_name(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """``reduction``, or what the two arguments that it replaced say, with their warning."""
    if size_average is None and reduce is None:
        if reduction not in (MEAN, SUM, NONE):
            raise ValueError(f"{reduction} is not a valid value for reduction")
        return reduction
    average = size_average is None or size_average
    found = NONE if reduce is False else MEAN if average else SUM
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.",
        stacklevel=3,
    )
    return found


def reduce_loss(values: Tensor, reduction: str) -> Tensor:
    """The mean or sum of ``values``, or ``values``."""
    if reduction == MEAN:
        return mean(values)
    return sum(values) if reduction == SUM else values


def check_tensors(name: str, **arguments: Any) -> None:
    """TypeError unless all arguments are tensors."""
    for position, (argument, value) in enumerate(arguments.items(), 1):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}(): argument '{argument}' (position {position}) must be Tensor, not "
                f"{type_name(value)}"
            )


def _pointwise(
    name: str,
    value: Callable[..., Any],
    slopes: Callable[..., Any],
    recorded: Callable[..., Any],
) -> Callable[..., Tensor]:
    """A loss of two tensors of one shape: see Note [Pointwise losses].

    ``slopes`` and ``recorded`` get input, target, the settings and ``needs``, and return the
    derivatives by input and by target, None where not needed.
    """

    def forward(x: Array, y: Array, *parameters: Any) -> Any:
        values = value(x, y, *parameters[1:])
        if parameters[0] == NONE:
            return values
        return values.mean() if parameters[0] == MEAN else values.sum()

    def backward(g: Array, x: Array, y: Array, reduction: str, needs: Any, *settings: Any) -> Any:
        if reduction == MEAN:
            g = g / g.dtype.type(max(x.size, 1))
        return tuple([None if s is None else g * s for s in slopes(x, y, *settings, needs)])

    wide_backward = _many(backward)
    eager = numeric(forward)
    derivative = Primitive(
        f"{name}_backward",
        lambda g, x, y, reduction, settings, needs: wide_backward(
            g, x, y, reduction, needs, *settings
        ),
        inputs=("g", "input", "target"),
        params=("reduction", "settings", "needs"),
        vjp=FUSED,
    )

    def rule(
        g: Tensor, input: Tensor, target: Tensor, reduction: str, settings: Any, needs: Any
    ) -> Any:
        if not state.grad_enabled:
            return apply(derivative, (g, input, target), reduction, settings, needs)
        if reduction == MEAN:
            g = div(g, max(input._array.size, 1))
        found = recorded(input, target, *settings, needs)
        return tuple([None if s is None else mul(g, s) for s in found])

    primitive = Primitive(
        name,
        lambda x, y, reduction, settings: eager(x, y, reduction, *settings),
        inputs=("input", "target"),
        params=("reduction", "settings"),
        vjp=rule,
    )

    def call(input: Tensor, target: Tensor, reduction: str, *settings: Any) -> Tensor:
        return apply(primitive, (input, target), reduction, settings)  # type: ignore[no-any-return]

    return call


def _many(function: Callable[..., Any]) -> Callable[..., Any]:
    """``numeric`` for a function that returns a tuple."""

    def eager(*args: Any) -> Any:
        kind = args[0].dtype
        if kind.itemsize <= 2:
            wide = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
            return tuple([None if r is None else r.astype(kind) for r in quiet_call(*wide)])
        return quiet_call(*args)

    quiet_call = quiet(function)
    return eager


def _matched(input: Tensor, target: Tensor, warn: bool = True) -> tuple[Tensor, Tensor]:
    """Both in one shape and dtype; a difference in shape is warned about, as it is rarely meant."""
    a, b = input._array, target._array
    if a.shape != b.shape:
        if warn:
            warnings.warn(
                f"Using a target size ({target.shape}) that is different to the input size "
                f"({input.shape}). This will likely lead to incorrect results due to "
                "broadcasting. Please ensure they have the same size.",
                stacklevel=3,
            )
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            sub(input, target)  # raises the error with both sizes
            raise
        input, target = expand(input, shape), expand(target, shape)
    if a.dtype != b.dtype:
        to = result_type(input, target)
        input, target = cast(input, to), cast(target, to)
    return input, target


def _check_numeric(kernel: str, input: Tensor) -> None:
    if input._array.dtype.kind == "b":
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if input._array.dtype.kind in "iu":
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )


def _both(slope: Any, needs: Any, negate: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The derivatives of a function of ``input - target``."""
    return slope if needs[0] else None, negate(slope) if needs[1] else None


# squares and absolute values ----------------------------------------------------------------------


def _square(x: Array, y: Array) -> Array:
    d = x - y
    d *= d
    return d


_mse = _pointwise(
    "mse_loss",
    lambda x, y: _square(x, y) if x.ndim else (x - y) ** 2,
    lambda x, y, needs: _both((x - y) * x.dtype.type(2), needs, np.negative),
    lambda x, y, needs: _both(mul(sub(x, y), 2), needs, neg),
)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    r"""Squared error, :math:`(x - y)^2`.

    Args:
        reduction: "mean", "sum" or "none".
        weight: factors of the elements; the mean is divided by their sum.

    Examples::

        >>> torch.nn.functional.mse_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
        tensor(2.)
    """
    reduction = reduction_name(size_average, reduce, reduction)
    check_tensors("mse_loss", input=input, target=target)
    if weight is not None and weight._array.shape != input._array.shape:
        raise ValueError("Weights and input must have the same size.")
    input, target = _matched(input, target)
    _check_numeric("mse_cpu", input)
    if input._array.dtype.kind == "c":
        d = sub(input, target)
        return reduce_loss(mul(d, d), reduction)
    if weight is None:
        return _mse(input, target, reduction)
    values = mul(_mse(input, target, NONE), weight)
    if reduction == MEAN:
        return div(sum(values), sum(weight))
    return reduce_loss(values, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    r"""Absolute error, :math:`|x - y|`. Args: as for :func:`mse_loss`."""
    reduction = reduction_name(size_average, reduce, reduction)
    check_tensors("l1_loss", input=input, target=target)
    if weight is not None and weight._array.shape != input._array.shape:
        raise ValueError("Weights and input must have the same size.")
    input, target = _matched(input, target)
    values = abs(sub(input, target))
    if weight is not None:
        values = mul(values, weight)
        if reduction == MEAN:
            return div(sum(values), sum(weight))
    return reduce_loss(values, reduction)


def _huber_value(x: Array, y: Array, delta: float) -> Array:
    d = np.abs(x - y)
    kind = x.dtype.type
    return np.where(d < delta, d * d * kind(0.5), kind(delta) * (d - kind(0.5 * delta)))


def _huber_slope(x: Array, y: Array, delta: float, needs: Any) -> Any:
    return _both(np.clip(x - y, x.dtype.type(-delta), x.dtype.type(delta)), needs, np.negative)


def _huber_recorded(input: Tensor, target: Tensor, delta: float, needs: Any) -> Any:
    d = sub(input, target)
    inside = np.abs(d._array) < delta
    edge = wrap(np.asarray(np.where(inside, 0, np.sign(d._array) * delta)).astype(d._array.dtype))
    slope = add(mul(d, wrap(np.asarray(inside).astype(d._array.dtype))), edge)
    return _both(slope, needs, neg)


_huber = _pointwise("huber_loss", _huber_value, _huber_slope, _huber_recorded)
_smooth_l1 = _pointwise(
    "smooth_l1_loss",
    lambda x, y, beta: _huber_value(x, y, beta) / x.dtype.type(beta),
    lambda x, y, beta, needs: tuple(
        [None if s is None else s / x.dtype.type(beta) for s in _huber_slope(x, y, beta, needs)]
    ),
    lambda x, y, beta, needs: tuple(
        [None if s is None else div(s, beta) for s in _huber_recorded(x, y, beta, needs)]
    ),
)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    r"""Absolute error, with a parabola where it is below ``beta``; ``beta=0`` is the L1 loss.

    Examples::

        >>> torch.nn.functional.smooth_l1_loss(torch.tensor([0., 3.]), torch.tensor([1., 1.]))
        tensor(1.)
    """
    reduction = reduction_name(size_average, reduce, reduction)
    input, target = _matched(input, target)
    if beta == 0.0:
        return reduce_loss(abs(sub(input, target)), reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    _check_numeric("smooth_l1_cpu", input)
    return _smooth_l1(input, target, reduction, beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Half the squared error below ``delta``, a straight line beyond; RuntimeError if not positive."""
    reduction = reduction_name(None, None, reduction)
    input, target = _matched(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    _check_numeric("huber_cpu", input)
    if weight is None:
        return _huber(input, target, reduction, delta)
    values = mul(_huber(input, target, NONE, delta), weight)
    if reduction == MEAN:
        return div(sum(values), sum(weight))
    return reduce_loss(values, reduction)


# binary cross-entropy -----------------------------------------------------------------------------


def _bce_value(x: Array, y: Array) -> Array:
    low = x.dtype.type(-100)
    return (y - 1) * np.maximum(np.log1p(-x), low) - y * np.maximum(np.log(x), low)


def _bce_slopes(x: Array, y: Array, needs: Any) -> Any:
    by_input = (x - y) / np.maximum((1 - x) * x, x.dtype.type(1e-12)) if needs[0] else None
    return by_input, np.log1p(-x) - np.log(x) if needs[1] else None


def _bce_recorded(x: Tensor, y: Tensor, needs: Any) -> Any:
    rest = sub(1, x)
    by_input = None
    if needs[0]:
        product = mul(rest, x)
        floor = wrap(np.asarray(np.maximum(1e-12 - product._array, 0)).astype(x._array.dtype))
        by_input = div(sub(x, y), add(product, floor))
    return by_input, sub(log(rest), log(x)) if needs[1] else None


_bce = _pointwise("binary_cross_entropy", _bce_value, _bce_slopes, _bce_recorded)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Cross-entropy of probabilities, :math:`-y \log x - (1 - y) \log(1 - x)`.

    The logarithms are limited to -100 from below.

    Raises RuntimeError for inputs outside of [0, 1], ValueError if the sizes differ.
    """
    reduction = reduction_name(size_average, reduce, reduction)
    if input._array.shape != target._array.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    if input._array.dtype != target._array.dtype:
        raise RuntimeError(
            f"Found dtype {SCALAR_TYPE_NAMES[target.dtype]} but expected "
            f"{SCALAR_TYPE_NAMES[input.dtype]}"
        )
    _check_numeric("binary_cross_entropy", input)
    x = input._array
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    if weight is None:
        return _bce(input, target, reduction)
    values = mul(_bce(input, target, NONE), expand(weight, x.shape))
    return reduce_loss(values, reduction)


def _logits_value(x: Array, y: Array) -> Array:
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e)).astype(x.dtype, copy=False)


_logits = _pointwise(
    "binary_cross_entropy_with_logits",
    _logits_value,
    lambda x, y, needs: (_sigmoid(x) - y if needs[0] else None, -x if needs[1] else None),
    lambda x, y, needs: (sub(sigmoid(x), y) if needs[0] else None, neg(x) if needs[1] else None),
)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of ``sigmoid(input)``, computed without loss of accuracy.

    Args:
        weight: factors of the elements.
        pos_weight: factors of the positive examples, one for each class.

    Raises ValueError if the sizes of input and target differ.
    """
    reduction = reduction_name(size_average, reduce, reduction)
    if input._array.shape != target._array.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    if weight is None and pos_weight is None and input._array.dtype == target._array.dtype:
        _check_numeric("binary_cross_entropy_with_logits", input)
        return _logits(input, target, reduction)
    tail = logsigmoid(input)
    if pos_weight is not None:
        tail = mul(tail, add(mul(sub(pos_weight, 1), target), 1))
    values = sub(mul(sub(1, target), input), tail)
    if weight is not None:
        values = mul(values, weight)
    return reduce_loss(values, reduction)


def torch_bce_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """``torch.binary_cross_entropy_with_logits``, whose reduction is a number."""
    return binary_cross_entropy_with_logits(
        input, target, weight, reduction=(NONE, MEAN, SUM)[reduction], pos_weight=pos_weight
    )


# divergences and likelihoods ----------------------------------------------------------------------


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    r"""Kullback-Leibler divergence, :math:`y (\log y - x)` for log-probabilities x.

    Args:
        reduction: "batchmean" divides by the batch size, as the definition has it; "mean" by the
            number of elements.
        log_target: whether ``target`` holds log-probabilities, too.
    """
    batchmean = reduction == "batchmean"
    if reduction == MEAN and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
            stacklevel=2,
        )
    name = reduction_name(size_average, reduce, SUM if batchmean else reduction)
    if log_target:
        values = mul(exp(target), sub(target, input))
    else:
        values = sub(late.xlogy(target, target), mul(target, input))
    result = reduce_loss(values, name)
    if batchmean and input._array.ndim:
        result = div(result, input._array.shape[0])
    return result


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of counts under a Poisson distribution.

    Args:
        log_input: whether ``input`` is the logarithm of the rate.
        full: add Stirling's approximation of log(target!).
        eps: keeps the logarithm finite if ``log_input`` is False.
    """
    reduction = reduction_name(size_average, reduce, reduction)
    if log_input:
        values = sub(exp(input), mul(target, input))
    else:
        values = sub(input, mul(target, log(add(input, eps))))
    if full:
        stirling = add(sub(mul(target, log(target)), target), mul(log(mul(target, 2 * np.pi)), 0.5))
        values = add(values, late.masked_fill(stirling, late.le(target, 1), 0))
    return reduce_loss(values, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood under normal distributions with means ``input`` and variances ``var``.

    Args:
        full: add the constant term.
        eps: the least variance.

    Raises ValueError for a negative variance or one of the wrong size.
    """
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = mul(late.ones_like(input), var)
    elif (var._array < 0).any():
        raise ValueError("var has negative entry/entries")
    shape = input._array.shape
    have = var._array.shape
    if have != shape:
        if shape[:-1] == have:
            var = late.unsqueeze(var, -1)
        elif not (len(shape) == len(have) and shape[:-1] == have[:-1] and have[-1] == 1):
            raise ValueError("var is of incorrect size")
    if reduction not in (MEAN, SUM, NONE):
        raise ValueError(reduction + " is not valid")
    low = wrap(np.asarray(np.maximum(eps - var._array, 0)).astype(var._array.dtype))
    var = add(var, low)  # at least eps, with the gradient of var
    d = sub(input, target)
    values = mul(add(log(var), div(mul(d, d), var)), 0.5)
    if full:
        values = add(values, 0.5 * float(np.log(2 * np.pi)))
    return reduce_loss(values, reduction)
