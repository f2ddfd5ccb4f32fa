"""Recurrent networks: the cells, and whole stacks of LSTM, GRU and plain layers.

A layer in one direction is one primitive that works through the whole sequence. Where the backward
pass is recorded, or for what the kernels do not know (projections), the steps run as operations.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.autograd.engine import grad as gradients
from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.state import state
from rushlight.core.tensor import Tensor
from rushlight.kernels import rnn as kernels
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply
from rushlight.ops.activation import relu
from rushlight.ops.dropout import dropout
from rushlight.ops.elementwise import add, mul, sub
from rushlight.ops.linear import FUSED, linear
from rushlight.ops.pointwise import sigmoid, tanh
from rushlight.ops.shape import narrow, select, slice_dim, transpose

Array = np.ndarray
Weights = tuple[Any, ...]  # w_ih, w_hh, b_ih, b_hh, w_hr; None for what there is not
Cell = Callable[..., Any]


def _gates(t: Tensor, count: int) -> list[Tensor]:
    size = t._array.shape[-1] // count
    return [narrow(t, -1, i * size, size) for i in range(count)]


# one step -----------------------------------------------------------------------------------------


def _lstm_step(x: Tensor, h: Tensor, c: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    i, f, g, o = _gates(add(linear(x, w_ih, b_ih), linear(h, w_hh, b_hh)), 4)
    c = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)))
    h = mul(sigmoid(o), tanh(c))
    return (h if w_hr is None else linear(h, w_hr)), c


def _gru_step(x: Tensor, h: Tensor, weights: Weights) -> Tensor:
    w_ih, w_hh, b_ih, b_hh, _ = weights
    xr, xz, xn = _gates(linear(x, w_ih, b_ih), 3)
    hr, hz, hn = _gates(linear(h, w_hh, b_hh), 3)
    r, z = sigmoid(add(xr, hr)), sigmoid(add(xz, hz))
    n = tanh(add(xn, mul(r, hn)))
    return add(mul(sub(h, n), z), n)


def _plain_step(function: Any) -> Cell:
    def step(x: Tensor, h: Tensor, weights: Weights) -> Tensor:
        w_ih, w_hh, b_ih, b_hh, _ = weights
        return function(add(linear(x, w_ih, b_ih), linear(h, w_hh, b_hh)))  # type: ignore[no-any-return]

    return step


def _check_cell(input: Tensor, hx: Tensor, w_ih: Tensor, gates: int) -> None:
    if input._array.shape[-1] != w_ih._array.shape[-1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input._array.shape[-1]} expected "
            f"{w_ih._array.shape[-1]}"
        )
    hidden = w_ih._array.shape[0] // gates
    if hx._array.shape[-1] != hidden:
        raise RuntimeError(
            f"hidden0 has inconsistent hidden_size: got {hx._array.shape[-1]}, expected {hidden}"
        )


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: the new hidden and cell state."""
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    return _lstm_step(input, hx[0], hx[1], (w_ih, w_hh, b_ih, b_hh, None))


def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a GRU: the new hidden state."""
    _check_cell(input, hx, w_ih, 3)
    return _gru_step(input, hx, (w_ih, w_hh, b_ih, b_hh, None))


def rnn_tanh_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a plain recurrent network with tanh."""
    _check_cell(input, hx, w_ih, 1)
    return tanh(add(linear(input, w_ih, b_ih), linear(hx, w_hh, b_hh)))


