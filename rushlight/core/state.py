"""State of the running program: what is per thread, and PyTorch's few global defaults."""

import os
import threading
from threading import get_ident
from typing import Any

from rushlight.base import dtypes


class ThreadState(threading.local):
    """Per thread, as in PyTorch; the class attributes are a new thread's values."""

    grad_enabled: bool = True
    inference: bool = False
    backward_roots: Any = None  # where the running backward pass began, if somebody may ask
    waiting: Any = None  # the gradients of leaves with hooks, until all parts of them are there
    saved_hooks: tuple[Any, ...] = ()  # (pack, unpack) pairs of autograd.graph, the innermost last
    thread: object = None  # notices the thread's end
    recorder: object = None  # set by a capture: called with each primitive that runs


class Defaults:
    """Global settings that PyTorch shares between threads."""

    dtype: dtypes.dtype = dtypes.float32
    complex_dtype: dtypes.dtype = dtypes.complex64
    deterministic: bool = False
    anomaly: bool = False
    anomaly_nan: bool = True
    exact_convolution: bool = False  # True: no Winograd


state = ThreadState()
defaults = Defaults()

# Words that generated code looks at (see codegen.builtin.Guard), once there is some: whether every
# call must go through Python, the thread in which gradients are off (-1: several), anomaly mode.
guard: Any = None
python_calls = [0]  # how many threads are in inference mode, use hooks on saved tensors, ...
off: set[int] = set()  # the threads in which gradients are off


class _Thread:
    """Lives as long as a thread that ever switched gradients off."""

    def __init__(self) -> None:
        self.ident = get_ident()

    def __del__(self) -> None:
        off.discard(self.ident)  # another thread may get its identity
        publish()


def publish() -> None:
    """Tells generated code in which thread gradients are off; it has a version of its own."""


def _after_fork() -> None:
    off.intersection_update({get_ident()})  # the other threads stayed behind
    publish()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def set_grad(enabled: bool) -> None:
    """Sets gradient recording for this thread. The only way to do it."""
    if enabled is state.grad_enabled:
        return
    state.grad_enabled = enabled
    if state.thread is None:
        state.thread = _Thread()
    if enabled:
        off.discard(get_ident())
    else:
        off.add(get_ident())
    publish()


def set_inference(on: bool) -> None:
    """Sets inference mode for this thread; while any thread is in it, calls go through Python."""
    if on != state.inference:
        state.inference = on
        count_python_calls(1 if on else -1)


def set_saved_hooks(hooks: tuple[Any, ...]) -> None:
    """Sets this thread's hooks on saved tensors; while there are any, calls go through Python."""
    count_python_calls(bool(hooks) - bool(state.saved_hooks))
    state.saved_hooks = hooks


def count_python_calls(change: int) -> None:
    """Adds to the number of threads whose calls must go through Python."""
    python_calls[0] += change
    if guard is not None:
        guard[0] = python_calls[0]


def set_anomaly(on: bool, check_nan: bool) -> None:
    """Sets anomaly mode, for all threads."""
    defaults.anomaly, defaults.anomaly_nan = on, check_nan
    if guard is not None:
        guard[2] = int(on)


def set_guard(words: Any) -> None:
    """Connects the state with the words of generated code."""
    global guard
    guard = words
    words[0] = python_calls[0]
    words[2] = int(defaults.anomaly)
    publish()
