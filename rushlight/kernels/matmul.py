"""Matrix products on NumPy arrays: ``matmul2d``, ``bmm``, ``linear`` and its gradients.

float32 and float64 go to BLAS from generated code, transposed operands without copies.
Half-precision operands (float16, bfloat16, float8) are multiplied in float32 and rounded once.
Call the functions through the module: their first call puts a builtin in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache as remembered
from functools import partial
from typing import Any

import numpy as np

from rushlight.base.quiet import quiet
from rushlight.codegen import builtin, cache
from rushlight.kernels import _columns_ir, _context, _emit, _matmul_ir, _panel_ir
from rushlight.runtime import blas

_BLAS_KINDS = frozenset("fdFD")


def widened(dtype: np.dtype) -> np.dtype | None:
    """Return the dtype that products of ``dtype`` accumulate in, or None if it is its own.

    float16 and the ``ml_dtypes`` floats (kind ``V``) have no BLAS; they accumulate in float32.
    """
    if dtype.char in _BLAS_KINDS or dtype.kind in "iubc" or dtype.char == "g":
        return None
    return np.dtype(np.float32)


def _address(export: str, kind: str) -> int:
    """Return where a function of the products' module is, for floats of ``kind``."""
    lanes = _context.width() // (1 if kind == _emit.F32 else 2)
    name = "sgemm" if kind == _emit.F32 else "dgemm"
    key = f"{lanes} {cache.emitter_hash(_emit, _matmul_ir)}"
    exports = ["gemm", "stack", "gradients"]
    make = partial(_matmul_ir.gemm_ir, kind, lanes)
    return cache.load(name, key, make, exports, {f"cblas_{name}": blas.address(name)})[export]


def _typed(name: str, signature: str, export: str, fallback: Callable[..., Any]) -> Any:
    """Return a builtin for float32, then float64, then the fallback; DT stands for the dtype."""
    if not _context.available():
        return fallback
    doubles: list[Callable[..., Any]] = []

    def other(*args: Any) -> Any:
        if args[0].dtype != np.float64:
            return fallback(*args)
        if not doubles:
            double = partial(_address, export, _emit.F64)
            text = signature.replace("DT", "f64")
            doubles.append(builtin.builtin(name, text, double, fallback))
        return doubles[0](*args)

    text = signature.replace("DT", "f32")
    return builtin.builtin(name, text, partial(_address, export, _emit.F32), other)


def _is_transposed(a: np.ndarray) -> bool:
    return a.ndim >= 2 and a.swapaxes(-1, -2).flags.c_contiguous


def _native_pair(a: np.ndarray, b: np.ndarray) -> bool:
    same = a.dtype == b.dtype and a.dtype.char in "fd" and a.shape[:-2] == b.shape[:-2]
    return same and a.ndim >= 2 and a.size > 0 and b.size > 0 and _context.available()


def _stored(a: np.ndarray) -> tuple[int, np.ndarray]:
    """Return whether ``a`` is stored transposed, and the contiguous array that stores it."""
    if a.flags.c_contiguous:
        return 0, a
    return (1, a.swapaxes(-1, -2)) if _is_transposed(a) else (0, np.ascontiguousarray(a))


@quiet
def _product_numpy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    wide = widened(a.dtype)
    if wide is not None:
        rounded: np.ndarray = np.matmul(a.astype(wide), b.astype(wide)).astype(a.dtype)
        return rounded
    product: np.ndarray = np.matmul(a, b)
    return product


