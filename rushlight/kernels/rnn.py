"""Whole-sequence LSTM and GRU, one layer and direction, both ways.

The input's part of all gates is one product over the whole sequence; each step then adds the
recurrent product and applies the gates.  Gates come in PyTorch's order: i, f, g, o and r, z, n.
Sequences are ``(time, batch, features)``; ``reverse`` walks time backwards (results stay in place).
"""

from __future__ import annotations

import numpy as np

from rushlight.kernels import matmul, rnn_cell

LstmSaved = tuple[np.ndarray, np.ndarray]
GruSaved = tuple[np.ndarray, np.ndarray]


def _input_gates(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    steps, batch, features = x.shape
    flat = np.empty((steps * batch, len(weight)), x.dtype)
    flat[...] = 0 if bias is None else bias
    rows = np.ascontiguousarray(x.reshape(steps * batch, features))
    matmul.accumulate(flat, rows, np.ascontiguousarray(weight.T))
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
        matmul.accumulate(gates[t], h, recurrent)
        rnn_cell.lstm(c, gates[t], cells[t], y[t])
        h, c = y[t], cells[t]
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
    dh = np.zeros_like(h0) if gh is None else gh.copy()
    dc = np.zeros_like(c0) if gc is None else gc.copy()
    w_hh = np.ascontiguousarray(w_hh)
    before = _previous(cells, c0, reverse)
    dgates = np.empty_like(gates)
    for t in _order(len(x), not reverse):
        if gy is not None:
            dh += gy[t]
        rnn_cell.lstm_backward(gates[t], before[t], cells[t], dh, dgates[t], dc)
        dh[...] = 0
        matmul.accumulate(dh, dgates[t], w_hh)
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
    gx = np.zeros((steps * batch, features), x.dtype)
    matmul.accumulate(gx, flat, np.ascontiguousarray(w_ih))
    gw_ih = matmul.matmul2d(flat.T, x.reshape(steps * batch, features))
    gw_hh = matmul.matmul2d(hidden.T, before)
    return gx.reshape(x.shape), dh, dc, gw_ih, gw_hh, flat.sum(axis=0)


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
    for t in _order(len(x), reverse):
        hidden = matmul.linear(h, w_hh, b_hh)
        rnn_cell.gru(hidden, h, gates[t], candidates[t], y[t])
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
    dh = np.zeros_like(h0) if gh is None else gh.copy()
    before = _previous(y, h0, reverse)
    dgates = np.empty_like(gates)
    dhidden = np.empty_like(gates)
    w_hh = np.ascontiguousarray(w_hh)
    for t in _order(len(x), not reverse):
        if gy is not None:
            dh = dh + gy[t]
        rnn_cell.gru_backward(gates[t], before[t], candidates[t], dgates[t], dhidden[t], dh)
        matmul.accumulate(dh, dhidden[t], w_hh)
    gx, dh, _, gw_ih, gw_hh, gb_ih = _sequence_gradients(
        dgates, dhidden, x, h0, w_ih, y, reverse, dh, dh
    )
    return gx, dh, gw_ih, gw_hh, gb_ih, dhidden.sum(axis=(0, 1))
