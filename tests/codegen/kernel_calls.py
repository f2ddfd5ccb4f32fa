"""Kernels of the loop IR called through ctypes, for the tests of this folder."""

import ctypes
from collections.abc import Iterator
from itertools import count

import numpy as np

from rushlight.codegen import cache, emit
from rushlight.codegen.loopir import Kernel
from rushlight.codegen.schedule import Target
from rushlight.runtime import cpu

_NUMBERS = {"f32": ctypes.c_float, "f64": ctypes.c_double, "i64": ctypes.c_int64}
_unique: Iterator[int] = count()


def targets() -> list[Target]:
    """Every way of laying out vectors that this machine can run."""
    wide = cpu.vector_bytes()
    masked = [Target(size, True) for size in (32, 64) if size <= wide]
    return [Target(16, False), *masked]


def compiled(kernel: Kernel, target: Target) -> ctypes._CFuncPtr:
    """The kernel's machine code."""
    types = [ctypes.c_void_p if p.role != "scalar" else _NUMBERS[p.dtype] for p in kernel.params]
    key = f"{kernel.text()} {target} {next(_unique)}"
    code = cache.load(kernel.name, key, lambda: emit.emit([kernel], target), [kernel.name])
    return ctypes.CFUNCTYPE(ctypes.c_int64, *types)(code[kernel.name])


def call(function: ctypes._CFuncPtr, kernel: Kernel, arguments: list[object]) -> int:
    """Call machine code on arrays and numbers."""
    given = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments]
    return int(function(*given))
