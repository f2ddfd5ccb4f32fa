"""The forward pass of ``nn.MultiheadAttention``."""

import warnings
from typing import Any

import numpy as np

from rushlight.base.dtypes import bool_
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._late import late
from rushlight.ops.attention import scaled_dot_product_attention
from rushlight.ops.dropout import dropout
from rushlight.ops.elementwise import add, mul
from rushlight.ops.linear import baddbmm, linear
from rushlight.ops.linear_algebra import bmm
from rushlight.ops.padding import pad
from rushlight.ops.reduction import mean
from rushlight.ops.shape import (
    expand,
    narrow,
    permute,
    reshape,
    squeeze,
    transpose,
    unsqueeze,
)
from rushlight.ops.softmax import softmax


def _check_shapes(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether there is a batch; AssertionError unless all arguments agree about it."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            "query should be unbatched 2D or batched 3D tensor but received "
            f"{query.ndim}-D query tensor"
        )
    batched = query.ndim == 3
    kind = "batched (3-D)" if batched else "unbatched (2-D)"
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {query.ndim}-D but found "
            f"{key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {query.ndim - 1}-D "
            f"but found {key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
                f"{attn_mask.ndim}-D tensor instead"
            )
        wanted = (num_heads, query.shape[0], key.shape[0])
        if not batched and attn_mask.ndim == 3 and tuple(attn_mask.shape) != wanted:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {wanted} but got {attn_mask.shape}"
            )
    return batched


def _none_or_dtype(input: Tensor | None) -> Dtype | None:
    """The dtype of a tensor, None for None."""
    if input is None:
        return None
    if isinstance(input, Tensor):
        return input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: Dtype | None,
    other_name: str,
    target_type: Dtype,
    check_other: bool = True,
) -> Tensor | None:
    """A mask of bools (True: not seen) as numbers to add; a mask of numbers as it is."""
    if mask is None:
        return None
    kind = mask.dtype
    if kind is not bool_ and not kind.is_floating_point:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and kind is not other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for "
            "both instead.",
            stacklevel=3,
        )
    if kind.is_floating_point:
        return mask
    target = target_type.np
    return wrap(np.where(mask._array, target.type(-np.inf), target.type(0)))


def _parts(t: Tensor | None, sizes: list[int]) -> list[Any]:
    if t is None:
        return [None] * len(sizes)
    out, start = [], 0
    for n in sizes:
        out.append(narrow(t, 0, start, n))
        start += n
    return out


