"""Connectionist temporal classification (Graves et al., 2006).

With the labels interleaved by blanks, alpha[t, s] is the logarithm of the probability of all paths
that have read the first s of them at time t, beta[t, s] that of all ways on from there. The gradient
is PyTorch's: it takes the inputs for the results of log_softmax.
"""

import itertools
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._primitive import NotDifferentiable, Primitive, apply
from rushlight.ops.elementwise import div, mul
from rushlight.ops.reduction import mean, sum
from rushlight.ops.shape import squeeze, unsqueeze

Array = np.ndarray


def _logsumexp(*terms: Array) -> Array:
    most = np.maximum.reduce(terms)
    base = np.where(np.isneginf(most), 0, most)
    total: Any = 0
    for term in terms:
        total = total + np.exp(term - base)
    return np.log(total) + base


def _shifted(a: Array, by: int) -> Array:
    """``a`` moved right by ``by`` (left if negative), minus infinity coming in."""
    out = np.full_like(a, -np.inf)
    if by > 0:
        out[by:] = a[:-by] if by < len(a) else out[by:]
    elif by < 0:
        out[:by] = a[-by:] if -by < len(a) else out[:by]
    return out


def _with_blanks(labels: Array, blank: int) -> tuple[Array, Array]:
    """Labels interleaved by blanks, and where one may be reached over the blank before it."""
    path = np.full(2 * len(labels) + 1, blank, np.int64)
    path[1::2] = labels
    skip = np.zeros(len(path), np.bool_)
    skip[2:] = (path[2:] != blank) & (path[2:] != path[:-2])
    return path, skip


def _alphas(logs: Array, path: Array, skip: Array) -> Array:
    alpha = np.full((len(logs), len(path)), -np.inf, logs.dtype)
    if not len(logs):
        return alpha
    alpha[0, :2] = logs[0, path[:2]]
    for t in range(1, len(logs)):
        before = alpha[t - 1]
        jump = np.where(skip, _shifted(before, 2), -np.inf)
        alpha[t] = _logsumexp(before, _shifted(before, 1), jump) + logs[t, path]
    return alpha


def _betas(logs: Array, path: Array, skip: Array) -> Array:
    beta = np.full((len(logs), len(path)), -np.inf, logs.dtype)
    beta[-1, -2:] = logs[-1, path[-2:]]
    leave = np.zeros(len(path), np.bool_)
    leave[:-2] = skip[2:]
    for t in range(len(logs) - 2, -1, -1):
        after = beta[t + 1]
        jump = np.where(leave, _shifted(after, -2), -np.inf)
        beta[t] = _logsumexp(after, _shifted(after, -1), jump) + logs[t, path]
    return beta


def _loss_of(alpha: Array, path: Array) -> Any:
    if not len(alpha):
        return 0.0 if len(path) == 1 else np.inf
    return -_logsumexp(*[np.asarray(alpha[-1, i]) for i in range(max(len(path) - 2, 0), len(path))])


@quiet
def _ctc(x: Array, targets: tuple[Array, ...], lengths: tuple[int, ...], blank: int) -> Array:
    out = np.empty(len(targets), x.dtype)
    for n, (labels, length) in enumerate(zip(targets, lengths)):
        path, skip = _with_blanks(labels, blank)
        out[n] = _loss_of(_alphas(x[:length, n], path, skip), path)
    return out


@quiet
def _ctc_backward(
    g: Array,
    x: Array,
    targets: tuple[Array, ...],
    lengths: tuple[int, ...],
    blank: int,
    zero_infinity: bool,
) -> Array:
    out = np.zeros_like(x)
    for n, (labels, length) in enumerate(zip(targets, lengths)):
        logs = x[:length, n]
        path, skip = _with_blanks(labels, blank)
        alpha = _alphas(logs, path, skip)
        loss = _loss_of(alpha, path)
        if (zero_infinity and np.isinf(loss)) or not length:
            continue
        both = alpha + _betas(logs, path, skip)
        gathered = np.full(logs.shape, -np.inf, x.dtype)
        for s, label in enumerate(path):
            gathered[:, label] = np.logaddexp(gathered[:, label], both[:, s])
        out[:length, n] = (np.exp(logs) - np.exp(gathered + loss - logs)) * g[n]
    return out


