"""State of the running program: what is per thread, and PyTorch's few global defaults."""

import threading
from threading import get_ident
from typing import Any

from rushlight.base import dtypes


class ThreadState(threading.local):
    """Per thread, as in PyTorch; the class attributes are a new thread's values."""

    grad_enabled: bool = True
    inference: bool = False
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

# Two words that generated code looks at (see codegen.builtin.Guard), once there is some:
# whether every call must go through Python, and the one thread in which gradients are off.
guard: Any = None
_inference_threads = 0


def set_grad(enabled: bool) -> None:
    """Sets gradient recording for this thread. The only way to do it."""
    state.grad_enabled = enabled
    if guard is not None:
        guard[1] = 0 if enabled else get_ident()


def set_inference(on: bool) -> None:
    """Sets inference mode for this thread; while any thread is in it, calls go through Python."""
    global _inference_threads
    if on != state.inference:
        state.inference = on
        _inference_threads += 1 if on else -1
        if guard is not None:
            guard[0] = _inference_threads


def set_guard(words: Any) -> None:
    """Connects the state with the words of generated code."""
    global guard
    guard = words
    words[0] = _inference_threads
    set_grad(state.grad_enabled)
