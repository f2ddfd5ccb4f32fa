"""Where PyTorch keeps the parts of its loader: scripts import ``collate`` from here."""

import sys

from rushlight.utils.data import collate, fetch, worker

MP_STATUS_CHECK_INTERVAL = worker.CHECK_INTERVAL_S
for _module in (collate, fetch, worker):  # the same modules under this package's name
    sys.modules[f"{__name__}.{_module.__name__.rpartition('.')[2]}"] = _module

__all__ = ["MP_STATUS_CHECK_INTERVAL", "collate", "fetch", "worker"]
