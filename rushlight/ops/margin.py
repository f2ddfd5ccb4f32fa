"""Losses that ask for a margin between scores or distances."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES, float32
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._late import late
from rushlight.ops._promote import cast
from rushlight.ops.activation import logsigmoid, relu
from rushlight.ops.distance import pairwise_distance
from rushlight.ops.elementwise import add, div, mul, neg, pow, sub
from rushlight.ops.loss import reduce_loss, reduction_name
from rushlight.ops.pointwise import exp, log1p, sqrt
from rushlight.ops.reduction import mean, sum
from rushlight.ops.shape import reshape, unsqueeze

Array = np.ndarray
MEAN, SUM, NONE = "mean", "sum", "none"


def _constant(values: Any, like: Tensor) -> Tensor:
    return wrap(np.asarray(values).astype(like._array.dtype))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Asks for an order of two scores, :math:`\max(0, -y (x_1 - x_2) + \text{margin})`."""
    reduction = reduction_name(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    values = late.clamp(add(mul(neg(target), sub(input1, input2)), margin), 0)
    return reduce_loss(values, reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``x`` for similar pairs (y = 1), ``max(0, margin - x)`` for others (y = -1)."""
    reduction = reduction_name(size_average, reduce, reduction)
    if input.dtype.category == 2 and input.dtype.itemsize == 2:  # rounded once
        wide = [cast(t, float32) for t in (input, target)]
        return cast(hinge_embedding_loss(*wide, margin, reduction=reduction), input.dtype)
    zero = wrap(np.zeros((), input._array.dtype))
    apart = late.where(late.ne(target, 1), late.clamp(sub(margin, input), 0), zero)
    near = late.where(late.ne(target, -1), input, zero)
    return reduce_loss(add(apart, near), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""``1 - cos`` for similar pairs (y = 1), ``max(0, cos - margin)`` for others (y = -1).

    Shape:
        - inputs: (N, D) or (D,), target: (N,) or ()
    """
    reduction = reduction_name(size_average, reduce, reduction)
    if target.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    dim = target.ndim
    eps = 1e-12
    product = sum(mul(input1, input2), dim)
    first = add(sum(mul(input1, input1), dim), eps)
    second = add(sum(mul(input2, input2), dim), eps)
    cosine = div(product, sqrt(mul(first, second)))
    zero = wrap(np.zeros((), cosine._array.dtype))
    near = late.where(late.eq(target, 1), sub(1, cosine), zero)
    apart = late.where(late.eq(target, -1), late.clamp(sub(cosine, margin), 0), zero)
    return reduce_loss(add(near, apart), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Logistic loss of two classes, :math:`\log(1 + e^{-y x})` with y = 1 or -1."""
    reduction = reduction_name(size_average, reduce, reduction)
    return reduce_loss(log1p(exp(mul(neg(target), input))), reduction)


def _batch(input: Tensor, name: str) -> tuple[Tensor, int, int]:
    """``input`` as (samples, classes)."""
    x = input._array
    if x.ndim > 2 or (x.ndim and 0 in x.shape[1:]) or (x.ndim == 1 and not x.size):
        raise RuntimeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(x.shape)}"
        )
    if x.ndim == 2:
        return input, x.shape[0], x.shape[1]
    return reshape(input, (1, max(x.size, 1))), 1, max(x.size, 1)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Multi-class hinge loss, :math:`\sum_{i \ne y} \max(0, \text{margin} - x_y + x_i)^p / C`.

    Args:
        p: 1 or 2.
        weight: a factor for each class.
    """
    reduction = reduction_name(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    rows, samples, classes = _batch(input, "multi_margin_loss")
    labels = target._array.reshape(-1)
    if labels.size != samples or target.ndim > 1:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
            f"samples (batch size). Expected target size [{samples}], but got "
            f"{list(target._array.shape)}. Input has shape {list(input._array.shape)}."
        )
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise RuntimeError("target out of range")
    if input._array.dtype.kind in "iub":
        raise NotImplementedError(
            f"\"multi_margin_loss\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    hot = np.zeros((samples, classes))
    hot[np.arange(samples), labels] = 1
    picked = sum(mul(rows, _constant(hot, input)), 1, True)
    values = relu(add(sub(rows, picked), margin))
    if p == 2:
        values = pow(values, 2)
    if weight is not None:
        values = mul(values, wrap(weight._array[labels][:, None]))
    values = div(sum(mul(values, _constant(1 - hot, input)), 1), classes)
    if reduction == NONE and input._array.ndim < 2:
        return reshape(values, target._array.shape)
    return reduce_loss(values, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Multi-label hinge loss, :math:`\sum_{j \in y, i \notin y} \max(0, 1 - (x_j - x_i)) / C`.

    The labels of a sample end before the first -1.
    """
    reduction = reduction_name(size_average, reduce, reduction)
    rows, samples, classes = _batch(input, "multilabel_margin_loss")
    if target._array.shape != input._array.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target._array.shape)} for input of size: "
            f"{list(input._array.shape)}"
        )
    labels = target._array.reshape(samples, classes)
    if labels.size and (labels.min() < -1 or labels.max() >= classes):
        raise RuntimeError("target out of range")
    if input._array.dtype.kind in "iub":
        raise NotImplementedError(
            f"\"multilabel_margin_loss\" not implemented for '{SCALAR_TYPE_NAMES[input.dtype]}'"
        )
    used = np.cumprod(labels >= 0, axis=1).astype(bool)
    times = np.zeros((samples, classes))  # how often a class is among the labels
    where = np.nonzero(used)
    np.add.at(times, (where[0], labels[where]), 1)
    gaps = relu(add(sub(unsqueeze(rows, 1), unsqueeze(rows, 2)), 1))  # [sample, label, other]
    pairs = times[:, :, None] * (times == 0)[:, None, :]
    values = div(sum(mul(gaps, _constant(pairs, input)), (1, 2)), classes)
    if reduction == NONE and input._array.ndim < 2:
        return reshape(values, ())
    return reduce_loss(values, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the classes of the binary cross-entropy of ``sigmoid(input)``."""
    reduction = reduction_name(size_average, reduce, reduction)
    positive = mul(target, logsigmoid(input))
    values = neg(add(positive, mul(sub(1, target), logsigmoid(neg(input)))))
    if weight is not None:
        values = mul(values, weight)
    return reduce_loss(mean(values, -1) if values.ndim else values, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Asks that the positive be nearer than the negative, :math:`\max(0, d_p - d_n + \text{margin})`.

    Args:
        p, eps: of the distance, see :func:`pairwise_distance`.
        swap: use the distance between positive and negative where it is smaller.
    """
    reduction = reduction_name(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    return _triplet(
        anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap,
        reduction,
    )  # fmt: skip


def _triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = late.minimum(far, distance(positive, negative))
    return reduce_loss(late.clamp(add(sub(near, far), margin), 0), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """:func:`triplet_margin_loss` with any function for the distance."""
    if reduction not in (MEAN, SUM, NONE):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    distance = distance_function or pairwise_distance
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)
