"""Losses and norms of ``torch`` itself, whose reduction is a number: 0 "none", 1 "mean", 2 "sum".

``torch.nn.functional`` has the same losses with names for the reductions.
"""

from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import wrap_dims
from rushlight.ops.linalg_norm import matrix_norm, old_norm, vector_norm
from rushlight.ops.loss import kl_div as named_kl_div
from rushlight.ops.loss import poisson_nll_loss as named_poisson_nll_loss
from rushlight.ops.loss import reduce_loss
from rushlight.ops.margin import cosine_embedding_loss as named_cosine_embedding_loss
from rushlight.ops.margin import hinge_embedding_loss as named_hinge_embedding_loss
from rushlight.ops.margin import margin_ranking_loss as named_margin_ranking_loss
from rushlight.ops.margin import triplet_margin_loss as named_triplet_margin_loss

_REDUCTIONS = ("none", "mean", "sum")


def _name(reduction: int) -> str:
    if reduction not in (0, 1, 2):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _REDUCTIONS[reduction]


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """As ``nn.functional.cosine_embedding_loss``, with a number for the reduction."""
    return named_cosine_embedding_loss(input1, input2, target, margin, reduction=_name(reduction))


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 1
) -> Tensor:
    """As ``nn.functional.hinge_embedding_loss``, with a number for the reduction."""
    return named_hinge_embedding_loss(input, target, margin, reduction=_name(reduction))


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """As ``nn.functional.margin_ranking_loss``, with a number for the reduction."""
    return named_margin_ranking_loss(input1, input2, target, margin, reduction=_name(reduction))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 1,
) -> Tensor:
    """As ``nn.functional.triplet_margin_loss``, with a number for the reduction."""
    return named_triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_name(reduction)
    )


def kl_div(
    input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False
) -> Tensor:
    """As ``nn.functional.kl_div``, with a number for the reduction."""
    values = named_kl_div(input, target, reduction="none", log_target=log_target)
    return reduce_loss(values, _name(reduction))


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """As ``nn.functional.poisson_nll_loss``, with a number for the reduction."""
    return named_poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=_name(reduction)
    )


def frobenius_norm(
    input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The root of the sum of squares over one or two dims."""
    return vector_norm(input, 2, wrap_dims(dim, input._array.ndim), keepdim, out=out)


def nuclear_norm(
    input: Tensor, dim: Any = (-2, -1), keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The sum of the singular values of matrices."""
    if isinstance(dim, bool):  # nuclear_norm(input, keepdim)
        dim, keepdim = (-2, -1), dim
    return matrix_norm(input, "nuc", dim, keepdim, out=out)


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all dims but one, which keep size 1; -1: over all."""
    ndim = v._array.ndim
    if dim == -1:
        return old_norm(v, pow)
    others = [d for d in range(ndim) if d != dim % ndim]
    return vector_norm(v, pow, others, keepdim=True)
