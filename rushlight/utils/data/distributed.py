"""The sampler that shares a data set out between processes."""

import importlib
import math
from collections.abc import Iterator
from typing import Any

from rushlight.core.generator import Generator
from rushlight.ops.random import randperm
from rushlight.utils.data.sampler import Sampler


def _group() -> Any:
    try:
        found = importlib.import_module("rushlight.distributed")
    except ImportError:
        found = None
    if found is None or not found.is_available():
        raise RuntimeError("Requires distributed package to be available")
    return found


class DistributedSampler(Sampler):
    """Every ``num_replicas``-th index, from ``rank`` on, of an order that all processes share.

    Args:
        num_replicas, rank: by default those of the process group.
        shuffle: whether each epoch (see ``set_epoch``) has its own random order.
        seed: of that order; the same in all processes.
        drop_last: drop the tail instead of repeating samples, so that all get as many.

    Examples::

        >>> sampler = torch.utils.data.DistributedSampler(range(5), 2, 1, shuffle=False)
        >>> list(sampler)
        [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = int(_group().get_world_size())
        if rank is None:
            rank = int(_group().get_rank())
        if rank >= num_replicas or rank < 0:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        total = len(dataset)
        if drop_last and total % num_replicas:
            total -= num_replicas
        self.num_samples = math.ceil(total / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        total = len(self.dataset)
        if self.shuffle:
            generator = Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = randperm(total, generator=generator).tolist()
        else:
            indices = list(range(total))
        missing = self.total_size - len(indices)
        if self.drop_last:
            indices = indices[: self.total_size]
        elif missing <= len(indices):
            indices += indices[:missing]
        else:
            indices += (indices * math.ceil(missing / len(indices)))[:missing]
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Call before each epoch: the shuffled order depends on it."""
        self.epoch = epoch
