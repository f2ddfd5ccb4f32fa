"""``torch.nn.parallel``: on the CPU one replica does all the work."""

from rushlight.nn.parallel.data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
