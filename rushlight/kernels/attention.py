"""Scaled dot-product attention without the buffer of all scores, both ways.

Heads are worked through in blocks of heads and of query rows; the forward keeps one number per
row, the logarithm of its sum of exponentials, from which the backward recovers the weights of a
block.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from rushlight.kernels import attention_rows, matmul

# Bytes of scores that one block may take.
_SCORE_BYTES = 1 << 20


class _Block:
    """Some heads and query rows, and the keys that they may see."""

    __slots__ = ("causal", "heads", "keys", "length", "rows", "start")

    def __init__(self, heads: slice, rows: slice, keys: int, causal: bool) -> None:
        self.heads, self.rows, self.keys, self.causal = heads, rows, keys, causal
        self.length, self.start = rows.stop - rows.start, rows.start

    def options(self) -> tuple[int, int, int, int]:
        """Return what the passes over the scores take after their arrays."""
        return self.length, self.start, int(self.causal), 0 if self.causal else self.keys


def _blocks(
    heads: int, length: int, keys: int, itemsize: int, causal: bool, single: bool
) -> Iterator[_Block]:
    """Cut the work; ``single`` asks for one head at a time."""
    if not keys:
        return
    rows = max(1, min(length, max(16, _SCORE_BYTES // (keys * itemsize))))
    if causal:
        rows = min(rows, max(64, -(-length // 4)))
    together = 1 if single or rows < length else _SCORE_BYTES // (rows * keys * itemsize)
    together = max(1, together)
    for head in range(0, heads, together):
        some = slice(head, min(heads, head + together))
        for row in range(0, length, rows):
            stop = min(length, row + rows)
            seen = min(keys, stop) if causal and together == 1 else keys
            yield _Block(some, slice(row, stop), seen, causal)


def _shared(mask: np.ndarray | None) -> bool:
    """Return whether all heads have the same mask, or none."""
    return mask is None or prod(mask.shape[:-2]) == 1


def _masked(mask: np.ndarray, lead: tuple[int, ...], block: _Block) -> np.ndarray:
    """Return the part of the mask that a block's scores get."""
    if _shared(mask):
        mask = mask.reshape(mask.shape[-2:])
    else:
        place = np.unravel_index(block.heads.start, lead)
        mask = np.broadcast_to(mask, (*lead, *mask.shape[-2:]))[place]
    rows = block.rows if mask.shape[0] > 1 else slice(None)
    return mask[rows, : block.keys] if mask.shape[1] > 1 else mask[rows]


def _scores(
    q: np.ndarray,
    k: np.ndarray,
    mask: np.ndarray | None,
    lead: tuple[int, ...],
    scale: float,
    block: _Block,
) -> np.ndarray:
    """Return the scores of a block, the mask added."""
    part = q[block.heads, block.rows] * q.dtype.type(scale)
    s = matmul.bmm(part, k[block.heads, : block.keys].swapaxes(-1, -2))
    if mask is not None:
        s += _masked(mask, lead, block)
    return s


def _flat(a: np.ndarray, heads: int) -> np.ndarray:
    """Return the array as (heads, rows, features) in the dtype of the computation."""
    wide = matmul.widened(a.dtype)
    a = a if wide is None else a.astype(wide)
    return np.ascontiguousarray(a.reshape(heads, *a.shape[-2:]))


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
    lead, dtype = q.shape[:-2], q.dtype
    heads, length, keys = prod(lead), q.shape[-2], k.shape[-2]
    q, k, v = (_flat(a, heads) for a in (q, k, v))
    out = np.zeros((heads, length, v.shape[-1]), q.dtype)
    lse = np.full((heads, length), -np.inf, q.dtype)
    for block in _blocks(heads, length, keys, q.itemsize, causal, not _shared(mask)):
        s = _scores(q, k, mask, lead, scale, block)
        sums = np.empty(s.shape[:2], s.dtype)
        attention_rows.weights(s.reshape(-1, s.shape[-1]), sums.reshape(-1), *block.options())
        lse[block.heads, block.rows] = sums
        out[block.heads, block.rows] = matmul.bmm(s, v[block.heads, : block.keys])
    out = out.reshape(*lead, *out.shape[1:]).astype(dtype, copy=False)
    return out, lse.reshape(*lead, length)


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
    lead, dtype = q.shape[:-2], q.dtype
    shapes = (q.shape, k.shape, v.shape)
    heads, length, keys = prod(lead), q.shape[-2], k.shape[-2]
    g, q, k, v, out = (_flat(a, heads) for a in (g, q, k, v, out))
    gq, gk, gv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    delta = np.einsum("hle,hle->hl", g, out)
    lse = lse.reshape(heads, length)
    for block in _blocks(heads, length, keys, q.itemsize, causal, not _shared(mask)):
        some, rows, seen = block.heads, block.rows, slice(0, block.keys)
        p = _scores(q, k, mask, lead, scale, block)
        flat = p.reshape(-1, p.shape[-1])
        attention_rows.again(lse[some, rows].reshape(-1), flat, *block.options())
        part = g[some, rows]
        gv[some, seen] += matmul.bmm(p.swapaxes(-1, -2), part)
        d = matmul.bmm(part, v[some, seen].swapaxes(-1, -2))
        attention_rows.score_gradient(
            flat, delta[some, rows].reshape(-1), d.reshape(-1, d.shape[-1]), scale
        )
        gq[some, rows] = matmul.bmm(d, k[some, seen])
        gk[some, seen] += matmul.bmm(d.swapaxes(-1, -2), q[some, rows])
    made = (a.reshape(s).astype(dtype, copy=False) for a, s in zip((gq, gk, gv), shapes))
    first, second, third = made
    return first, second, third
