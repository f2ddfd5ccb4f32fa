"""LAPACK routines that NumPy does not offer, by address from OpenBLAS.

Each takes and returns C-ordered arrays of one matrix; batches are looped over by the caller.
Sources of the conventions: the LAPACK Users' Guide; arguments are all by reference, matrices are
column-major, so a transposed copy is passed.
"""

import ctypes
from typing import Any

import numpy as np

from rushlight.runtime import blas

_LETTERS = {"f4": "s", "f8": "d", "c8": "c", "c16": "z"}
_functions: dict[str, Any] = {}


def _routine(stem: str, kind: np.dtype) -> Any:
    name = _LETTERS[kind.str[1:]] + stem + "_"
    found = _functions.get(name)
    if found is None:
        found = _functions[name] = ctypes.CFUNCTYPE(None)(blas.address(name))
    return found


def _int(value: int) -> Any:
    return ctypes.byref(ctypes.c_int32(value))


def _pointer(array: np.ndarray) -> Any:
    return ctypes.c_void_p(array.ctypes.data)


def getrf(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """LU factors with partial pivoting, in one matrix; pivots counted from 1; info."""
    m, n = a.shape
    lu = np.array(a.T, order="C")  # column-major a
    pivots = np.zeros(max(min(m, n), 1), np.int32)
    info = ctypes.c_int32(0)
    if m and n:
        _routine("getrf", a.dtype)(
            _int(m), _int(n), _pointer(lu), _int(m), _pointer(pivots), ctypes.byref(info)
        )
    return np.ascontiguousarray(lu.T), pivots[: min(m, n)], info.value


def trtrs(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """Solves ``a x = b`` for a triangular ``a``; zeros on the diagonal give infinities."""
    n, k = b.shape
    x = np.array(b.T, order="C")
    if n and k:
        flat = np.array(a.T, order="C")
        _routine("trtrs", a.dtype)(
            ctypes.c_char_p(b"U" if upper else b"L"), ctypes.c_char_p(b"N"),
            ctypes.c_char_p(b"U" if unit else b"N"), _int(n), _int(k), _pointer(flat), _int(n),
            _pointer(x), _int(n), ctypes.byref(ctypes.c_int32(0)),
        )  # fmt: skip
    return np.ascontiguousarray(x.T)


def sytrf(a: np.ndarray, hermitian: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """LDL factors (lower) of a symmetric or Hermitian indefinite matrix; pivots; info."""
    n = a.shape[0]
    factors = np.array(a.T, order="C")
    pivots = np.zeros(max(n, 1), np.int32)
    info = ctypes.c_int32(0)
    if n:
        work = np.zeros(max(64 * n, 1), a.dtype)
        stem = "hetrf" if hermitian and a.dtype.kind == "c" else "sytrf"
        _routine(stem, a.dtype)(
            ctypes.c_char_p(b"L"), _int(n), _pointer(factors), _int(n), _pointer(pivots),
            _pointer(work), _int(work.size), ctypes.byref(info),
        )  # fmt: skip
    return np.ascontiguousarray(factors.T), pivots[:n], info.value


def sytrs(factors: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> np.ndarray:
    """Solves a system with the factors of ``sytrf``."""
    n, k = b.shape
    x = np.array(b.T, order="C")
    if n and k:
        flat = np.array(factors.T, order="C")
        stem = "hetrs" if hermitian and b.dtype.kind == "c" else "sytrs"
        _routine(stem, b.dtype)(
            ctypes.c_char_p(b"L"), _int(n), _int(k), _pointer(flat), _int(n),
            _pointer(np.ascontiguousarray(pivots, np.int32)), _pointer(x), _int(n),
            ctypes.byref(ctypes.c_int32(0)),
        )  # fmt: skip
    return np.ascontiguousarray(x.T)
