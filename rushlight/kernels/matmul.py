"""Matrix products on NumPy arrays: ``matmul2d``, ``bmm``, ``linear`` and its gradients.

Half-precision operands (float16, bfloat16, float8) are multiplied in float32 and rounded once.
"""

from __future__ import annotations

import numpy as np

_BLAS_KINDS = frozenset("fdFD")


def widened(dtype: np.dtype) -> np.dtype | None:
    """Return the dtype that products of ``dtype`` accumulate in, or None if it is its own.

    float16 and the ``ml_dtypes`` floats (kind ``V``) have no BLAS; they accumulate in float32.
    """
    if dtype.char in _BLAS_KINDS or dtype.kind in "iubc" or dtype.char == "g":
        return None
    return np.dtype(np.float32)


def matmul2d(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product of two matrices of the same dtype.

    Args:
        a: matrix of shape ``(m, k)``, any strides.
        b: matrix of shape ``(k, n)``, any strides.
    """
    wide = widened(a.dtype)
    if wide is not None:
        rounded: np.ndarray = np.matmul(a.astype(wide), b.astype(wide)).astype(a.dtype)
        return rounded
    product: np.ndarray = np.matmul(a, b)
    return product


def bmm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the products of two stacks of matrices, ``(..., m, k)`` times ``(..., k, n)``."""
    return matmul2d(a, b)


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Return ``x @ weight.T + bias``.

    Args:
        x: matrix ``(n, in_features)``.
        weight: matrix ``(out_features, in_features)``.
        bias: vector ``(out_features,)`` or None.
    """
    wide = widened(x.dtype)
    if wide is not None:
        return linear(x.astype(wide), weight.astype(wide), bias).astype(x.dtype)
    y: np.ndarray = np.matmul(x, weight.T)
    if bias is not None:
        y += bias
    return y


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
    gx = matmul2d(g, weight) if need_x else None
    gw = matmul2d(g.T, x) if need_w else None
    gb = None
    if need_b:
        wide = widened(g.dtype)
        gb = g.sum(axis=0, dtype=wide).astype(g.dtype, copy=False)
    return gx, gw, gb
