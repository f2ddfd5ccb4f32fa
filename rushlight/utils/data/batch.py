"""Batches that a data set serves at once.

Note [Whole batches]
PyTorch's loader asks a data set that has ``__getitems__(indices)`` for the samples of a batch and
hands the list to ``collate_fn``. The data sets here that hold their samples in one array answer
with ``Samples``, a sequence that makes each sample only when asked, by ``dataset[index]``. The
default collate function never asks: ``Samples.collated`` gathers the rows and runs the transforms on
the whole batch. So a custom ``collate_fn``, a subclass with its own ``__getitem__`` and a transform
that nobody knows all see exactly the samples that PyTorch would make.

``@whole_batch`` marks such a ``__getitems__``. The loader then may give it an array of indices
instead of a list, and does not use it through a wrapper that only forwards attributes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, wrap


class Samples(Sequence):  # type: ignore[type-arg]
    """The samples of a batch, made when asked for."""

    __slots__ = ("dataset", "gather", "indices")

    def __init__(
        self, dataset: Any, indices: Any, gather: Callable[[np.ndarray], Any | None]
    ) -> None:
        self.dataset = dataset
        self.indices = indices
        self.gather = gather

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self.dataset[i] for i in as_list(self.indices[position])]
        return self.dataset[int(self.indices[position])]

    def __iter__(self) -> Iterator[Any]:
        dataset = self.dataset
        for i in as_list(self.indices):
            yield dataset[i]

    def collated(self) -> Any | None:
        """What ``default_collate`` makes of the samples; None if only one by one will do."""
        indices = self.indices
        if type(indices) is not np.ndarray:
            try:
                indices = np.array(indices)
            except ValueError:
                return None
            if indices.dtype.kind not in "iu" or indices.ndim != 1:
                return None
        if not len(indices):
            return None
        return self.gather(indices)


def whole_batch(function: Any) -> Any:
    """Marks a ``__getitems__`` that answers with ``Samples`` (see Note [Whole batches])."""
    function.whole_batch = True
    return function


def as_list(indices: Any) -> list[int]:
    """Indices as Python ints."""
    return indices.tolist() if isinstance(indices, np.ndarray) else indices


def take_rows(tensor: Any, indices: np.ndarray) -> np.ndarray | None:
    """The rows of a tensor that has no history; None if it has, or if an index is out of range."""
    if type(tensor) is not Tensor or tensor._edge is not None or not tensor._array.ndim:
        return None
    try:
        return tensor._array.take(indices, 0)
    except IndexError:
        return None


def gather_tensors(tensors: Sequence[Any], indices: np.ndarray) -> list[Tensor] | None:
    """The same rows of several tensors, each as one new tensor."""
    result = []
    for t in tensors:
        rows = take_rows(t, indices)
        if rows is None:
            return None
        result.append(wrap(rows))
    return result