def _product_any(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Do what the builtin for contiguous matrices of one dtype does not."""
    product: np.ndarray
    if not _native_pair(a, b) or a.shape[-1] != b.shape[-2]:
        product = _product_numpy(a, b)
        return product
    (ta, left), (tb, right) = _stored(a), _stored(b)
    # Where the builtin itself refused them, for their memory or its state, NumPy does it.
    same = left is a and right is b
    product = _product_numpy(a, b) if same else _product(ta, tb)(left, right)
    return product


@remembered
def _product(ta: int, tb: int) -> Any:
    """Return the product of contiguous stacks of matrices, some stored transposed."""
    left, right = ("k,m" if ta else "m,k"), ("n,k" if tb else "k,n")
    signature = (
        f"a: DT[...r,{left}], b: DT[...r,{right}] -> c: DT[...r,m,n];"
        f" call c, a, b, r, m, n, k, {ta}, {tb}; work r*m*n*k"
    )

    def fallback(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a = a.swapaxes(-1, -2) if ta else a
        product: np.ndarray = _product_numpy(a, b.swapaxes(-1, -2) if tb else b)
        return product

    return _typed("matmul", signature, "stack", fallback if ta or tb else _product_any)


def matmul2d(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product of two matrices of the same dtype.

    Args:
        a: matrix of shape ``(m, k)``, any strides.
        b: matrix of shape ``(k, n)``, any strides.
    """
    native = globals()["matmul2d"] = _product(0, 0)
    product: np.ndarray = native(a, b)
    return product


def bmm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the products of two stacks of matrices, ``(..., m, k)`` times ``(..., k, n)``."""
    native = globals()["bmm"] = _product(0, 0)
    product: np.ndarray = native(a, b)
    return product


def _accumulate_any(c: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    c += _product_any(a, b)
    return c


def _accumulate_address() -> int:
    tile = (16, 4, 6) if _context.width() == 16 else (8, 2, 6)
    key = f"{tile} {cache.emitter_hash(_emit, _columns_ir, _panel_ir)}"
    make = partial(_panel_ir.accumulate_ir, *tile)
    return cache.load("accumulate", key, make, ["accumulate"])["accumulate"]


def accumulate(c: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Add ``a @ b`` to ``c`` and return it; for few rows, where BLAS would mostly copy ``b``.

    Args:
        c: matrix ``(m, n)``, changed in place.
        a: matrix ``(m, k)``.
        b: matrix ``(k, n)``.
    """
    signature = (
        "c: f32[m,n]!, a: f32[m,k], b: f32[k,n] -> c; call c, a, b, m, n, k; if n >= 64; work m*n*k"
    )
    native: Any = _accumulate_any
    if _context.available():
        native = builtin.builtin("accumulate", signature, _accumulate_address, _accumulate_any)
    globals()["accumulate"] = native
    total: np.ndarray = native(c, a, b)
    return total


def _linear_any(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Do what the builtin for contiguous arrays of one dtype does not."""
    wide = widened(x.dtype)
    if wide is not None:
        return _linear_any(x.astype(wide), weight.astype(wide), bias).astype(x.dtype)
    y = _product_any(x, weight.T) if x.ndim == 2 else _product_numpy(x, weight.T)
    if bias is not None:
        y += bias
    return y


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Return ``x @ weight.T + bias``.

    Args:
        x: ``(..., in_features)``.
        weight: matrix ``(out_features, in_features)``.
        bias: vector ``(out_features,)`` or None.
    """
    signature = (
        "x: DT[...r,k], weight: DT[m,k], bias: DT[m]? -> y: DT[...r,m];"
        " call y, x, weight, bias, r, m, k, 0, 1; work r*m*k"
    )
    native = globals()["linear"] = _typed("linear", signature, "gemm", _linear_any)
    y: np.ndarray = native(x, weight, bias)
    return y


def _column_sum(g: np.ndarray) -> np.ndarray:
    total: np.ndarray = g.sum(axis=0, dtype=widened(g.dtype))
    return total.astype(g.dtype, copy=False)


def _gradients_any(g: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _product_any(g.T, x), _column_sum(g)


@remembered
def _gradients() -> Any:
    """Return what computes a linear layer's gradients for weight and bias."""
    signature = (
        "g: DT[n,m], x: DT[n,k] -> gw: DT[m,k], gb: DT[m]; call gw, gb, g, x, n, m, k; work n*m*k"
    )
    return _typed("linear_gradients", signature, "gradients", _gradients_any)


def linear_backward(
    g: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    need_x: bool,
    need_w: bool,
    need_b: bool,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return the gradients of ``linear`` for input, weight and bias, None where not needed.

    Args:
        g: gradient of the result, ``(n, out_features)``.
        x: input, ``(n, in_features)``.
        weight: ``(out_features, in_features)``.
    """
    gx = _product(0, 0)(g, weight) if need_x else None
    if need_w and need_b:
        return gx, *_gradients()(g, x)
    gw = _product(1, 0)(g, x) if need_w else None
    return gx, gw, _column_sum(g) if need_b else None
