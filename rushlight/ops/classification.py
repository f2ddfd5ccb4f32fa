"""Losses for class labels: negative log-likelihood and cross-entropy.

The class dimension of an input (N, C, d1, ...) is moved to the end, so that one form of rows, one
for each label, serves all.
"""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import numeric
from rushlight.core.state import state
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._elementwise import kernel
from rushlight.ops._primitive import Primitive, apply
from rushlight.ops._promote import type_name
from rushlight.ops.activation import check_floating
from rushlight.ops.elementwise import add, div, mul, neg, sub
from rushlight.ops.linear import FUSED
from rushlight.ops.loss import MEAN, NONE, SUM, check_tensors, reduce_loss, reduction_name
from rushlight.ops.reduction import sum
from rushlight.ops.shape import reshape, unsqueeze
from rushlight.ops.softmax import log_softmax, log_softmax_array, softmax, softmax_array

Array = np.ndarray
_indices = kernel("loss.cross_entropy")
_indices_backward = kernel("loss.cross_entropy_backward")


def _rows(x: Array) -> Array:
    """``x`` as (labels, classes)."""
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return x[None]
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def _unrows(rows: Array, shape: tuple[int, ...]) -> Array:
    if len(shape) <= 2:
        return rows.reshape(shape)
    back = rows.reshape(shape[0], *shape[2:], shape[1])
    return np.ascontiguousarray(np.moveaxis(back, -1, 1))


def _factors(
    target: Array, classes: int, weight: Array | None, ignore: int, kind: Any
) -> tuple[Array, Array, Any]:
    """The labels (0 where ignored), each label's factor, and the sum of the factors."""
    labels = target.reshape(-1)
    factor = np.ones(labels.shape, kind) if weight is None else None
    skipped = labels == ignore
    if skipped.any():
        labels = np.where(skipped, 0, labels)
    out = (labels < 0) | (labels >= classes)
    if out.any():
        raise IndexError(f"Target {labels[out][0]} is out of bounds.")
    if factor is None:
        factor = weight[labels].astype(kind, copy=False)  # type: ignore[index]
    factor[skipped] = 0
    return labels, factor, factor.sum()


def _reduced(losses: Array, total: Any, target: Array, reduction: str) -> Any:
    if reduction == NONE:
        return losses.reshape(target.shape)
    return losses.sum() / total if reduction == MEAN else losses.sum()


def _row_gradients(g: Array, factor: Array, total: Any, reduction: str) -> Array:
    """What each row's gradient is multiplied by."""
    if reduction == NONE:
        return np.asarray(g).reshape(-1) * factor
    if reduction == MEAN:
        return factor * (g / total if total else g.dtype.type(0))
    return factor * g


def _constants(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, ignore: int
) -> tuple[Tensor, Tensor]:
    """The one-hot labels and the rows' factors, in the form of ``input``."""
    shape, kind = input._array.shape, input._array.dtype
    classes = shape[1] if len(shape) > 1 else shape[0]
    w = None if weight is None else weight._array
    labels, factor, total = _factors(target._array, classes, w, ignore, kind)
    if reduction == MEAN:
        factor = factor / total if total else factor
    hot = np.zeros((labels.size, classes), kind)
    hot[np.arange(labels.size), labels] = 1
    factor = np.broadcast_to(factor[:, None], hot.shape)
    return wrap(_unrows(hot, shape)), wrap(_unrows(factor, shape))


def _spread(g: Tensor, input: Tensor, reduction: str) -> Tensor:
    """A gradient of one number for each label along the class dimension."""
    if reduction != NONE:
        return g
    return unsqueeze(g, 1 if input._array.ndim > 1 else 0)


# negative log-likelihood --------------------------------------------------------------------------


def _nll(x: Array, target: Array, weight: Any, reduction: str, ignore: int) -> Any:
    rows = _rows(x)
    labels, factor, total = _factors(target, rows.shape[1], weight, ignore, x.dtype)
    picked = rows[np.arange(labels.size), labels]
    return _reduced(-picked * factor if x.size else factor, total, target, reduction)


