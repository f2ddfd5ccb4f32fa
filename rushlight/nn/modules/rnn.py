"""Recurrent networks.

The computations are ``torch.rnn_tanh``, ``rnn_relu``, ``lstm`` and ``gru``, and their cells; the
modules hold the weights and check shapes.
"""

import math
import warnings
import weakref
from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.packed import PackedSequence
from rushlight.nn.parameter import Parameter
from rushlight.ops._late import late
from rushlight.ops.creation import empty, zeros

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _check_arguments(m: "RNNBase", dropout: Any) -> None:
    if not isinstance(dropout, (int, float)) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if dropout > 0 and m.num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={m.num_layers}",
            stacklevel=4,
        )
    for name, kind in (
        ("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int),
    ):  # fmt: skip
        value = getattr(m, name)
        if not isinstance(value, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__}, got: {type(value).__name__}"
            )
        if kind is int and value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if m.num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if m.proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if m.proj_size >= m.hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNNBase(Module):
    """What RNN, LSTM and GRU have in common.

    Weights start uniform between ``-1 / sqrt(hidden_size)`` and its positive.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size, hidden_size: the numbers of features of input and hidden state.
        num_layers: how many layers on top of each other.
        bias: whether there are biases.
        batch_first: inputs and outputs are ``(N, L, features)``, not ``(L, N, features)``.
        dropout: the probability of dropout between layers.
        bidirectional: a second network runs backwards; the outputs are put together.
        proj_size: the size of the projection of the LSTM's hidden state (0: none).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        _check_arguments(self, dropout)
        self.dropout = float(dropout)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        rows = _GATES[mode] * hidden_size
        state = proj_size or hidden_size
        for layer in range(num_layers):
            features = input_size if layer == 0 else state * (2 if bidirectional else 1)
            shapes: list[tuple[str, Any]] = [("weight_ih", (rows, features)),
                                             ("weight_hh", (rows, state))]  # fmt: skip
            if bias:
                shapes += [("bias_ih", (rows,)), ("bias_hh", (rows,))]
            if proj_size:
                shapes.append(("weight_hr", (proj_size, hidden_size)))
            for suffix in ("", "_reverse") if bidirectional else ("",):
                names = [f"{name}_l{layer}{suffix}" for name, _ in shapes]
                for name, (_, shape) in zip(names, shapes):
                    self.register_parameter(
                        name, Parameter(empty(shape, device=device, dtype=dtype))
                    )
                self._flat_weights_names.extend(names)
                self._all_weights.append(names)
        self._init_flat_weights()
        self.reset_parameters()

    def _init_flat_weights(self) -> None:
        self._flat_weights = [getattr(self, name, None) for name in self._flat_weights_names]
        self._flat_weight_refs = [None if w is None else weakref.ref(w) for w in self._flat_weights]

    def __setattr__(self, name: str, value: Any) -> None:
        names = self.__dict__.get("_flat_weights_names")
        if names and name in names and "_flat_weights" in self.__dict__:
            self._flat_weights[names.index(name)] = value
        super().__setattr__(name, value)

    def flatten_parameters(self) -> None:
        """Nothing: the weights need no particular place in memory."""

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        result = super()._apply(fn, recurse)
        self._init_flat_weights()
        return result

    def _update_flat_weights(self) -> None:
        """Takes over weights that were replaced."""
        params = self._parameters
        for i, name in enumerate(self._flat_weights_names):
            held = self._flat_weights[i]
            found = params[name] if name in params else getattr(self, name, None)
            if found is not held:
                self._flat_weights[i] = found

    def reset_parameters(self) -> None:
        """Draws new initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def __getstate__(self) -> dict[str, Any]:
        fields = super().__getstate__()
        fields.pop("_flat_weight_refs", None)
        return fields

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("proj_size", 0)
        self._init_flat_weights()

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raises an error for inputs of a wrong dtype or shape."""
        kind = self._flat_weights[0].dtype
        if input.dtype is not kind:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({kind}). Convert "
                f"input: input.to({kind}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.ndim}")
        if self.input_size != input.shape[-1]:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.shape[-1]}"
            )

    def _state_shape(
        self, input: Tensor, batch_sizes: Tensor | None, features: int
    ) -> tuple[int, int, int]:
        if batch_sizes is not None:
            batch = int(batch_sizes._array[0])
        else:
            batch = input.shape[0 if self.batch_first else 1]
        return self.num_layers * (2 if self.bidirectional else 1), batch, features

    def get_expected_hidden_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """The shape of the hidden state for this input."""
        return self._state_shape(input, batch_sizes, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: Any, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raises RuntimeError for a state of a wrong shape."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Checks input and state."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its sequences in another order."""
        if permutation is None:
            return hx
        if isinstance(hx, tuple):
            return tuple([late.index_select(h, 1, permutation) for h in hx])
        return late.index_select(hx, 1, permutation)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    # The forward pass, common to all modes

    def _check_state_dims(self, hx: Any, batched: bool) -> None:
        if batched and hx.ndim != 3:
            raise RuntimeError(
                f"For batched 3-D input, hx should also be 3-D but got {hx.ndim}-D tensor"
            )
        if not batched and hx.ndim != 2:
            raise RuntimeError(
                f"For unbatched 2-D input, hx should also be 2-D but got {hx.ndim}-D tensor"
            )

    def _add_batch(self, hx: Any) -> Any:
        return hx.unsqueeze(1)

    def _drop_batch(self, hx: Any) -> Any:
        return hx.squeeze(1)

    def _zero_state(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        shape = self.get_expected_hidden_size(input, batch_sizes)
        return zeros(shape, dtype=input.dtype)

    def _wrong_dims(self, input: Tensor) -> ValueError:
        return ValueError(
            f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead"
        )

    def _run(self, function: Any, input: Tensor, hx: Any, batch_sizes: Tensor | None) -> Any:
        """Output and state of the whole sequence."""
        options = (
            self._flat_weights, self.bias, self.num_layers, self.dropout, self.training,
            self.bidirectional,
        )  # fmt: skip
        if batch_sizes is None:
            found = function(input, hx, *options, self.batch_first)
        else:
            found = function(input, batch_sizes, hx, *options)
        return found[0], found[1] if len(found) == 2 else tuple(found[1:])

    def _forward(self, function: Any, input: Any, hx: Any) -> Any:
        self._update_flat_weights()
        if isinstance(input, PackedSequence):
            return self._forward_packed(function, input, hx)
        if input.ndim not in (2, 3):
            raise self._wrong_dims(input)
        batched = input.ndim == 3
        batch_dim = 0 if self.batch_first else 1
        if not batched:
            input = input.unsqueeze(batch_dim)
        if hx is None:
            hx = self._zero_state(input, None)
        else:
            self._check_state_dims(hx, batched)
            if not batched:
                hx = self._add_batch(hx)
        self.check_forward_args(input, hx, None)
        output, hidden = self._run(function, input, hx, None)
        if batched:
            return output, hidden
        return output.squeeze(batch_dim), self._drop_batch(hidden)

    def _forward_packed(self, function: Any, packed: PackedSequence, hx: Any) -> Any:
        data, batch_sizes, sorted_indices, unsorted_indices = packed
        if hx is None:
            hx = self._zero_state(data, batch_sizes)
        else:
            hx = self.permute_hidden(hx, sorted_indices)
        self.check_forward_args(data, hx, batch_sizes)
        output, hidden = self._run(function, data, hx, batch_sizes)
        result = PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices)
        return result, self.permute_hidden(hidden, unsorted_indices)


