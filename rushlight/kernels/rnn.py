"""Whole-sequence LSTM and GRU, one layer and direction, both ways.

The input's part of all gates is one product over the whole sequence; each step then adds the
recurrent product and applies the gates.  Gates come in PyTorch's order: i, f, g, o and r, z, n.
Sequences are ``(time, batch, features)``; ``reverse`` walks time backwards (results stay in place).
"""

from __future__ import annotations

import numpy as np

from rushlight.kernels.matmul import linear, matmul2d

LstmSaved = tuple[np.ndarray, np.ndarray]
GruSaved = tuple[np.ndarray, np.ndarray]


def _sigmoid(x: np.ndarray) -> None:
    """Replace ``x`` by its logistic function, by way of tanh, which cannot overflow."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5


def _input_gates(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    steps, batch, features = x.shape
    flat = linear(x.reshape(steps * batch, features), weight, bias)
    return flat.reshape(steps, batch, len(weight))


def _order(steps: int, reverse: bool) -> range:
    return range(steps - 1, -1, -1) if reverse else range(steps)


def _previous(sequence: np.ndarray, first: np.ndarray, reverse: bool) -> np.ndarray:
    """Return, per step, the value of the step before it, ``first`` for the first one."""
    previous = np.empty_like(sequence)
    if reverse:
        previous[:-1] = sequence[1:]
        previous[-1:] = first
    else:
        previous[1:] = sequence[:-1]
        previous[:1] = first
    return previous


def lstm_forward(
    x: np.ndarray,
    h0: np.ndarray,
    c0: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    b_ih: np.ndarray | None,
    b_hh: np.ndarray | None,
    reverse: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, LstmSaved]:
    """Return all hidden states, the last hidden and cell state, and what the backward needs.

    Args:
        x: input ``(T, N, I)``.
        h0: first hidden state ``(N, H)``.
        c0: first cell state ``(N, H)``.
        w_ih: weight ``(4 H, I)``.
        w_hh: weight ``(4 H, H)``.
        b_ih: bias ``(4 H,)`` or None.
        b_hh: bias ``(4 H,)`` or None.
        reverse: whether time runs backwards.
    """
    bias = None if b_ih is None or b_hh is None else b_ih + b_hh
    gates = _input_gates(x, w_ih, bias)
    size = w_hh.shape[1]
    y = np.empty((*x.shape[:2], size), x.dtype)
    cells = np.empty_like(y)
    h, c = h0, c0
    recurrent = np.ascontiguousarray(w_hh.T)
    for t in _order(len(x), reverse):
        gate = gates[t]
        gate += matmul2d(h, recurrent)
        _sigmoid(gate[:, : 2 * size])
        np.tanh(gate[:, 2 * size : 3 * size], out=gate[:, 2 * size : 3 * size])
        _sigmoid(gate[:, 3 * size :])
        i, f, g, o = (gate[:, k * size : (k + 1) * size] for k in range(4))
        np.multiply(f, c, out=cells[t])
        cells[t] += i * g
        c = cells[t]
        np.multiply(o, np.tanh(c), out=y[t])
        h = y[t]
    return y, h.copy(), c.copy(), (gates, cells)


def lstm_backward(
    gy: np.ndarray | None,
    gh: np.ndarray | None,
    gc: np.ndarray | None,
    x: np.ndarray,
    h0: np.ndarray,
    c0: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    y: np.ndarray,
    saved: LstmSaved,
    reverse: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients for x, h0, c0, w_ih, w_hh and for either bias (they are the same).

    Args:
        gy: gradient of all hidden states, or None.
        gh: gradient of the last hidden state, or None.
        gc: gradient of the last cell state, or None.
        x: input, and so on: what ``lstm_forward`` was given.
        y: all hidden states it returned.
        saved: the last thing it returned.
    """
    gates, cells = saved
    size = w_hh.shape[1]
    dh = np.zeros_like(h0) if gh is None else gh
    dc = np.zeros_like(c0) if gc is None else gc
    before = _previous(cells, c0, reverse)
    dgates = np.empty_like(gates)
    for t in _order(len(x), not reverse):
        if gy is not None:
            dh = dh + gy[t]
        i, f, g, o = (gates[t][:, k * size : (k + 1) * size] for k in range(4))
        di, df, dg, do = (dgates[t][:, k * size : (k + 1) * size] for k in range(4))
        squashed = np.tanh(cells[t])
        np.multiply(dh * squashed, o * (1 - o), out=do)
        dc = dc + dh * o * (1 - squashed * squashed)
        np.multiply(dc * g, i * (1 - i), out=di)
        np.multiply(dc * before[t], f * (1 - f), out=df)
        np.multiply(dc * i, 1 - g * g, out=dg)
        dc = dc * f
        dh = matmul2d(dgates[t], w_hh)
    return _sequence_gradients(dgates, dgates, x, h0, w_ih, y, reverse, dh, dc)


