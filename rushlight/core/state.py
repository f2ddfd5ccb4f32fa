"""State of the running program: what is per thread, and PyTorch's few global defaults."""

import threading

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