class RNN(RNNBase):
    """``h[t] = tanh(x[t] @ W_ih.T + b_ih + h[t-1] @ W_hh.T + b_hh)``.

    Args:
        input_size, hidden_size, num_layers: see :class:`RNNBase`.
        nonlinearity: "tanh" or "relu".
        bias, batch_first, dropout, bidirectional: see :class:`RNNBase`.

    Shape:
        input ``(L, N, input_size)``, h_0 ``(layers * directions, N, hidden_size)``; output ``(L, N,
        directions * hidden_size)`` and h_n like h_0.

    Examples::

        >>> output, h = nn.RNN(10, 20, 2)(torch.zeros(5, 3, 10))
        >>> output.shape, h.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def _wrong_dims(self, input: Tensor) -> ValueError:
        return ValueError(f"RNN: Expected input to be 2D or 3D, got {input.ndim}D tensor instead")

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        function = late.rnn_tanh if self.mode == "RNN_TANH" else late.rnn_relu
        return self._forward(function, input, hx)


class LSTM(RNNBase):
    """Long short-term memory.

    ``i, f, g, o`` are the parts of ``x[t] @ W_ih.T + b_ih + h[t-1] @ W_hh.T + b_hh``;
    ``c[t] = sigmoid(f) * c[t-1] + sigmoid(i) * tanh(g)``, ``h[t] = sigmoid(o) * tanh(c[t])``. From
    "Long short-term memory", Hochreiter and Schmidhuber, 1997.

    Args: see :class:`RNNBase` (all but ``mode``).

    Shape:
        input ``(L, N, input_size)``, h_0 and c_0 ``(layers * directions, N, hidden_size)``; output
        ``(L, N, directions * hidden_size)``, h_n, c_n.

    Examples::

        >>> output, (h, c) = nn.LSTM(10, 20, 2)(torch.zeros(5, 3, 10))
        >>> output.shape, c.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """The shape of the cell state for this input."""
        return self._state_shape(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Checks input and both states."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(
            hidden[0], self.get_expected_hidden_size(input, batch_sizes),
            "Expected hidden[0] size {}, got {}",
        )  # fmt: skip
        self.check_hidden_size(
            hidden[1], self.get_expected_cell_size(input, batch_sizes),
            "Expected hidden[1] size {}, got {}",
        )  # fmt: skip

    def _check_state_dims(self, hx: Any, batched: bool) -> None:
        dims = 3 if batched else 2
        if hx[0].ndim != dims or hx[1].ndim != dims:
            kind = "batched" if batched else "unbatched"
            raise RuntimeError(
                f"For {kind} {dims}-D input, hx and cx should also be {dims}-D but got "
                f"({hx[0].ndim}-D, {hx[1].ndim}-D) tensors"
            )

    def _add_batch(self, hx: Any) -> Any:
        return hx[0].unsqueeze(1), hx[1].unsqueeze(1)

    def _drop_batch(self, hx: Any) -> Any:
        return hx[0].squeeze(1), hx[1].squeeze(1)

    def _zero_state(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        shape = self.get_expected_cell_size(input, batch_sizes)
        return super()._zero_state(input, batch_sizes), zeros(shape, dtype=input.dtype)

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> Any:
        return self._forward(late.lstm, input, hx)


class GRU(RNNBase):
    """Gated recurrent units.

    ``r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)``, ``z`` likewise, ``n = tanh(W_in x + b_in + r *
    (W_hn h + b_hn))``, ``h[t] = (1 - z) * n + z * h[t-1]``. From "Learning phrase representations
    using RNN encoder-decoder", Cho et al., 2014.

    Args: see :class:`RNNBase` (all but ``mode`` and ``proj_size``).

    Shape: as for :class:`RNN`.

    Examples::

        >>> output, h = nn.GRU(10, 20)(torch.zeros(5, 3, 10))
        >>> output.shape, h.shape
        (torch.Size([5, 3, 20]), torch.Size([1, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        return self._forward(late.gru, input, hx)


class RNNCellBase(Module):
    """What the cells have in common: one step of a recurrent network."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        for name, shape in (("weight_ih", (rows, input_size)), ("weight_hh", (rows, hidden_size))):
            self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)))
        for name in ("bias_ih", "bias_hh"):
            value = Parameter(empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _check(self, value: Tensor, name: str) -> None:
        if value.ndim not in (1, 2):
            raise ValueError(
                f"{self._get_name()}: Expected {name} to be 1D or 2D, got {value.ndim}D instead"
            )

    def _step(self, function: Any, input: Any, hx: Any) -> Any:
        self._check(input, "input")
        if hx is not None:
            self._check(hx, "hidden")
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
        if hx is None:
            hx = zeros((input.shape[0], self.hidden_size), dtype=input.dtype)
        elif not batched:
            hx = hx.unsqueeze(0)
        found = function(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return found if batched else found.squeeze(0)


class RNNCell(RNNCellBase):
    """One step of :class:`RNN`.

    Examples::

        >>> nn.RNNCell(10, 20)(torch.zeros(3, 10), torch.zeros(3, 20)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Any:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        function = late.rnn_tanh_cell if self.nonlinearity == "tanh" else late.rnn_relu_cell
        return self._step(function, input, hx)


class LSTMCell(RNNCellBase):
    """One step of :class:`LSTM`.

    Examples::

        >>> h, c = nn.LSTMCell(10, 20)(torch.zeros(3, 10))
        >>> h.shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        self._check(input, "input")
        for i, value in enumerate(hx or ()):
            self._check(value, f"hx[{i}]")
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
        if hx is None:
            nothing = zeros((input.shape[0], self.hidden_size), dtype=input.dtype)
            hx = (nothing, nothing)
        elif not batched:
            hx = (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = late.lstm_cell(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of :class:`GRU`.

    Examples::

        >>> nn.GRUCell(10, 20)(torch.zeros(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Any:
        return self._step(late.gru_cell, input, hx)