CTC_BACKWARD = Primitive(
    "ctc_loss_backward",
    _ctc_backward,
    inputs=("g", "input"),
    params=("targets", "lengths", "blank", "zero_infinity"),
    vjp=NotDifferentiable("PyTorch has no second derivative of ctc_loss, either"),
)
CTC = Primitive(
    "ctc_loss",
    lambda x, targets, lengths, blank, zero_infinity: _ctc(x, targets, lengths, blank),
    params=("targets", "lengths", "blank", "zero_infinity"),
    vjp={
        "input": lambda g, input, targets, lengths, blank, zero_infinity: apply(
            CTC_BACKWARD, (g, input), targets, lengths, blank, zero_infinity
        )
    },
)


def _as_lengths(name: str, value: Any, batch: int) -> tuple[int, ...]:
    if isinstance(value, Tensor):
        if value._array.dtype.kind not in "iu":
            raise RuntimeError(f"{name} must be integral")
        found = value._array.reshape(-1).tolist()
    else:
        found = [int(n) for n in value]
    if len(found) != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    return tuple(found)


def _split_targets(targets: Tensor, lengths: tuple[int, ...]) -> tuple[Array, ...]:
    t = targets._array
    if t.ndim == 1:
        ends = np.cumsum((0, *lengths))
        if ends[-1] > t.size:
            raise RuntimeError(
                f"Expected tensor to have size {ends[-1]} at dimension 0, but got size {t.size} for "
                "argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)"
            )
        return tuple([t[a:b] for a, b in itertools.pairwise(ends)])
    most = max(lengths, default=0)
    if t.shape[0] != len(lengths):
        raise RuntimeError(
            f"Expected tensor to have size {len(lengths)} at dimension 0, but got size {t.shape[0]} "
            "for argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)"
        )
    if t.shape[1] < most:
        raise RuntimeError(
            f"Expected tensor to have size at least {most} at dimension 1, but got size "
            f"{t.shape[1]} for argument #2 'targets' (while checking arguments for "
            "ctc_loss_allocate_outputs)"
        )
    return tuple([row[:n] for row, n in zip(t, lengths)])


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: Any = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification: minus the log-probability of all fitting alignments.

    Args:
        log_probs: log-probabilities, as :func:`log_softmax` gives them.
        targets: labels, one row for each sample, or all in one vector.
        input_lengths, target_lengths: for each sample.
        blank: the number of the blank.
        reduction: "mean" (each loss divided by its target's length first), "sum" or "none".
        zero_infinity: 0 instead of infinity where no alignment fits.

    Shape:
        - log_probs: (T, N, C) or (T, C)
    """
    if isinstance(reduction, int):
        reduction = ("none", "mean", "sum")[reduction]
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    single = log_probs._array.ndim == 2
    if single:
        log_probs = unsqueeze(log_probs, 1)
        if targets._array.ndim == 1:
            targets = unsqueeze(targets, 0)
    time, batch, classes = log_probs._array.shape
    if log_probs._array.dtype.kind != "f" or log_probs._array.dtype.itemsize < 4:
        raise NotImplementedError(
            f"\"ctc_loss_cpu\" not implemented for '{SCALAR_TYPE_NAMES[log_probs.dtype]}'"
        )
    lengths = _as_lengths("input_lengths", input_lengths, batch) if not single else (
        _as_lengths("input_lengths", _one(input_lengths), batch)
    )  # fmt: skip
    labels = _as_lengths(
        "target_lengths", _one(target_lengths) if single else target_lengths, batch
    )
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    if any(n > time for n in lengths):
        worst = next(n for n in lengths if n > time)
        raise RuntimeError(
            f"Expected input_lengths to have value at most {time}, but got value {worst} (while "
            "checking arguments for ctc_loss_allocate_outputs)"
        )
    parts = _split_targets(targets, labels)
    losses = apply(CTC, (log_probs,), parts, lengths, blank, zero_infinity)
    if zero_infinity:
        finite = ~np.isinf(losses._array)
        if not finite.all():
            losses = apply(ZERO_WHERE, (losses,), ~finite)
    if reduction == "mean":
        sizes = np.maximum(np.asarray(labels), 1).astype(losses._array.dtype)
        return mean(div(losses, wrap(sizes)))
    if reduction == "sum":
        return sum(losses)
    return squeeze(losses, 0) if single else losses


def _one(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value._array.reshape(-1).tolist()
    return [value] if isinstance(value, int) else value


ZERO_WHERE = Primitive(
    "zero_where",
    lambda a, places: np.where(places, a.dtype.type(0), a),
    params=("places",),
    vjp={"input": lambda g, places: mul(g, wrap((~places).astype(g._array.dtype)))},
)