def _sequence_gradients(
    dgates: np.ndarray,
    dhidden: np.ndarray,
    x: np.ndarray,
    h0: np.ndarray,
    w_ih: np.ndarray,
    y: np.ndarray,
    reverse: bool,
    dh: np.ndarray,
    dc: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of the products over the whole sequence, and pass on dh and dc."""
    steps, batch, features = x.shape
    flat = dgates.reshape(steps * batch, -1)
    hidden = dhidden.reshape(steps * batch, -1)
    before = _previous(y, h0, reverse).reshape(steps * batch, -1)
    gx = matmul2d(flat, w_ih).reshape(x.shape)
    gw_ih = matmul2d(flat.T, x.reshape(steps * batch, features))
    gw_hh = matmul2d(hidden.T, before)
    return gx, dh, dc, gw_ih, gw_hh, flat.sum(axis=0)


def gru_forward(
    x: np.ndarray,
    h0: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    b_ih: np.ndarray | None,
    b_hh: np.ndarray | None,
    reverse: bool = False,
) -> tuple[np.ndarray, np.ndarray, GruSaved]:
    """Return all hidden states, the last hidden state, and what the backward needs.

    Args:
        x: input ``(T, N, I)``.
        h0: first hidden state ``(N, H)``.
        w_ih: weight ``(3 H, I)``.
        w_hh: weight ``(3 H, H)``.
        b_ih: bias ``(3 H,)`` or None.
        b_hh: bias ``(3 H,)`` or None.
        reverse: whether time runs backwards.
    """
    gates = _input_gates(x, w_ih, b_ih)
    size = w_hh.shape[1]
    y = np.empty((*x.shape[:2], size), x.dtype)
    candidates = np.empty_like(y)
    h = h0
    recurrent = np.ascontiguousarray(w_hh.T)
    for t in _order(len(x), reverse):
        gate = gates[t]
        hidden = matmul2d(h, recurrent)
        if b_hh is not None:
            hidden += b_hh
        gate[:, : 2 * size] += hidden[:, : 2 * size]
        _sigmoid(gate[:, : 2 * size])
        r, z, n = (gate[:, k * size : (k + 1) * size] for k in range(3))
        candidates[t] = hidden[:, 2 * size :]
        n += r * candidates[t]
        np.tanh(n, out=n)
        np.multiply(z, h - n, out=y[t])
        y[t] += n
        h = y[t]
    return y, h.copy(), (gates, candidates)


def gru_backward(
    gy: np.ndarray | None,
    gh: np.ndarray | None,
    x: np.ndarray,
    h0: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    y: np.ndarray,
    saved: GruSaved,
    reverse: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients for x, h0, w_ih, w_hh, b_ih and b_hh.

    Args:
        gy: gradient of all hidden states, or None.
        gh: gradient of the last hidden state, or None.
        x: input, and so on: what ``gru_forward`` was given.
        y: all hidden states it returned.
        saved: the last thing it returned.
    """
    gates, candidates = saved
    size = w_hh.shape[1]
    dh = np.zeros_like(h0) if gh is None else gh
    before = _previous(y, h0, reverse)
    dgates = np.empty_like(gates)
    dhidden = np.empty_like(gates)
    for t in _order(len(x), not reverse):
        if gy is not None:
            dh = dh + gy[t]
        r, z, n = (gates[t][:, k * size : (k + 1) * size] for k in range(3))
        dr, dz, dn = (dgates[t][:, k * size : (k + 1) * size] for k in range(3))
        np.multiply(dh * (before[t] - n), z * (1 - z), out=dz)
        np.multiply(dh * (1 - z), 1 - n * n, out=dn)
        np.multiply(dn * candidates[t], r * (1 - r), out=dr)
        dhidden[t] = dgates[t]
        dhidden[t][:, 2 * size :] *= r
        dh = dh * z + matmul2d(dhidden[t], w_hh)
    gx, dh, _, gw_ih, gw_hh, gb_ih = _sequence_gradients(
        dgates, dhidden, x, h0, w_ih, y, reverse, dh, dh
    )
    return gx, dh, gw_ih, gw_hh, gb_ih, dhidden.sum(axis=(0, 1))
