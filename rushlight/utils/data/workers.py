"""Iterating a loader with worker processes.

Note [Workers]
Each worker has a socket pair of its own to the main process: requests go one way, batches the
other. There are no shared queues and locks, which a killed process could leave held or half
written. The main process waits on the worker whose turn it is and on the end of any of them, so a
killed worker is noticed at once. A worker sends from a thread, so it is always ready to take the
next request, and the main process never waits for long to place one. Workers are daemons: when the
program ends in whatever way, they are ended. A worker whose parent vanished finds out by looking.
"""

import contextlib
import itertools
import multiprocessing
import os
import queue
import select
import signal
import sys
import threading
import warnings
from multiprocessing import connection
from typing import Any

from rushlight.utils.data.iterator import _BaseDataLoaderIter
from rushlight.utils.data.transport import Message, receive
from rushlight.utils.data.worker import (
    CHECK_INTERVAL_S,
    EndOfStream,
    ExceptionWrapper,
    Inbox,
    Job,
    Resume,
    work,
)


def default_context() -> Any:
    """``fork`` on Linux, unless the program chose a start method; Python's choice elsewhere."""
    chosen = multiprocessing.get_start_method(allow_none=True)
    if chosen is None and sys.platform == "linux":
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context()


def check_context(context: Any, num_workers: int) -> Any:
    """The context for ``multiprocessing_context=``; ValueError or TypeError if it is none."""
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with "
            f"multi-process loading (num_workers > 0), but got num_workers={num_workers}"
        )
    if isinstance(context, str):
        valid = multiprocessing.get_all_start_methods()
        if context not in valid:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {valid!r}, "
                f"but got multiprocessing_context={context!r}"
            )
        context = multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    return context


def _packed(job: Job, answer: tuple[Any, Any]) -> Message:
    """The message for an answer; if it cannot be pickled, for the exception that this raised."""
    try:
        return Message(answer)
    except Exception:
        failure = answer[1] if isinstance(answer[1], ExceptionWrapper) else job.wrap_exception()
    try:
        return Message((answer[0], failure))
    except Exception:  # an exception class that cannot be found by name
        failure.where = f"({failure.exc_type.__name__}) {failure.where}"  # type: ignore[union-attr]
        failure.exc_type = RuntimeError
        return Message((answer[0], failure))


def _send_all(outgoing: Any, pipe: Any) -> None:
    try:
        while True:
            outgoing.get().send(pipe)
    except OSError:
        return  # the main process is gone, or no longer interested


def run_worker(job: Job, pipe: Any, others: list[Any]) -> None:
    """The main function of a worker process."""
    for other in others:  # the main process's ends, which fork copied
        other.close()
    outgoing: Any = queue.SimpleQueue()
    threading.Thread(target=_send_all, args=(outgoing, pipe), daemon=True).start()
    parent = job.parent if job.parent == os.getppid() else os.getppid()
    with contextlib.suppress(KeyboardInterrupt):  # the main process gets it as well
        work(job, Inbox(pipe, parent), lambda answer: outgoing.put(_packed(job, answer)))