def _nll_backward(
    g: Array, x: Array, target: Array, weight: Any, reduction: str, ignore: int
) -> Array:
    rows = _rows(x)
    labels, factor, total = _factors(target, rows.shape[1], weight, ignore, x.dtype)
    out = np.zeros(rows.shape, x.dtype)
    out[np.arange(labels.size), labels] = -_row_gradients(g, factor, total, reduction)
    return _unrows(out, x.shape)


NLL_BACKWARD = Primitive(
    "nll_loss_backward",
    numeric(_nll_backward),
    inputs=("g", "input", "target", "weight"),
    params=("reduction", "ignore"),
    vjp=FUSED,
)


def _nll_rule(
    g: Tensor, input: Tensor, target: Tensor, weight: Any, reduction: str, ignore: int
) -> Any:
    if not state.grad_enabled:
        return apply(NLL_BACKWARD, (g, input, target, weight), reduction, ignore)
    hot, factor = _constants(input, target, weight, reduction, ignore)
    return mul(_spread(g, input, reduction), mul(neg(hot), factor))


def _loss_pair(name: str, eager: Any, rule: Any, node: str) -> tuple[Primitive, Primitive]:
    """The same loss under PyTorch's two names, for (N, C) and for inputs of more dimensions."""
    first, second = (
        Primitive(
            name + suffix,
            numeric(eager),
            inputs=("input", "target", "weight"),
            params=("reduction", "ignore"),
            vjp=rule,
            node_name=f"{node}{kind}Backward0",
        )
        for suffix, kind in (("", ""), ("2d", "2D"))
    )
    return first, second


NLL, NLL_2D = _loss_pair("nll_loss", _nll, _nll_rule, "NllLoss")


