"""Where PyTorch keeps the parts of its loader; scripts import ``collate`` from here."""

from rushlight.utils.data import collate, fetch, worker

MP_STATUS_CHECK_INTERVAL = worker.CHECK_INTERVAL_S

__all__ = ["MP_STATUS_CHECK_INTERVAL", "collate", "fetch", "worker"]
