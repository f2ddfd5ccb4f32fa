"""Getting the samples of a batch out of a data set."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.utils.data.batch import Samples, as_list
from rushlight.utils.data.collate import default_collate

MAP, ITERABLE = 0, 1  # the kinds of data set


def batch_method(dataset: Any) -> Any:
    """``dataset.__getitems__`` if the data set has it and it is meant for this very object."""
    method = getattr(dataset, "__getitems__", None)
    if method is not None and is_whole_batch(method) and method.__self__ is not dataset:
        return None  # found through a wrapper's __getattr__: it would skip the wrapper
    return method or None


def is_whole_batch(method: Any) -> bool:
    """Whether ``method`` is one of Note [Whole batches]."""
    return getattr(method, "whole_batch", False)


class MapFetcher:
    """Samples by index."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.collate_fn = collate_fn
        self.auto_collation = auto_collation
        self.method = batch_method(dataset) if auto_collation else None
        self.takes_arrays = is_whole_batch(self.method)

    def fetch(self, index: Any) -> Any:
        """The batch for the indices ``index`` (the sample, where nothing is batched)."""
        if not self.auto_collation:
            return self.collate_fn(self.dataset[index])
        if self.method is None:
            dataset = self.dataset
            return self.collate_fn([dataset[i] for i in index])
        samples = self.method(index)
        if type(samples) is Samples and self.collate_fn is not default_collate:
            samples = list(samples)
        return self.collate_fn(samples)


class IterableFetcher:
    """Samples in the order of the stream."""

    takes_arrays = False

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.stream = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        """The next batch (or sample); StopIteration at the end of the stream."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.stream))
        samples = []
        for _ in index:
            try:
                samples.append(next(self.stream))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(index)):
            raise StopIteration
        return self.collate_fn(samples)


def create_fetcher(
    kind: int,
    dataset: Any,
    auto_collation: bool,
    collate_fn: Callable[[Any], Any],
    drop_last: bool,
) -> MapFetcher | IterableFetcher:
    """The fetcher for the kind of data set."""
    fetcher = MapFetcher if kind == MAP else IterableFetcher
    return fetcher(dataset, auto_collation, collate_fn, drop_last)


def plain_index(index: Any) -> Any:
    """An index as PyTorch hands it on: lists, not arrays."""
    return as_list(index) if isinstance(index, np.ndarray) else index
