"""Samplers: the order in which the loader visits a data set."""

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from types import GenericAlias
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.generator import Generator
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops.creation import as_tensor
from rushlight.ops.random import multinomial, randint, randperm


def draw_seed(generator: Generator | None = None) -> int:
    """A non-negative 63-bit number, drawn as PyTorch draws the loader's and the sampler's seeds."""
    return int(wrap(np.empty((), np.int64)).random_(generator=generator).item())


class Sampler:
    """An iterable over indices (or lists of them). Subclasses define ``__iter__``."""

    __class_getitem__ = classmethod(GenericAlias)

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError


class SequentialSampler(Sampler):
    """The indices in their order.

    Examples::

        >>> list(torch.utils.data.SequentialSampler("abc"))
        [0, 1, 2]
    """

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """The indices in random order, or drawn with replacement.

    Args:
        data_source: anything with a length.
        replacement: whether an index may come twice.
        num_samples: how many to draw; default: as many as the data source has.
        generator: default: a new one for each epoch, seeded by a draw from the default generator.
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, but got "
                f"num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def _epoch_generator(self) -> Generator:
        if self.generator is not None:
            return self.generator
        generator = Generator()
        generator.manual_seed(draw_seed())
        return generator

    def blocks(self) -> Iterator[np.ndarray]:
        """The indices, in arrays. Each is drawn when PyTorch draws it."""
        n = len(self.data_source)
        generator = self._epoch_generator()
        total = self.num_samples
        if self.replacement:
            for size in [32] * (total // 32) + [total % 32]:
                yield randint(high=n, size=(size,), generator=generator)._array
            return
        for _ in range(total // n):
            yield randperm(n, generator=generator)._array
        if total % n or self.generator is not None:  # drawn for nothing else
            yield randperm(n, generator=generator)._array[: total % n]

    def __iter__(self) -> Iterator[int]:
        for block in self.blocks():
            yield from block.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in random order."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices drawn with probabilities in proportion to ``weights``.

    Args:
        weights: one non-negative number for each index.
        num_samples: how many to draw.
        replacement: whether an index may come twice.
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_positive("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        tensor = as_tensor(weights, dtype=dtypes.float64)
        if tensor.ndim != 1:
            raise ValueError(
                "weights should be a 1d sequence but given "
                f"weights have shape {tuple(tensor.shape)}"
            )
        self.weights = tensor
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


def _check_positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


class BatchSampler(Sampler):
    """Lists of ``batch_size`` indices that another sampler (or iterable) gives.

    Args:
        drop_last: drop the last list if it is shorter.

    Examples::

        >>> list(torch.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_positive("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        total = len(self.sampler)  # type: ignore[arg-type]
        if self.drop_last:
            return total // self.batch_size
        return (total + self.batch_size - 1) // self.batch_size


def index_arrays(sampler: Any) -> Iterator[np.ndarray] | None:
    """The batches of a plain BatchSampler as arrays; None if it is of any other kind.

    The same indices as by iteration, drawn at the same moments, without a Python int for each.
    """
    if type(sampler) is not BatchSampler:
        return None
    inner = sampler.sampler
    if type(inner) is SequentialSampler:
        order = np.arange(len(inner))
        return _cut(iter((order,)), sampler.batch_size, sampler.drop_last)
    if type(inner) is RandomSampler and not inner.replacement:
        return _cut(inner.blocks(), sampler.batch_size, sampler.drop_last)
    return None


def _cut(blocks: Iterator[np.ndarray], size: int, drop_last: bool) -> Iterator[np.ndarray]:
    rest: np.ndarray | None = None
    for block in blocks:
        if rest is not None and len(rest):
            block = np.concatenate((rest, block))
        end = len(block) - len(block) % size
        for start in range(0, end, size):
            yield block[start : start + size]
        rest = block[end:]
    if rest is not None and len(rest) and not drop_last:
        yield rest
