"""LSTM and GRU against step-by-step definitions and numerical slopes."""

import numpy as np
import pytest
from reference import error, slope

from rushlight.kernels import rnn


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, h, c, w_ih, w_hh, b_ih, b_hh, reverse):
    out = {}
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        i, f, g, o = np.split(x[t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out[t] = h
    return np.stack([out[t] for t in range(len(x))]), h, c


def gru(x, h, w_ih, w_hh, b_ih, b_hh, reverse):
    out = {}
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        ir, iz, inn = np.split(x[t] @ w_ih.T + b_ih, 3, axis=1)
        hr, hz, hn = np.split(h @ w_hh.T + b_hh, 3, axis=1)
        r, z = sigmoid(ir + hr), sigmoid(iz + hz)
        n = np.tanh(inn + r * hn)
        h = (1 - z) * n + z * h
        out[t] = h
    return np.stack([out[t] for t in range(len(x))]), h


def arguments(rng, steps, batch, features, size, gates, dtype=np.float64):
    shapes = [
        (steps, batch, features), (batch, size), (batch, size),
        (gates * size, features), (gates * size, size), (gates * size,), (gates * size,),
    ]  # fmt: skip
    return [rng.standard_normal(s).astype(dtype) * 0.5 for s in shapes]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (7, 3, 5, 4), (5, 9, 33, 50)])
def test_lstm(reverse, sizes):
    rng = np.random.default_rng(0)
    x, h0, c0, *weights = arguments(rng, *sizes, 4)
    y, h, c, saved = rnn.lstm_forward(x, h0, c0, *weights, reverse)
    for value, expected in zip((y, h, c), lstm(x, h0, c0, *weights, reverse)):
        np.testing.assert_allclose(value, expected, atol=1e-12)
    gy, gh, gc = (rng.standard_normal(a.shape) for a in (y, h, c))
    grads = rnn.lstm_backward(gy, gh, gc, x, h0, c0, *weights[:2], y, saved, reverse)
    inputs = [x, h0, c0, *weights]
    for n, grad in enumerate([*grads, grads[5]]):
        direction = rng.standard_normal(inputs[n].shape)

        def loss(value, n=n):
            results = lstm(*inputs[:n], value, *inputs[n + 1 :], reverse)
            return sum((a * b).sum() for a, b in zip(results, (gy, gh, gc)))

        expected = slope(loss, inputs[n], direction)
        np.testing.assert_allclose((grad * direction).sum(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (7, 3, 5, 4), (5, 9, 33, 50)])
def test_gru(reverse, sizes):
    rng = np.random.default_rng(1)
    x, h0, _, *weights = arguments(rng, *sizes, 3)
    y, h, saved = rnn.gru_forward(x, h0, *weights, reverse)
    for value, expected in zip((y, h), gru(x, h0, *weights, reverse)):
        np.testing.assert_allclose(value, expected, atol=1e-12)
    gy, gh = rng.standard_normal(y.shape), rng.standard_normal(h.shape)
    grads = rnn.gru_backward(gy, gh, x, h0, *weights[:2], y, saved, reverse)
    inputs = [x, h0, *weights]
    for n, grad in enumerate(grads):
        direction = rng.standard_normal(inputs[n].shape)

        def loss(value, n=n):
            results = gru(*inputs[:n], value, *inputs[n + 1 :], reverse)
            return sum((a * b).sum() for a, b in zip(results, (gy, gh)))

        expected = slope(loss, inputs[n], direction)
        np.testing.assert_allclose((grad * direction).sum(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1, 5, 16, 37, 128])
def test_float32_agrees_with_float64(size):
    rng = np.random.default_rng(2)
    x, h0, c0, *weights = arguments(rng, 6, 3, 8, size, 4)
    narrow = [a.astype(np.float32) for a in (x, h0, c0, *weights)]
    y, h, c, saved = rnn.lstm_forward(x, h0, c0, *weights)
    y2, h2, c2, saved2 = rnn.lstm_forward(*narrow)
    assert y2.dtype == np.float32
    assert max(error(y2, y), error(h2, h), error(c2, c)) < 5e-6
    wide = rnn.lstm_backward(y, None, c, x, h0, c0, *weights[:2], y, saved)
    slim = rnn.lstm_backward(y2, None, c2, *narrow[:5], y2, saved2)
    assert max(error(a, b) for a, b in zip(slim, wide)) < 2e-5
    x, h0, _, *weights = arguments(rng, 6, 3, 8, size, 3)
    narrow = [a.astype(np.float32) for a in (x, h0, *weights)]
    y, h, saved = rnn.gru_forward(x, h0, *weights)
    y2, h2, saved2 = rnn.gru_forward(*narrow)
    assert max(error(y2, y), error(h2, h)) < 5e-6
    wide = rnn.gru_backward(None, h, x, h0, *weights[:2], y, saved)
    slim = rnn.gru_backward(None, h2, *narrow[:4], y2, saved2)
    assert max(error(a, b) for a, b in zip(slim, wide)) < 2e-5


def test_without_bias():
    rng = np.random.default_rng(3)
    x, h0, c0, w_ih, w_hh, *_ = arguments(rng, 3, 2, 4, 5, 4)
    zero = np.zeros(20)
    y = rnn.lstm_forward(x, h0, c0, w_ih, w_hh, None, None)[0]
    np.testing.assert_allclose(y, lstm(x, h0, c0, w_ih, w_hh, zero, zero, False)[0])
