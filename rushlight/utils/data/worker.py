"""What runs in a worker process of the loader, and what it sends back."""

import os
import random
import sys
import traceback
from collections import deque
from typing import Any

import numpy as np

from rushlight.core.generator import default_generator
from rushlight.runtime import threads
from rushlight.utils.data.fetch import ITERABLE, create_fetcher

CHECK_INTERVAL_S = 5.0  # PyTorch's: how often each side looks whether the other one is alive


class WorkerInfo:
    """About the worker process that asks.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what its generators were seeded with.
        dataset: its copy of the data set.
    """

    __slots__ = ("dataset", "id", "num_workers", "rng", "seed", "worker_method")

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        for name, value in (
            ("id", id), ("num_workers", num_workers), ("seed", seed), ("dataset", dataset),
            ("rng", None), ("worker_method", "multiprocessing"),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"cannot assign to field '{name}'")

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in
                           ("id", "num_workers", "seed", "dataset", "rng", "worker_method"))  # fmt: skip
        return f"WorkerInfo({fields})"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The WorkerInfo of this worker process; None in the main process."""
    return _worker_info


class KeyErrorMessage(str):
    """A message that KeyError shows as it is, not quoted."""

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """An exception that happened in another process, as its type and the text of its traceback."""

    def __init__(self, where: str) -> None:
        kind, value, trace = sys.exc_info()
        self.exc_type = kind
        self.exc_msg = "".join(traceback.format_exception(kind, value, trace))
        self.where = where

    def reraise(self) -> None:
        """Raises it here; as RuntimeError if its type cannot be made from a message alone."""
        kind: Any = self.exc_type
        text = f"Caught {kind.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if kind is KeyError:
            raise KeyError(KeyErrorMessage(text))
        if getattr(kind, "message", None):
            raise kind(message=text)
        try:
            error = kind(text)
        except Exception:
            raise RuntimeError(text) from None
        raise error


class EndOfStream:
    """Sent by a worker whose part of an IterableDataset is exhausted."""


class Resume:
    """Sent to a persistent worker before a new epoch, and back by it."""


def numpy_seed(base_seed: int, worker_id: int) -> np.ndarray:
    """The words that seed NumPy's generator in a worker.

    PyTorch mixes the worker's number and the base seed by the algorithm of NumPy's SeedSequence.
    """
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32]
    return np.random.SeedSequence(words).generate_state(4)


class Job:
    """What a worker needs to know."""

    def __init__(self, loader: Any, base_seed: int, worker_id: int) -> None:
        self.kind = loader._dataset_kind
        self.dataset = loader.dataset
        self.auto_collation = loader._auto_collation
        self.collate_fn = loader.collate_fn
        self.drop_last = loader.drop_last
        self.init_fn = loader.worker_init_fn
        self.num_workers = loader.num_workers
        self.base_seed = base_seed
        self.worker_id = worker_id
        self.parent = os.getpid()

    def fetcher(self) -> Any:
        """A new fetcher on this process's copy of the data set."""
        return create_fetcher(
            self.kind, self.dataset, self.auto_collation, self.collate_fn, self.drop_last
        )

    def wrap_exception(self) -> ExceptionWrapper:
        """The exception being handled."""
        return ExceptionWrapper(f"in DataLoader worker process {self.worker_id}")


def seed_worker(job: Job) -> None:
    """Seeds the generators of Python, rushlight and NumPy, and fills in the WorkerInfo."""
    global _worker_info
    threads.set_num_threads(1)
    seed = job.base_seed + job.worker_id
    random.seed(seed)
    default_generator.manual_seed(seed)
    np.random.seed(numpy_seed(job.base_seed, job.worker_id))
    _worker_info = WorkerInfo(job.worker_id, job.num_workers, seed, job.dataset)


class Inbox:
    """The requests of the main process; an order to stop overtakes those before it."""

    def __init__(self, connection: Any, parent: int) -> None:
        self.connection = connection
        self.parent = parent
        self.waiting: deque[Any] = deque()

    def next(self) -> Any:
        """The next request; None to stop, also when the main process is gone."""
        while True:
            try:
                while self.connection.poll(0 if self.waiting else CHECK_INTERVAL_S):
                    request = self.connection.recv()
                    if request is None:
                        return None
                    self.waiting.append(request)
            except (EOFError, OSError):
                return None
            if self.waiting:
                return self.waiting.popleft()
            if os.getppid() != self.parent:
                return None


def work(job: Job, inbox: Inbox, outbox: Any) -> None:
    """Answers requests until told to stop. ``outbox`` is called with each answer."""
    seed_worker(job)
    failure = fetcher = None
    try:
        if job.init_fn is not None:
            job.init_fn(job.worker_id)
        fetcher = job.fetcher()
    except Exception:
        failure = job.wrap_exception()
    ended = False
    while (request := inbox.next()) is not None:
        if isinstance(request, Resume):
            ended = False
            try:
                fetcher = job.fetcher()
            except Exception:
                failure = job.wrap_exception()
            outbox((request, None))
            continue
        if ended:
            continue
        number, index = request
        answer: Any
        if failure is not None:
            answer, failure = failure, None
        else:
            try:
                answer = fetcher.fetch(index)  # type: ignore[union-attr]
            except Exception as error:
                if isinstance(error, StopIteration) and job.kind == ITERABLE:
                    answer, ended = EndOfStream(), True
                else:
                    answer = job.wrap_exception()
        outbox((number, answer))