class _Worker:
    """A worker process, as the main process sees it."""

    def __init__(self, context: Any, job: Job, others: list[Any]) -> None:
        self.pipe, theirs = context.Pipe()
        copies = [*others, self.pipe] if context.get_start_method() == "fork" else []
        self.process = context.Process(target=run_worker, args=(job, theirs, copies), daemon=True)
        self.active = True  # takes requests
        try:
            with warnings.catch_warnings():
                # Python warns of forks in programs with threads; ours are paused meanwhile.
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                self.process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()

    def stop(self) -> None:
        """Asks the process to end."""
        self.active = False
        try:
            if select.select([], [self.pipe], [], 0)[1]:
                self.pipe.send(None)
            else:  # it has not taken requests for long
                self.process.terminate()
        except (OSError, ValueError):
            pass

    def end(self) -> None:
        """Waits until the process has ended, for a while; then ends it."""
        self.process.join(CHECK_INTERVAL_S)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(CHECK_INTERVAL_S)
        self.pipe.close()

    def cause_of_death(self) -> RuntimeError:
        """What is known about the end of the process."""
        pid, code = self.process.pid, self.process.exitcode
        if code is not None and code < 0:
            text = signal.strsignal(-code) or f"signal {-code}"
            return RuntimeError(f"DataLoader worker (pid {pid}) is killed by signal: {text}. ")
        return RuntimeError(
            f"DataLoader worker (pid {pid}) exited unexpectedly with exit code {code}. Details "
            "are lost due to multiprocessing. Rerunning with num_workers=0 may give better "
            "error trace."
        )


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Batches from worker processes, in the order of the sampler (or, if asked, as they come)."""

    _workers: list[_Worker] = []  # noqa: RUF012  (what __del__ finds if __init__ fails early)
    _ended = True

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = loader.in_order
        context = loader.multiprocessing_context or default_context()
        self._workers = []
        self._pid = os.getpid()
        self._ended = False
        for number in range(self._num_workers):
            job = Job(loader, self._base_seed, number)
            self._workers.append(_Worker(context, job, [w.pipe for w in self._workers]))
        self._reset(loader, first_iter=True)

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        super()._reset(loader, first_iter)
        self._sent = self._received = 0  # numbers of the next request, of the next batch
        self._owner: dict[int, int] = {}  # request: the worker that it went to
        self._ready: dict[int, Any] = {}  # batches that came before their turn
        self._load = [0] * self._num_workers
        self._turns = itertools.cycle(range(self._num_workers))
        if not first_iter:
            self._resume()
        for _ in range(self._prefetch_factor * self._num_workers):
            self._request()

    def _resume(self) -> None:
        """Has the persistent workers begin a new epoch; drops what is left of the last one."""
        for worker in self._workers:
            worker.active = True
            self._place(worker, Resume())
        for number in range(self._num_workers):
            while not isinstance(self._receive([number])[1][0], Resume):
                pass

    def _place(self, worker: _Worker, request: Any) -> None:
        try:
            worker.pipe.send(request)
        except OSError:
            self._report_dead([worker])

    def _request(self) -> None:
        """Asks the next worker for the next batch, if there are more."""
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        capacity = self._prefetch_factor * self._num_workers
        for _ in range(self._num_workers):
            number = next(self._turns)
            worker = self._workers[number]
            if worker.active and (
                self._in_order
                or self._load[number] < capacity // sum(w.active for w in self._workers)
            ):
                break
        else:
            return
        self._owner[self._sent] = number
        self._load[number] += 1
        self._sent += 1
        self._place(worker, (self._sent - 1, index))

    def _next_data(self) -> Any:
        while True:
            self._skip_ended()
            if self._received in self._ready:
                return self._finish(self._received, self._ready.pop(self._received))
            turn = self._owner[self._received]
            if self._in_order:
                candidates = [turn]
            else:
                candidates = [i for i, w in enumerate(self._workers) if w.active]
            number, (request, data) = self._receive(candidates)
            if isinstance(data, EndOfStream):
                worker = self._workers[number]
                worker.active = False
                if not self._persistent_workers:
                    worker.stop()
                self._request()
            elif request == self._received or not self._in_order:
                return self._finish(request, data)
            else:
                self._ready[request] = data

    def _skip_ended(self) -> None:
        """Moves on to a batch that will come; StopIteration if there is none."""
        while self._received < self._sent:
            owner = self._owner.get(self._received)
            if owner is not None:
                if self._received in self._ready or self._workers[owner].active:
                    return
                del self._owner[self._received]
            self._received += 1
        if not self._persistent_workers:
            self._shutdown_workers()
        raise StopIteration

    def _finish(self, request: int, data: Any) -> Any:
        self._load[self._owner.pop(request)] -= 1
        if request == self._received:
            self._received += 1
        self._request()
        if isinstance(data, ExceptionWrapper):
            data.reraise()
        return data

    def _receive(self, candidates: list[int]) -> tuple[int, Any]:
        """The next answer of one of these workers, and which it was."""
        workers = self._workers
        if len(candidates) == 1 and workers[candidates[0]].pipe.poll(0):
            return candidates[0], self._read(workers[candidates[0]])
        by_pipe = {workers[i].pipe: i for i in candidates}
        while True:
            ends = {w.process.sentinel: w for w in workers if w.active}
            ready = connection.wait([*by_pipe, *ends], self._timeout or CHECK_INTERVAL_S)
            for thing in ready:
                if thing in by_pipe:
                    number = by_pipe[thing]  # type: ignore[index]
                    return number, self._read(workers[number])
            if ready:
                self._report_dead([ends[thing] for thing in ready])  # type: ignore[index]
            elif self._timeout:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def _read(self, worker: _Worker) -> Any:
        try:
            return receive(worker.pipe)
        except (EOFError, OSError):
            return self._report_dead([worker])

    def _report_dead(self, workers: list[_Worker]) -> None:
        for worker in workers:
            worker.process.join(CHECK_INTERVAL_S)
            worker.active = False
        pids = ", ".join(str(w.process.pid) for w in workers)
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from workers[
            0
        ].cause_of_death()

    def _shutdown_workers(self) -> None:
        if self._ended or os.getpid() != self._pid:
            return
        self._ended = True
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.end()

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self._shutdown_workers()
