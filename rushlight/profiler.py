"""``torch.profiler``: operations are not recorded; ranges can be marked and have no effect."""

from enum import Enum

from rushlight.autograd.profiler import record_function
from rushlight.base.errors import refused

_WHY = "use cProfile or a sampling profiler: operations are Python functions"
profile = refused("torch.profiler.profile", _WHY)
schedule = refused("torch.profiler.schedule", _WHY)
tensorboard_trace_handler = refused("torch.profiler.tensorboard_trace_handler", _WHY)


class ProfilerActivity(Enum):
    """What could be recorded."""

    CPU = 0
    XPU = 1
    CUDA = 2


__all__ = [
    "ProfilerActivity", "profile", "record_function", "schedule", "tensorboard_trace_handler",
]  # fmt: skip
