"""``torch.__config__``: what rushlight was put together from."""

import importlib.metadata
import platform

import numpy as np

from rushlight.base.version import TORCH_VERSION, __version__
from rushlight.runtime import cpu, threads


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def show() -> str:
    """A text with the versions and the machine's abilities, a line each."""
    lines = [
        "PyTorch's programming model by rushlight, with:",
        f"  - rushlight {__version__}, for programs of PyTorch {TORCH_VERSION}",
        f"  - Python {platform.python_version()} on {platform.machine()}",
        f"  - NumPy {np.__version__}",
        f"  - LLVM by llvmlite {_installed('llvmlite')}",
        f"  - OpenBLAS by scipy-openblas32 {_installed('scipy-openblas32')}",
        f"  - CPU: vectors of {cpu.vector_bytes()} bytes, {cpu.core_count()} cores",
        f"  - Build settings: TORCH_VERSION={TORCH_VERSION}, USE_CUDA=0, USE_MPI=OFF, USE_OPENMP=OFF",
    ]
    return "\n".join(lines) + "\n"


def parallel_info() -> str:
    """A text about threads."""
    return f"Threads of the kernels: {threads.get_num_threads()}\nOpenMP: not used\n"