def _check_labels(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    x, t = input._array, target._array
    if x.ndim < 1 or (x.ndim > 1 and t.ndim == 0):
        raise ValueError(f"Expected 1 or more dimensions (got {min(x.ndim, t.ndim)})")
    if x.ndim == 1 and t.ndim == 1 and t.shape[0] != 1:
        raise ValueError(
            f"Expected input batch_size (1) to match target batch_size ({t.shape[0]})."
        )
    if x.ndim > 1 and x.shape[0] != t.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0]})."
        )
    if x.ndim == 2 and t.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if t.dtype.kind not in "iu" or t.dtype.itemsize not in (1, 8) or t.dtype == np.int8:
        raise RuntimeError(
            f"expected target dtype to be Long or Byte, but got {SCALAR_TYPE_NAMES[target.dtype]}"
        )
    if x.ndim == 4 and t.ndim != 3:
        raise RuntimeError(
            "only batches of spatial targets supported (3D tensors) but got targets of dimension: "
            f"{t.ndim}"
        )
    if x.ndim > 2 and x.shape[2:] != t.shape[1:]:
        if x.ndim == 4:
            raise RuntimeError(
                f"size mismatch (got input: {list(x.shape)} , target: {list(t.shape)}"
            )
        raise ValueError(f"Expected target size {[x.shape[0], *x.shape[2:]]}, got {list(t.shape)}")
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    if weight is not None and weight._array.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight._array.shape)}"
        )
    if weight is not None and weight._array.dtype != x.dtype:
        raise RuntimeError(
            f"expected scalar type {SCALAR_TYPE_NAMES[input.dtype]} but found "
            f"{SCALAR_TYPE_NAMES[weight.dtype]}"
        )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Negative log-likelihood, :math:`-w_y x_y` for log-probabilities x and labels y.

    Args:
        weight: a factor for each class; the mean is divided by the factors of the labels.
        ignore_index: a label that does not count.
        reduction: "mean", "sum" or "none".

    Shape:
        - input: (C,), (N, C) or (N, C, d1, ...); target: (), (N,) or (N, d1, ...)

    Raises IndexError for labels out of range.

    Examples::

        >>> torch.nn.functional.nll_loss(torch.tensor([[-1., -2.]]), torch.tensor([1]))
        tensor(2.)
    """
    reduction = reduction_name(size_average, reduce, reduction)
    check_tensors("nll_loss_nd", input=input, target=target)
    _check_labels(input, target, weight)
    check_floating("nll_loss_out_frame", input)
    primitive = NLL if input._array.ndim <= 2 else NLL_2D
    return apply(primitive, (input, target, weight), reduction, ignore_index)  # type: ignore[no-any-return]


# cross-entropy ------------------------------------------------------------------------------------


def _cross_entropy(x: Array, target: Array, weight: Any, reduction: str, ignore: int) -> Any:
    rows = _rows(x)
    labels, factor, total = _factors(target, rows.shape[1], weight, ignore, x.dtype)
    picked = log_softmax_array(rows, 1)[np.arange(labels.size), labels]
    return _reduced(-picked * factor if x.size else factor, total, target, reduction)


def _cross_entropy_backward(
    g: Array, x: Array, target: Array, weight: Any, reduction: str, ignore: int
) -> Array:
    rows = _rows(x)
    labels, factor, total = _factors(target, rows.shape[1], weight, ignore, x.dtype)
    out = softmax_array(rows, 1)
    out[np.arange(labels.size), labels] -= 1
    out *= _row_gradients(g, factor, total, reduction)[:, None]
    return _unrows(out, x.shape)


CROSS_ENTROPY_BACKWARD = Primitive(
    "cross_entropy_backward",
    numeric(_cross_entropy_backward),
    inputs=("g", "input", "target", "weight"),
    params=("reduction", "ignore"),
    vjp=FUSED,
)


def _cross_entropy_rule(
    g: Tensor, input: Tensor, target: Tensor, weight: Any, reduction: str, ignore: int
) -> Any:
    if not state.grad_enabled:
        return apply(CROSS_ENTROPY_BACKWARD, (g, input, target, weight), reduction, ignore)
    hot, factor = _constants(input, target, weight, reduction, ignore)
    slope = mul(sub(softmax(input, min(1, input._array.ndim - 1)), hot), factor)
    return mul(_spread(g, input, reduction), slope)


# The usual case, one native pass each way: labels int64 for each row, no weights. Of the three
# results (reduced loss, loss of each row, what the backward pass needs) the last is saved.
INDICES_BACKWARD = Primitive(
    "cross_entropy_indices_backward",
    lambda g, x, target, stats, ignore, mean: _indices_backward(g, x, target, stats, ignore, mean),
    inputs=("g", "input", "target", "stats"),
    params=("ignore", "mean"),
    vjp=FUSED,
)


def _indices_rule(
    g: Any, input: Tensor, target: Tensor, out: Any, ignore: int, mean: bool, needs: Any
) -> Any:
    each = g[0] is None
    g = g[1] if each else g[0]
    if not state.grad_enabled:
        return apply(INDICES_BACKWARD, (g, input, target, out[2]), ignore, mean), None
    reduction = NONE if each else MEAN if mean else SUM
    return _cross_entropy_rule(g, input, target, None, reduction, ignore), None


INDICES = Primitive(
    "cross_entropy_indices",
    lambda x, target, ignore, mean: _indices(x, target, ignore, mean),
    inputs=("input", "target"),
    params=("ignore", "mean"),
    vjp=_indices_rule,
    materialize=False,
    keep=(2,),
    node_name="NllLossBackward0",
)
_FULL = (np.dtype(np.float32), np.dtype(np.float64))
CROSS_ENTROPY, CROSS_ENTROPY_2D = _loss_pair(
    "cross_entropy", _cross_entropy, _cross_entropy_rule, "NllLoss"
)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of ``softmax(input)`` with class labels or class probabilities.

    Args:
        target: labels, or probabilities in a tensor of the shape of ``input``.
        weight: a factor for each class; with labels, the mean is divided by the labels' factors.
        ignore_index: a label that does not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: the share of the uniform distribution mixed into the target.

    Shape:
        - input: (C,), (N, C) or (N, C, d1, ...); target: (), (N,) or (N, d1, ...) for labels

    Raises IndexError for labels out of range.

    Examples::

        >>> torch.nn.functional.cross_entropy(torch.tensor([[0., 0.]]), torch.tensor([1]))
        tensor(0.6931)
    """
    reduction = reduction_name(size_average, reduce, reduction)
    try:
        x, t = input._array, target._array
    except AttributeError:
        wrong = "input" if not isinstance(input, Tensor) else "target"
        value = input if wrong == "input" else target
        raise TypeError(
            f"cross_entropy_loss(): argument '{wrong}' (position {1 if wrong == 'input' else 2}) "
            f"must be Tensor, not {type_name(value)}"
        ) from None
    if x.shape == t.shape:
        return _with_probabilities(input, target, weight, reduction, label_smoothing)
    if label_smoothing:
        return _smoothed(input, target, weight, reduction, ignore_index, label_smoothing)
    if (x.ndim == 2 and t.ndim == 1 and x.shape[0] == t.shape[0] and t.dtype == np.int64
            and weight is None and x.dtype in _FULL and x.size):  # fmt: skip
        out = apply(INDICES, (input, target), ignore_index, reduction == MEAN)
        return out[reduction == NONE]  # type: ignore[no-any-return]
    _check_labels(input, target, weight)
    if x.dtype.kind in "iubc":
        check_floating("log_softmax_lastdim_kernel_impl", input)
    primitive = CROSS_ENTROPY if x.ndim <= 2 else CROSS_ENTROPY_2D
    return apply(primitive, (input, target, weight), reduction, ignore_index)  # type: ignore[no-any-return]


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")


