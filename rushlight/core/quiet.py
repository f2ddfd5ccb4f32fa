"""The same as ``base.quiet``."""

from rushlight.base.quiet import quiet

__all__ = ["quiet"]
