"""Scaled dot-product attention: in blocks of queries, without the matrix of all scores."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import quiet
from rushlight.core.state import state
from rushlight.core.tensor import Tensor, wrap
from rushlight.kernels import attention as kernels
from rushlight.ops._primitive import Primitive, apply, needs_grad
from rushlight.ops.dropout import dropout
from rushlight.ops.elementwise import add, mul, sub
from rushlight.ops.linear import FUSED
from rushlight.ops.linear_algebra import matmul
from rushlight.ops.reduction import sum
from rushlight.ops.shape import expand, reshape, transpose, unsqueeze
from rushlight.ops.softmax import softmax

Array = np.ndarray

ATTENTION_BACKWARD = Primitive(
    "scaled_dot_product_attention_backward",
    quiet(kernels.attention_backward),
    inputs=("g", "query", "key", "value", "result", "lse", "mask"),
    params=("causal", "scale"),
    vjp=FUSED,
)


def _causal_mask(length: int, keys: int, kind: Any) -> Tensor:
    """0 where row i may see key j, that is j <= i, and else minus infinity."""
    mask = np.zeros((length, keys), kind)
    mask[np.arange(keys) > np.arange(length)[:, None]] = -np.inf
    return wrap(mask)


def _weights(query: Tensor, key: Tensor, mask: Any, causal: bool, scale: float) -> Tensor:
    scores = matmul(mul(query, scale), transpose(key, -1, -2))
    if causal:
        shape = scores._array.shape
        scores = add(scores, _causal_mask(shape[-2], shape[-1], scores._array.dtype))
    if mask is not None:
        scores = add(scores, mask)
    blind = np.isneginf(scores._array).all(axis=-1, keepdims=True)  # rows that may see nothing
    if not blind.any():
        return softmax(scores, -1)
    seen = wrap((~blind).astype(scores._array.dtype))
    return mul(softmax(_unmasked(scores, blind), -1), seen)


def _unmasked(scores: Tensor, blind: Array) -> Tensor:
    """The scores with 0 in the rows that may see nothing."""
    return apply(REPLACE_ROWS, (scores,), blind)  # type: ignore[no-any-return]


REPLACE_ROWS = Primitive(
    "replace_rows",
    lambda a, rows: np.where(rows, a.dtype.type(0), a),
    params=("rows",),
    vjp={"input": lambda g, rows: apply(REPLACE_ROWS, (g,), rows)},
)


def _rule(
    g: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Any,
    out: Any,
    causal: bool,
    scale: float,
    needs: Any,
) -> Any:
    g = g[0]
    if not state.grad_enabled:
        found = apply(
            ATTENTION_BACKWARD, (g, query, key, value, out[0], out[1], mask), causal, scale
        )
        return (*found, None)
    weights = _weights(query, key, mask, causal, scale)
    of_weights = matmul(g, transpose(value, -1, -2))
    part = mul(weights, of_weights)
    of_scores = mul(sub(part, mul(weights, sum(part, -1, True))), scale)
    return (
        matmul(of_scores, key) if needs[0] else None,
        matmul(transpose(of_scores, -1, -2), query) if needs[1] else None,
        matmul(transpose(weights, -1, -2), g) if needs[2] else None,
        None,
    )


ATTENTION = Primitive(
    "scaled_dot_product_attention",
    quiet(kernels.attention_forward),
    inputs=("query", "key", "value", "mask"),
    params=("causal", "scale"),
    vjp=_rule,
    materialize=False,
    node_name="ScaledDotProductFlashAttentionForCpuBackward0",
)


def _as_added(mask: Tensor, kind: Any) -> Tensor:
    """A mask of bools as numbers to add: 0 where True, minus infinity where False."""
    if mask._array.dtype.kind != "b":
        return mask
    return wrap(np.where(mask._array, kind.type(0), kind.type(-np.inf)))


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> None:
    kinds = {query._array.dtype, key._array.dtype, value._array.dtype}
    if len(kinds) > 1:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{SCALAR_TYPE_NAMES[query.dtype].lower()} key.dtype: "
            f"{SCALAR_TYPE_NAMES[key.dtype].lower()} and value.dtype: "
            f"{SCALAR_TYPE_NAMES[value.dtype].lower()} instead."
        )
    if min(query._array.ndim, key._array.ndim, value._array.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got "
            f"query.dim: {query._array.ndim}, key.dim: {key._array.ndim} and value.dim: "
            f"{value._array.ndim} instead."
        )
    if mask is not None:
        kind = mask._array.dtype
        if kind.kind != "b" and kind != query._array.dtype and kind != np.float32:
            raise RuntimeError(
                "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
                f"attn_mask.dtype: {SCALAR_TYPE_NAMES[mask.dtype].lower()} and  query.dtype: "
                f"{SCALAR_TYPE_NAMES[query.dtype].lower()} instead."
            )
        if causal and query._array.ndim != 4:
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
                "is_causal=True"
            )


def _repeat_heads(t: Tensor, times: int) -> Tensor:
    shape = t._array.shape
    spread = expand(unsqueeze(t, -3), (*shape[:-2], times, *shape[-2:]))
    return reshape(spread, (*shape[:-3], shape[-3] * times, *shape[-2:]))


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    r"""Attention, :math:`\mathrm{softmax}(Q K^T / \sqrt{E} + M) V`.

    Args:
        attn_mask: added to the scores; or bools, False for what may not be seen.
        dropout_p: the probability of dropping a weight (also outside of training).
        is_causal: each query sees the keys up to its own place.
        scale: instead of the reciprocal root of E.
        enable_gqa: repeat the heads of key and value to match those of the query.

    Shape:
        - query: (*, L, E), key: (*, S, E), value: (*, S, Ev), attn_mask: broadcastable to (*, L, S)
        - result: (*, L, Ev)
    """
    _check(query, key, value, attn_mask, is_causal)
    if enable_gqa:
        times = query._array.shape[-3] // max(key._array.shape[-3], 1)
        key, value = _repeat_heads(key, times), _repeat_heads(value, times)
    q, k, v = query._array.shape, key._array.shape, value._array.shape
    if scale is None:
        scale = 1 / max(q[-1], 1) ** 0.5
    lead = np.broadcast_shapes(q[:-2], k[:-2], v[:-2])
    query, key, value = (
        t if t._array.shape[:-2] == lead else expand(t, (*lead, *t._array.shape[-2:]))
        for t in (query, key, value)
    )
    kind = query._array.dtype
    mask = None if attn_mask is None else _as_added(attn_mask, kind)
    if dropout_p > 0 or (mask is not None and needs_grad(mask)) or kind.kind == "c":
        weights = _weights(query, key, mask, is_causal, scale)
        return matmul(dropout(weights, dropout_p, True), value)
    if mask is not None and mask._array.ndim < 2:
        mask = reshape(mask, (1,) * (2 - mask._array.ndim) + mask._array.shape)
    return apply(ATTENTION, (query, key, value, mask), is_causal, float(scale))[0]  # type: ignore[no-any-return]
