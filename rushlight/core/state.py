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
_inference_threads = 0
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
    global _inference_threads
    if on != state.inference:
        state.inference = on
        _inference_threads += 1 if on else -1
        if guard is not None:
            guard[0] = _inference_threads


def set_anomaly(on: bool, check_nan: bool) -> None:
    """Sets anomaly mode, for all threads."""
    defaults.anomaly, defaults.anomaly_nan = on, check_nan
    if guard is not None:
        guard[2] = int(on)


def set_guard(words: Any) -> None:
    """Connects the state with the words of generated code."""
    global guard
    guard = words
    words[0] = _inference_threads
    words[2] = int(defaults.anomaly)
    publish()