def rnn_relu_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a plain recurrent network with relu."""
    _check_cell(input, hx, w_ih, 1)
    return relu(add(linear(input, w_ih, b_ih), linear(hx, w_hh, b_hh)))


# one layer in one direction, x (T, N, I) ------------------------------------------------------------


def _order(steps: int, reverse: bool) -> Any:
    return range(steps - 1, -1, -1) if reverse else range(steps)


def _stacked(rows: list[Any]) -> Tensor:
    return late.stack(rows, 0)  # type: ignore[no-any-return]


def _lstm_steps(x: Tensor, h: Tensor, c: Tensor, weights: Weights, reverse: bool) -> Any:
    steps = x._array.shape[0]
    rows: list[Any] = [None] * steps
    for t in _order(steps, reverse):
        h, c = _lstm_step(select(x, 0, t), h, c, weights)
        rows[t] = h
    return _stacked(rows), h, c


def _hidden_steps(step: Cell, x: Tensor, h: Tensor, weights: Weights, reverse: bool) -> Any:
    steps = x._array.shape[0]
    rows: list[Any] = [None] * steps
    for t in _order(steps, reverse):
        h = step(select(x, 0, t), h, weights)
        rows[t] = h
    return _stacked(rows), h


_LSTM_INPUTS = ("input", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh")
_GRU_INPUTS = ("input", "h0", "w_ih", "w_hh", "b_ih", "b_hh")


def _lstm_eager(x: Array, h: Array, c: Array, w: Any, u: Any, b: Any, d: Any, reverse: bool) -> Any:
    y, last, cell, saved = kernels.lstm_forward(x, h, c, w, u, b, d, reverse)
    return y, last, cell, *saved


def _lstm_backward(
    gy: Any, gh: Any, gc: Any, x: Array, h: Array, c: Array, w: Array, u: Array, y: Array,
    gates: Array, cells: Array, reverse: bool,
) -> Any:  # fmt: skip
    return kernels.lstm_backward(gy, gh, gc, x, h, c, w, u, y, (gates, cells), reverse)


LSTM_BACKWARD = Primitive(
    "lstm_layer_backward",
    _lstm_backward,
    inputs=("gy", "gh", "gc", "input", "h0", "c0", "w_ih", "w_hh", "y", "gates", "cells"),
    params=("reverse",),
    vjp=FUSED,
)


def _recorded(function: Any, given: tuple[Any, ...], grads: Any, needs: Any) -> Any:
    """The gradients of ``function(*given)`` where they are to be differentiated again."""
    outs = function(*given)
    pairs = [(o, g) for o, g in zip(outs, grads) if g is not None]
    wanted = [t for t, need in zip(given, needs) if need]
    found = iter(
        gradients(
            [o for o, _ in pairs], wanted, [g for _, g in pairs], create_graph=True,
            allow_unused=True,
        )
    )  # fmt: skip
    return tuple([next(found) if need else None for need in needs])


def _lstm_rule(
    g: Any, input: Tensor, h0: Tensor, c0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any,
    b_hh: Any, out: Any, reverse: bool, needs: Any,
) -> Any:  # fmt: skip
    if state.grad_enabled:
        given = (input, h0, c0, w_ih, w_hh, b_ih, b_hh)
        return _recorded(
            lambda x, h, c, *w: _lstm_steps(x, h, c, (*w, None), reverse), given, g[:3], needs
        )
    y, _, _, gates, cells = out
    gx, gh, gc, gw, gu, gb = apply(
        LSTM_BACKWARD, (g[0], g[1], g[2], input, h0, c0, w_ih, w_hh, y, gates, cells), reverse
    )
    return gx, gh, gc, gw, gu, gb if needs[5] else None, gb if needs[6] else None


LSTM_LAYER = Primitive(
    "lstm_layer",
    _lstm_eager,
    inputs=_LSTM_INPUTS,
    params=("reverse",),
    vjp=_lstm_rule,
    materialize=False,
    node_name="MkldnnRnnLayerBackward0",
)


def _gru_eager(x: Array, h: Array, w: Any, u: Any, b: Any, d: Any, reverse: bool) -> Any:
    y, last, saved = kernels.gru_forward(x, h, w, u, b, d, reverse)
    return y, last, *saved


def _gru_backward(
    gy: Any, gh: Any, x: Array, h: Array, w: Array, u: Array, y: Array, gates: Array,
    candidates: Array, reverse: bool,
) -> Any:  # fmt: skip
    return kernels.gru_backward(gy, gh, x, h, w, u, y, (gates, candidates), reverse)


GRU_BACKWARD = Primitive(
    "gru_layer_backward",
    _gru_backward,
    inputs=("gy", "gh", "input", "h0", "w_ih", "w_hh", "y", "gates", "candidates"),
    params=("reverse",),
    vjp=FUSED,
)


def _gru_rule(
    g: Any, input: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any, b_hh: Any, out: Any,
    reverse: bool, needs: Any,
) -> Any:  # fmt: skip
    if state.grad_enabled:
        given = (input, h0, w_ih, w_hh, b_ih, b_hh)
        return _recorded(
            lambda x, h, *w: _hidden_steps(_gru_step, x, h, (*w, None), reverse),
            given, g[:2], needs,
        )  # fmt: skip
    y, _, gates, candidates = out
    found = apply(GRU_BACKWARD, (g[0], g[1], input, h0, w_ih, w_hh, y, gates, candidates), reverse)
    return tuple([f if need else None for f, need in zip(found, needs)])


GRU_LAYER = Primitive(
    "gru_layer",
    _gru_eager,
    inputs=_GRU_INPUTS,
    params=("reverse",),
    vjp=_gru_rule,
    materialize=False,
)


def _native(x: Tensor) -> bool:
    return x._array.dtype in (np.float32, np.float64) and x._array.size > 0


def _lstm_layer(x: Tensor, hidden: tuple[Tensor, ...], weights: Weights, reverse: bool) -> Any:
    h, c = hidden
    if weights[4] is not None or not _native(x):
        return _lstm_steps(x, h, c, weights, reverse)
    return apply(LSTM_LAYER, (x, h, c, *weights[:4]), reverse)[:3]


def _gru_layer(x: Tensor, hidden: tuple[Tensor, ...], weights: Weights, reverse: bool) -> Any:
    if not _native(x):
        return _hidden_steps(_gru_step, x, hidden[0], weights, reverse)
    return apply(GRU_LAYER, (x, hidden[0], *weights[:4]), reverse)[:2]


def _plain_layer(function: Any) -> Cell:
    step = _plain_step(function)

    def layer(x: Tensor, hidden: tuple[Tensor, ...], weights: Weights, reverse: bool) -> Any:
        return _hidden_steps(step, x, hidden[0], weights, reverse)

    return layer


# stacks -------------------------------------------------------------------------------------------


def _grouped(params: Sequence[Tensor], has_biases: bool, projected: bool) -> list[Weights]:
    """The flat list of parameters as one tuple for each layer and direction."""
    per = 2 + 2 * has_biases + projected
    groups = []
    for i in range(0, len(params), per):
        part = list(params[i : i + per])
        biases = part[2:4] if has_biases else [None, None]
        groups.append((part[0], part[1], *biases, part[-1] if projected else None))
    return groups


def _stack(
    layer: Cell,
    input: Tensor,
    hidden: Sequence[Tensor],
    groups: list[Weights],
    num_layers: int,
    drop: float,
    train: bool,
    bidirectional: bool,
    run: Callable[..., Any],
) -> tuple[Tensor, list[Tensor]]:
    """All layers; returns the last one's sequence and, for each state, its final values."""
    directions = 2 if bidirectional else 1
    finals: list[list[Tensor]] = [[] for _ in hidden]
    x = input
    for number in range(num_layers):
        outs = []
        for direction in range(directions):
            k = number * directions + direction
            first = tuple([select(h, 0, k) for h in hidden])
            y, *last = run(layer, x, first, groups[k], direction == 1)
            outs.append(y)
            for held, value in zip(finals, last):
                held.append(value)
        x = outs[0] if directions == 1 else late.cat(outs, -1)
        if drop and train and number < num_layers - 1:
            x = dropout(x, drop, True)
    return x, [_stacked(f) for f in finals]


