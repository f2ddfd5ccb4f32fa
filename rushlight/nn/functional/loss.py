"""The loss of a linear layer and cross-entropy together."""

from typing import Any

from rushlight.base.dtypes import bfloat16, float16, float32
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor
from rushlight.ops._promote import cast
from rushlight.ops.classification import cross_entropy
from rushlight.ops.linear import linear
from rushlight.ops.shape import reshape


class LinearCrossEntropyOptions:
    """PyTorch's hints for :func:`linear_cross_entropy` about memory; they do not change results.

    Args:
        allow_retain_graph: whether a second backward pass is to be possible (here it always is).
        batch_chunk_size: how many samples to take at a time, or None.
        chunking_method: "auto", a ratio such as "1:2", or None.
        acc_policy: "accurate", "balanced", "compact" or "auto".
        acc_dtype: the dtype of sums, or None.

    Raises ValueError for values that PyTorch does not know.
    """

    __module__ = "torch.nn"

    def __init__(
        self,
        allow_retain_graph: bool = False,
        batch_chunk_size: int | None = None,
        chunking_method: str | None = "auto",
        acc_policy: str = "auto",
        acc_dtype: Dtype | None = None,
    ) -> None:
        if acc_policy not in ("accurate", "balanced", "compact", "auto"):
            raise ValueError(f"invalid acc_policy: {acc_policy!r}")
        if batch_chunk_size is not None and batch_chunk_size <= 0:
            raise ValueError(
                f"batch_chunk_size must be positive int or None, got {batch_chunk_size}"
            )
        if chunking_method is not None and not _known_method(chunking_method):
            raise ValueError(f"invalid chunking_method: {chunking_method!r}")
        self.allow_retain_graph = allow_retain_graph
        self.batch_chunk_size = batch_chunk_size
        self.chunking_method = chunking_method
        self.acc_policy = acc_policy
        self.acc_dtype = acc_dtype

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"LinearCrossEntropyOptions({values})"


def _known_method(method: str) -> bool:
    return method == "auto" or method.startswith("aspect-ratio") or ":" in method


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """:func:`cross_entropy` of ``linear(input, linear_weight, linear_bias)``.

    Args:
        options: PyTorch's hints about the use of memory; they do not change the result.
    """
    kind = input.dtype
    if options is not None and kind in (float16, bfloat16):  # sums in float32, as in PyTorch
        input, linear_weight = cast(input, float32), cast(linear_weight, float32)
        linear_bias = None if linear_bias is None else cast(linear_bias, float32)
        weight = None if weight is None else cast(weight, float32)
    shape = linear_weight.shape  # (classes, d1, ..., features)
    if len(shape) > 2:
        linear_weight = reshape(linear_weight, (-1, shape[-1]))
        if linear_bias is not None:
            linear_bias = reshape(linear_bias, (-1,))
    logits = linear(input, linear_weight, linear_bias)
    if len(shape) > 2:
        logits = reshape(logits, (*input.shape[:-1], *shape[:-1]))
    index = -100 if ignore_index is None else ignore_index
    loss = cross_entropy(
        logits, target, weight, ignore_index=index, reduction=reduction,
        label_smoothing=label_smoothing,
    )  # fmt: skip
    return cast(loss, kind)
