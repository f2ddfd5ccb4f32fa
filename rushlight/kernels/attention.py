"""Scaled dot-product attention without the buffer of all scores, both ways.

Queries are worked through in blocks of rows; the forward keeps one number per row, the logarithm
of its sum of exponentials, from which the backward recovers the weights of a block.
"""

from __future__ import annotations

import numpy as np

from rushlight.kernels.matmul import widened

# Bytes of scores that one block of query rows may take.
_SCORE_BYTES = 8 << 20


def _rows(batch: int, keys: int, itemsize: int) -> int:
    return max(16, _SCORE_BYTES // max(1, batch * keys * itemsize))


def _scores(
    q: np.ndarray,
    k: np.ndarray,
    mask: np.ndarray | None,
    causal: bool,
    scale: float,
    start: int,
) -> np.ndarray:
    """Return the masked scores of the query rows ``q``, the first of which is row ``start``."""
    s: np.ndarray = np.matmul(q * q.dtype.type(scale), k.swapaxes(-1, -2))
    if mask is not None:
        s += mask[..., start : start + q.shape[-2], :] if mask.shape[-2] > 1 else mask
    if causal:
        row = np.arange(start, start + q.shape[-2])[:, None]
        np.copyto(s, -np.inf, where=np.arange(k.shape[-2]) > row)
    return s


def attention_forward(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None,
    causal: bool,
    scale: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``softmax(scale * q @ k.T + mask) @ v`` and each row's log-sum-exp.

    Rows that may attend to nothing give zeros.

    Args:
        q: queries ``(..., L, E)``.
        k: keys ``(..., S, E)``, same leading dimensions.
        v: values ``(..., S, Ev)``, same leading dimensions.
        mask: what is added to the scores, broadcastable to ``(..., L, S)``, or None.
        causal: whether row i sees only keys up to i.
        scale: factor of the products.
    """
    wide = widened(q.dtype)
    if wide is not None:
        q, k, v = q.astype(wide), k.astype(wide), v.astype(wide)
    length, keys = q.shape[-2], k.shape[-2]
    out = np.zeros((*q.shape[:-1], v.shape[-1]), q.dtype)
    lse = np.full(q.shape[:-1], -np.inf, q.dtype)
    step = _rows(int(np.prod(q.shape[:-2])), keys, q.itemsize)
    for i in range(0, length if keys else 0, step):
        part = slice(i, i + step)
        s = _scores(q[..., part, :], k, mask, causal, scale, i)
        top = s.max(axis=-1, keepdims=True)
        empty = np.isneginf(top)
        top[empty] = 0
        s -= top
        np.exp(s, out=s)
        total = s.sum(axis=-1, keepdims=True)
        np.copyto(total, 1, where=empty)
        np.matmul(s, v, out=out[..., part, :])
        out[..., part, :] /= total
        lse[..., part] = np.where(empty, -np.inf, np.log(total) + top)[..., 0]
    return out, lse


def attention_backward(
    g: np.ndarray,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    out: np.ndarray,
    lse: np.ndarray,
    mask: np.ndarray | None,
    causal: bool,
    scale: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of ``attention_forward`` for q, k and v.

    Args:
        g: gradient of the result.
        out: the result.
        lse: the log-sum-exps returned with it.
    """
    dtype = q.dtype
    wide = widened(dtype)
    if wide is not None:
        g, q, k, v, out = (a.astype(wide) for a in (g, q, k, v, out))
    gq, gk, gv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    length, keys = q.shape[-2], k.shape[-2]
    delta = (g * out).sum(axis=-1, keepdims=True)
    shift = np.where(np.isneginf(lse), np.inf, lse)[..., None]
    step = _rows(int(np.prod(q.shape[:-2])), keys, q.itemsize)
    for i in range(0, length if keys else 0, step):
        part = slice(i, i + step)
        p = _scores(q[..., part, :], k, mask, causal, scale, i)
        p -= shift[..., part, :]
        np.exp(p, out=p)
        gi = g[..., part, :]
        gv += np.matmul(p.swapaxes(-1, -2), gi)
        ds = np.matmul(gi, v.swapaxes(-1, -2))
        ds -= delta[..., part, :]
        ds *= p
        ds *= ds.dtype.type(scale)
        np.matmul(ds, k, out=gq[..., part, :])
        gk += np.matmul(ds.swapaxes(-1, -2), q[..., part, :])
    if wide is not None:
        gq, gk, gv = gq.astype(dtype), gk.astype(dtype), gv.astype(dtype)
    return gq, gk, gv
