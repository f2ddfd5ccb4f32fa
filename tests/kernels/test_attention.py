"""Attention against softmax written out, and numerical slopes."""

import numpy as np
import pytest
from reference import error, slope

from rushlight.kernels import attention


def softmax_attention(q, k, v, mask, causal, scale):
    s = scale * (q @ k.swapaxes(-1, -2))
    if mask is not None:
        s = s + mask
    if causal:
        s = np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf)
    top = s.max(-1, keepdims=True)
    p = np.exp(s - np.where(np.isneginf(top), 0, top))
    total = p.sum(-1, keepdims=True)
    return p / np.where(total == 0, 1, total) @ v


CASES = [
    ((2, 3), 40, 33, 8, 6, True, False),
    ((2, 3), 40, 33, 8, 6, False, True),
    ((5,), 17, 40, 16, 16, False, True),
    ((1, 2), 1, 70, 24, 24, False, False),
    ((2,), 70, 1, 5, 3, True, True),
    ((2, 2), 130, 130, 32, 32, True, False),
]


def arguments(rng, case, dtype):
    lead, length, keys, e, ev, masked, causal = case
    q, k = rng.standard_normal((*lead, length, e)), rng.standard_normal((*lead, keys, e))
    v = rng.standard_normal((*lead, keys, ev))
    mask = None
    if masked:
        mask = rng.standard_normal((length, keys))
        mask[rng.random(mask.shape) < 0.3] = -np.inf
        mask[min(3, length - 1)] = -np.inf
    return [a if a is None else a.astype(dtype) for a in (q, k, v, mask)], causal


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("block", [1, 1 << 23])
def test_float64(case, block, monkeypatch):
    monkeypatch.setattr(attention, "_SCORE_BYTES", block)
    rng = np.random.default_rng(0)
    (q, k, v, mask), causal = arguments(rng, case, np.float64)
    out, lse = attention.attention_forward(q, k, v, mask, causal, 0.3)
    np.testing.assert_allclose(out, softmax_attention(q, k, v, mask, causal, 0.3), atol=1e-12)
    g = rng.standard_normal(out.shape)
    grads = attention.attention_backward(g, q, k, v, out, lse, mask, causal, 0.3)
    inputs = [q, k, v]
    for n, grad in enumerate(grads):
        direction = rng.standard_normal(inputs[n].shape)

        def loss(value, n=n):
            changed = [*inputs[:n], value, *inputs[n + 1 :]]
            return (softmax_attention(*changed, mask, causal, 0.3) * g).sum()

        expected = slope(loss, inputs[n], direction)
        np.testing.assert_allclose((grad * direction).sum(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_float32_agrees_with_float64(case):
    rng = np.random.default_rng(1)
    (q, k, v, mask), causal = arguments(rng, case, np.float64)
    slim = [a if a is None else a.astype(np.float32) for a in (q, k, v, mask)]
    out, lse = attention.attention_forward(q, k, v, mask, causal, 0.25)
    out2, lse2 = attention.attention_forward(*slim, causal, 0.25)
    assert out2.dtype == np.float32
    assert error(out2, out) < 5e-6
    wide = attention.attention_backward(out, q, k, v, out, lse, mask, causal, 0.25)
    narrow = attention.attention_backward(out2, *slim[:3], out2, lse2, slim[3], causal, 0.25)
    for a, b in zip(narrow, wide):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


def test_a_row_that_sees_nothing_is_zero():
    q = np.ones((1, 2, 4), np.float32)
    mask = np.array([[-np.inf, -np.inf], [0, -np.inf]], np.float32)
    out, _ = attention.attention_forward(q, q, q, mask, False, 0.5)
    np.testing.assert_array_equal(out[0, 0], 0)
    np.testing.assert_array_equal(out[0, 1], 1)
