"""Sequences of different lengths: padded to one tensor, or packed without padding."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, wrap
from rushlight.nn.packed import PackedSequence, invert_permutation
from rushlight.ops._late import late
from rushlight.ops.creation import as_tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


def _places(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each element of the packed data its time and its sequence; and the batch sizes."""
    steps = int(lengths[0])
    sizes = (lengths[None, :] > np.arange(steps)[:, None]).sum(1)
    times = np.repeat(np.arange(steps), sizes)
    starts = np.cumsum(sizes) - sizes
    rows = np.arange(times.size) - starts[times]
    return times, rows, sizes


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs sequences that are padded to the same length.

    Args:
        input: ``(T, B, *)``, or ``(B, T, *)`` with ``batch_first``.
        lengths: of the sequences.
        enforce_sorted: they must be sorted by falling length; otherwise they are sorted here.

    Examples::

        >>> x = torch.tensor([[1, 2], [3, 0]])
        >>> packed = nn.utils.rnn.pack_padded_sequence(x, [2, 1], batch_first=True)
        >>> packed.data, packed.batch_sizes
        (tensor([1, 3, 2]), tensor([2, 1]))
    """
    sizes = as_tensor(lengths)._array.astype(np.int64)
    sorted_indices = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes = sizes[order]
        sorted_indices = wrap(order)
        input = late.index_select(input, 0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    if sizes.size != input.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {sizes.size} "
            f"(batch_size={input.shape[1]})"
        )
    if sizes.size and sizes[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if (np.diff(sizes) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if sizes.size and sizes[0] > input.shape[0]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be at most the sequence length {input.shape[0]}, but got "
            f"a length of {sizes[0]}"
        )
    times, rows, counts = _places(sizes)
    data = late.index_select(input.flatten(0, 1), 0, wrap(times * input.shape[1] + rows))
    return PackedSequence(data, wrap(counts.astype(np.int64)), sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undoes :func:`pack_padded_sequence`.

    Args:
        sequence: what was packed.
        batch_first: the result is ``(B, T, *)``.
        padding_value: fills up the shorter sequences.
        total_length: T, if it is to be larger than the longest sequence.

    Returns:
        The padded tensor, and the lengths.
    """
    data: Any = sequence.data
    counts = sequence.batch_sizes._array
    steps, batch = counts.size, int(counts[0])
    lengths = (counts[None, :] > np.arange(batch)[:, None]).sum(1)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in "
                f"input, but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    times, rows, _ = _places(lengths)
    kind, rest = data._array.dtype, data._array.shape[1:]
    padded = wrap(np.full((steps * batch, *rest), padding_value, kind))
    padded = late.index_copy(padded, 0, wrap(times * batch + rows), data)
    padded = padded.unflatten(0, (steps, batch))
    if batch_first:
        padded = padded.transpose(0, 1)
    found = wrap(lengths.astype(np.int64))
    if sequence.unsorted_indices is not None:
        order = sequence.unsorted_indices
        padded = late.index_select(padded, 0 if batch_first else 1, order)
        found = late.index_select(found, 0, order)
    return padded, found


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences of different lengths in one tensor, filled up with ``padding_value``.

    Args:
        sequences: tensors of shapes ``(L_i, *)``.
        batch_first: the result is ``(B, T, *)``, else ``(T, B, *)``.
        padding_side: "right" or "left".

    Examples::

        >>> pad = nn.utils.rnn.pad_sequence
        >>> pad([torch.tensor([1, 2]), torch.tensor([3])], batch_first=True)
        tensor([[1, 2],
                [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    parts: list[Any] = list(sequences)
    if not parts:
        raise RuntimeError("received an empty list of sequences")
    longest = max(p.shape[0] for p in parts)
    padded = []
    for p in parts:
        missing = longest - p.shape[0]
        if missing:
            filler = wrap(np.full((missing, *p.shape[1:]), padding_value, p._array.dtype))
            p = late.cat([p, filler] if padding_side == "right" else [filler, p])
        padded.append(p)
    return late.stack(padded, 0 if batch_first else 1)  # type: ignore[no-any-return]


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """Undoes :func:`pad_sequence`.

    Examples::

        >>> nn.utils.rnn.unpad_sequence(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), True)
        [tensor([1, 2]), tensor([3])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    sizes = as_tensor(lengths).tolist()  # type: ignore[attr-defined]
    return [sequence[:n] for sequence, n in zip(padded_sequences, sizes)]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences of different lengths.

    Examples::

        >>> nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]).data
        tensor([1, 3, 2])
    """
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undoes :func:`pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