def _along_classes(weight: Tensor, input: Tensor) -> Tensor:
    """``weight`` ready to multiply ``input`` along its class dimension."""
    ndim = input._array.ndim
    if ndim <= 2:
        return weight
    return reshape(weight, (1, weight._array.size) + (1,) * (ndim - 2))


def _with_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    if not (target.dtype.is_floating_point or target.dtype.is_complex):
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{SCALAR_TYPE_NAMES[target.dtype]}"
        )
    _check_smoothing(smoothing)
    shape = input._array.shape
    dim = 0 if len(shape) == 1 else 1
    classes = shape[dim]
    if weight is not None and weight._array.shape != (classes,):
        raise RuntimeError(
            "cross_entropy: weight tensor should be defined either for all "
            f"{classes} classes or no classes but got weight tensor of shape: "
            f"{list(weight._array.shape)}"
        )
    if smoothing:
        target = add(mul(target, 1 - smoothing), smoothing / classes)
    values = mul(log_softmax(input, dim), target)
    if weight is not None:
        values = mul(values, _along_classes(weight, input))
    if reduction == NONE:
        return neg(sum(values, dim))
    total = neg(sum(values))
    return total if reduction == SUM else div(total, max(input._array.size // max(classes, 1), 1))


def _smoothed(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    ignore: int,
    smoothing: float,
) -> Tensor:
    _check_smoothing(smoothing)
    _check_labels(input, target, weight)
    dim = 0 if input._array.ndim == 1 else 1
    classes = input._array.shape[dim]
    logs = log_softmax(input, dim)
    primitive = NLL if input._array.ndim <= 2 else NLL_2D
    sharp = apply(primitive, (logs, target, weight), reduction, ignore)
    weighted = logs if weight is None else mul(logs, _along_classes(weight, input))
    counted = wrap(np.asarray(target._array != ignore).astype(input._array.dtype))
    flat = mul(neg(sum(weighted, dim)), counted)
    if reduction == MEAN:
        w = None if weight is None else weight._array
        total = _factors(target._array, classes, w, ignore, input._array.dtype)[2]
        flat = div(sum(flat), wrap(np.asarray(total, input._array.dtype)))
    else:
        flat = reduce_loss(flat, reduction)
    return add(mul(sharp, 1 - smoothing), mul(flat, smoothing / classes))
