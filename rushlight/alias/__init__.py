"""``import torch`` without PyTorch: see :func:`install`."""

from rushlight.alias.finder import install, installed, uninstall

__all__ = ["install", "installed", "uninstall"]