def _project(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values by one packed weight; in one product where they are the same."""
    n = query.shape[-1]
    if key is value and query is key:
        whole = linear(query, weight, bias)
        q, k, v = (narrow(whole, -1, i * n, n) for i in range(3))
        return q, k, v
    w, b = _parts(weight, [n, n, n]), _parts(bias, [n, n, n])
    return linear(query, w[0], b[0]), linear(key, w[1], b[1]), linear(value, w[2], b[2])


def _heads(t: Tensor, heads: int, head_dim: int) -> Tensor:
    """(L, N, E) as (N * heads, L, head_dim)."""
    length, batch = t.shape[0], t.shape[1]
    return transpose(reshape(t, (length, batch * heads, head_dim)), 0, 1)


def _check_mask(mask: Tensor, batch: int, heads: int, length: int, keys: int) -> Tensor:
    wanted: tuple[int, ...] = (length, keys)
    if mask.ndim == 2:
        if tuple(mask.shape) != wanted:
            raise RuntimeError(
                f"The shape of the 2D attn_mask is {mask.shape}, but should be {wanted}."
            )
        return unsqueeze(mask, 0)
    wanted = (batch * heads, length, keys)
    if mask.ndim != 3:
        raise RuntimeError(f"attn_mask's dimension {mask.ndim} is not supported")
    if tuple(mask.shape) != wanted:
        raise RuntimeError(
            f"The shape of the 3D attn_mask is {mask.shape}, but should be {wanted}."
        )
    return mask


def _check_sizes(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: int, heads: int, separate: bool
) -> None:
    found = query.shape[-1]
    if found != embed_dim:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim}, but got {found}")
    if found // heads * heads != found:
        raise AssertionError(f"embed_dim {found} not divisible by num_heads {heads}")
    if separate:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's "
                f"{value.shape[:2]}"
            )
    elif key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _static(t: Tensor, name: str, batch_heads: int, head_dim: int) -> Tensor:
    for dim, want in ((0, batch_heads), (2, head_dim)):
        if t.shape[dim] != want:
            raise AssertionError(f"expecting {name}.size({dim}) of {want}, but got {t.shape[dim]}")
    return t


def _longer(mask: Tensor | None) -> Tensor | None:
    """A mask with one more key, which may be seen."""
    return None if mask is None else pad(mask, (0, 1))


def _zeros_after(t: Tensor) -> Tensor:
    return late.cat([t, late.zeros(t.shape[0], 1, t.shape[2], dtype=t.dtype)], 1)  # type: ignore[no-any-return]


def _repeated(bias: Tensor, batch: int) -> Tensor:
    return expand(bias, (1, batch, bias.shape[-1]))


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What ``nn.MultiheadAttention`` computes; returns the result and, if asked for, the weights.

    Args:
        query, key, value: (L, N, E), (S, N, Ek), (S, N, Ev), or without N.
        embed_dim_to_check: E.
        in_proj_weight, in_proj_bias: packed weights of all three projections; or
        q_proj_weight, k_proj_weight, v_proj_weight: if ``use_separate_proj_weight``.
        bias_k, bias_v: one more key and value.
        add_zero_attn: one more key and value, of zeros.
        key_padding_mask: (N, S), True for keys that do not count.
        attn_mask: (L, S) or (N * num_heads, L, S), True for what may not be seen, or numbers.
        average_attn_weights: the mean of the weights over the heads.
        is_causal: a hint that ``attn_mask`` is the causal mask.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same_kv, same_qk = key is value, query is key
        query = unsqueeze(query, 1)
        key = query if same_qk else unsqueeze(key, 1)
        value = key if same_kv else unsqueeze(value, 1)
        if key_padding_mask is not None:
            key_padding_mask = unsqueeze(key_padding_mask, 0)
    length, batch, embed_dim = query.shape
    padding = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and padding is None and not need_weights:
        mask = None
    else:
        mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
        if padding is not None:
            is_causal = False
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    head_dim = embed_dim // num_heads
    if use_separate_proj_weight:
        weights = {"q": q_proj_weight, "k": k_proj_weight, "v": v_proj_weight}
        for name, w in weights.items():
            if w is None:
                raise AssertionError(
                    f"use_separate_proj_weight is True but {name}_proj_weight is None"
                )
        b = _parts(in_proj_bias, [embed_dim] * 3)
        q, k, v = (
            linear(x, w, bias)  # type: ignore[arg-type]
            for x, w, bias in zip((query, key, value), weights.values(), b)
        )
    else:
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _project(query, key, value, in_proj_weight, in_proj_bias)
    if mask is not None:
        mask = _check_mask(mask, batch, num_heads, length, key.shape[0])
    if (bias_k is None) != (bias_v is None):
        raise AssertionError(
            "bias_k is set but bias_v is None"
            if bias_v is None
            else "bias_v is set but bias_k is None"
        )
    if bias_k is not None and bias_v is not None:
        for name, t in (("key", static_k), ("value", static_v)):
            if t is not None:
                raise AssertionError(f"bias cannot be added to static {name}.")
        k = late.cat([k, _repeated(bias_k, batch)])
        v = late.cat([v, _repeated(bias_v, batch)])
        mask, padding = _longer(mask), _longer(padding)
    q = _heads(q, num_heads, head_dim)
    n = batch * num_heads
    k = (
        _heads(k, num_heads, head_dim)
        if static_k is None
        else _static(static_k, "static_k", n, head_dim)
    )
    v = (
        _heads(v, num_heads, head_dim)
        if static_v is None
        else _static(static_v, "static_v", n, head_dim)
    )
    if add_zero_attn:
        k, v = _zeros_after(k), _zeros_after(v)
        mask, padding = _longer(mask), _longer(padding)
    if padding is not None:
        mask = _with_padding(mask, padding, batch, num_heads, k.shape[1])
    drop = dropout_p if training else 0.0
    project = (out_proj_weight, out_proj_bias)
    if need_weights:
        return _with_weights(q, k, v, mask, drop, project, batched, batch, average_attn_weights)
    return _without_weights(q, k, v, mask, drop, project, batched, batch, is_causal), None


def _with_padding(
    mask: Tensor | None, padding: Tensor, batch: int, heads: int, keys: int
) -> Tensor:
    for dim, want in ((0, batch), (1, keys)):
        if padding.shape[dim] != want:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{dim}] to be {want}, but got {padding.shape[dim]}"
            )
    spread = expand(reshape(padding, (batch, 1, 1, keys)), (batch, heads, 1, keys))
    spread = reshape(spread, (batch * heads, 1, keys))
    return spread if mask is None else add(mask, spread)


def _with_weights(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, drop: float, project: tuple[Any, Any],
    batched: bool, batch: int, average: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    n, length, head_dim = q.shape
    scaled = mul(q, (1.0 / head_dim) ** 0.5)
    turned = transpose(k, -2, -1)
    scores = bmm(scaled, turned) if mask is None else baddbmm(mask, scaled, turned)
    weights = softmax(scores, -1)
    if drop > 0:
        weights = dropout(weights, drop, True)
    out = transpose(bmm(weights, v), 0, 1)
    out = linear(reshape(out, (length * batch, -1)), *project)
    out = reshape(out, (length, batch, out.shape[1]))
    heads = n // batch
    weights = reshape(weights, (batch, heads, length, k.shape[1]))
    if average:
        weights = mean(weights, 1)
    if not batched:
        return squeeze(out, 1), squeeze(weights, 0)
    return out, weights


def _without_weights(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, drop: float, project: tuple[Any, Any],
    batched: bool, batch: int, causal: bool,
) -> Tensor:  # fmt: skip
    n, length, head_dim = q.shape
    heads, keys = n // batch, k.shape[1]
    if mask is not None:
        if mask.shape[0] == 1 and mask.ndim == 3:
            mask = unsqueeze(mask, 0)
        else:
            mask = reshape(mask, (batch, heads, -1, keys))
    q, k, v = (reshape(t, (batch, heads, t.shape[1], head_dim)) for t in (q, k, v))
    out = scaled_dot_product_attention(q, k, v, mask, drop, causal)
    out = linear(reshape(permute(out, 2, 0, 1, 3), (batch * length, -1)), *project)
    out = reshape(out, (length, batch, out.shape[1]))
    return out if batched else squeeze(out, 1)
