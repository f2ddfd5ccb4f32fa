"""The project's version, and the version of PyTorch whose behaviour it follows."""

__version__ = "0.1.0"
TORCH_VERSION = "2.13.0"