def _plain_run(
    layer: Cell, x: Tensor, first: tuple[Tensor, ...], weights: Weights, reverse: bool
) -> Any:
    return layer(x, first, weights, reverse)


def _packed_run(sizes: list[int]) -> Callable[..., Any]:
    """Runs a layer over packed sequences, whose batch shrinks from step to step."""

    def run(
        layer: Cell, x: Tensor, first: tuple[Tensor, ...], weights: Weights, reverse: bool
    ) -> Any:
        offsets = np.concatenate(([0], np.cumsum(sizes))).tolist()
        rows: list[Any] = [None] * len(sizes)
        now = list(first)  # the states of the sequences that still (or already) run
        done: list[list[Tensor]] = [[] for _ in first]
        active = sizes[0]
        if reverse:
            now = [slice_dim(h, 0, 0, sizes[-1]) for h in first]
            active = sizes[-1]
        for t in _order(len(sizes), reverse):
            size = sizes[t]
            if size < active:
                for held, h in zip(done, now):
                    held.append(slice_dim(h, 0, size, None))
                now = [slice_dim(h, 0, 0, size) for h in now]
            elif size > active:
                now = [late.cat([h, slice_dim(f, 0, active, size)], 0) for h, f in zip(now, first)]
            active = size
            part = late.unsqueeze(slice_dim(x, 0, offsets[t], offsets[t + 1]), 0)
            y, *now = layer(part, tuple(now), weights, False)
            rows[t] = select(y, 0, 0)
        finals = [late.cat([h, *reversed(held)], 0) for h, held in zip(now, done)]
        return late.cat(rows, 0), *finals

    return run


