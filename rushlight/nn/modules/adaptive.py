"""Softmax over very many classes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rushlight.core.tensor import Tensor
from rushlight.nn import functional as F
from rushlight.nn.modules.container import ModuleList, Sequential
from rushlight.nn.modules.linear import Linear
from rushlight.nn.modules.module import Module
from rushlight.ops._late import late

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax in which rare classes are grouped into clusters with smaller projections.

    From "Efficient softmax approximation for GPUs", Grave et al., 2017. Classes are numbered by
    falling frequency.

    Args:
        in_features, n_classes: size of the input, number of classes.
        cutoffs: where the clusters begin.
        div_value: by what factor the projections get smaller from cluster to cluster.
        head_bias: whether the first layer has a bias.

    Shape:
        input ``(N, in_features)``, target ``(N)``; output ``(N)``, the log probabilities of the
        targets, and the loss, their negative mean.

    Examples::

        >>> layer = nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs=[5, 10])
        >>> layer(torch.zeros(4, 16), torch.tensor([0, 6, 3, 19])).output.shape
        torch.Size([4])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        increasing = cutoffs == sorted(set(cutoffs))
        if (
            not increasing
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an "
                "increasing order, where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, False, device, dtype),
                    Linear(hidden, size, False, device, dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draws new initial values."""
        self.head.reset_parameters()
        for first, second in self.tail:  # type: ignore[misc]
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> _ASMoutput:
        self._check(input_, target_)
        batched = target_.ndim > 0
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        head = F.log_softmax(self.head(input), dim=1)
        rows_used = 0
        place = target.clone()  # of each target in the head: itself, or its cluster
        inside: list[Any] = []  # rows and log probabilities within their cluster
        low = 0
        for i, high in enumerate(self.cutoffs):
            mask = (target >= low) & (target < high)
            rows = mask.nonzero().squeeze(1)
            if rows.numel():
                rows_used += rows.numel()
                if i > 0:
                    place = place.index_fill(0, rows, self.shortlist_size + i - 1)
                    cluster = F.log_softmax(self.tail[i - 1](input.index_select(0, rows)), dim=1)
                    wanted = (target.index_select(0, rows) - low).unsqueeze(1)
                    inside.append((rows, cluster.gather(1, wanted).squeeze(1)))
            low = high
        if rows_used != target.shape[0]:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        output = head.gather(1, place.unsqueeze(1)).squeeze(1)
        for rows, values in inside:
            output = output.index_add(0, rows, values)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    @staticmethod
    def _check(input: Any, target: Any) -> None:
        if target.ndim == 1:
            if input.shape[0] != target.shape[0]:
                raise RuntimeError(
                    "Input and target should have the same size in the batch dimension."
                )
            if input.ndim != 2:
                raise RuntimeError(
                    "1D target tensor expects 2D input tensors, but found inputs with size "
                    f"{input.shape}"
                )
        elif target.ndim == 0:
            if input.ndim != 1:
                raise RuntimeError(
                    "0D target tensor expects 1D input tensors, but found inputs with size "
                    f"{input.shape}"
                )
        else:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")

    def log_prob(self, input: Any) -> Any:
        """The log probabilities of all classes: ``(N, n_classes)``."""
        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            cluster = F.log_softmax(self.tail[i](input), dim=1)
            parts.append(cluster + head[:, self.shortlist_size + i].unsqueeze(1))
        return late.cat(parts, dim=1)

    def predict(self, input: Any) -> Any:
        """The class with the largest probability, for each row."""
        best = late.argmax(self.head(input), dim=1)
        if not bool((best >= self.shortlist_size).any()):
            return best
        everywhere = late.argmax(self.log_prob(input), dim=1)
        return late.where(best < self.shortlist_size, best, everywhere)