def _check_dtypes(input: Tensor, hidden: Sequence[Tensor], params: Sequence[Tensor]) -> None:
    for h in hidden:
        if h._array.dtype != input._array.dtype:
            raise ValueError(
                "RNN input dtype "
                f"({SCALAR_TYPE_NAMES[input.dtype]}) does not match hidden dtype "
                f"({SCALAR_TYPE_NAMES[h.dtype]})"
            )


def _network(layer: Cell, states: int, args: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Both forms of ``torch.lstm`` and its kin: with a batch, and with packed sequences."""
    if isinstance(args[3], bool):  # input, hx, params, has_biases, ..., batch_first
        input, hx, params, has_biases, num_layers, drop, train, bidirectional, batch_first = args
        run: Any = _plain_run
    else:  # data, batch_sizes, hx, params, has_biases, ...
        input, sizes, hx, params, has_biases, num_layers, drop, train, bidirectional = args
        batch_first = False
        run = _packed_run(sizes._array.tolist())
    hidden = [hx] if isinstance(hx, Tensor) else list(hx)
    if len(hidden) != states:
        raise RuntimeError("lstm expects two hidden states")
    directions = 2 if bidirectional else 1
    per = len(params) // max(num_layers * directions, 1)
    projected = states == 2 and per == 2 + 2 * bool(has_biases) + 1
    _check_dtypes(input, hidden, params)
    groups = _grouped(params, has_biases, projected)
    x = transpose(input, 0, 1) if batch_first else input
    y, finals = _stack(layer, x, hidden, groups, num_layers, drop, train, bidirectional, run)
    return (transpose(y, 0, 1) if batch_first else y), *finals


def lstm(*args: Any) -> tuple[Tensor, ...]:
    """A stack of LSTM layers.

    Called as ``lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first)`` or, for packed sequences, ``lstm(data, batch_sizes, hx, params, has_biases,
    num_layers, dropout, train, bidirectional)``. Returns the sequence of the last layer's hidden
    states, and the last hidden and cell states of all layers.
    """
    return _network(_lstm_layer, 2, args)


def gru(*args: Any) -> tuple[Tensor, ...]:
    """A stack of GRU layers; called as :func:`lstm`, with one state."""
    return _network(_gru_layer, 1, args)


def rnn_tanh(*args: Any) -> tuple[Tensor, ...]:
    """A stack of plain recurrent layers with tanh; called as :func:`lstm`, with one state."""
    return _network(_plain_layer(tanh), 1, args)


def rnn_relu(*args: Any) -> tuple[Tensor, ...]:
    """A stack of plain recurrent layers with relu; called as :func:`lstm`, with one state."""
    return _network(_plain_layer(relu), 1, args)
