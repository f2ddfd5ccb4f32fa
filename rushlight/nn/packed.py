"""Sequences of different lengths without padding.

``nn.utils.rnn`` makes them and is where their names are public; recurrent modules take them.
"""

from typing import Any, NamedTuple, Self

import numpy as np

from rushlight.core.tensor import Tensor, wrap


class PackedSequence_(NamedTuple):
    """The fields of :class:`PackedSequence`."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences of different lengths, without padding: what :func:`pack_padded_sequence` makes.

    The sequences are sorted by falling length; ``data`` has first all first elements, then all
    second ones, and ``batch_sizes`` says how many of each.
    """

    __module__ = "rushlight.nn.utils.rnn"

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)  # type: ignore[call-arg, arg-type]

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """With the data in another dtype."""
        data = self.data.to(*args, **kwargs)  # type: ignore[attr-defined]
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def cpu(self, *args: Any, **kwargs: Any) -> Self:
        """Itself."""
        return self

    def pin_memory(self) -> Self:
        """Itself."""
        return self

    def double(self) -> Self:
        """With the data as float64."""
        return self._cast("double")

    def float(self) -> Self:
        """With the data as float32."""
        return self._cast("float")

    def half(self) -> Self:
        """With the data as float16."""
        return self._cast("half")

    def long(self) -> Self:
        """With the data as int64."""
        return self._cast("long")

    def _cast(self, method: str) -> Self:
        data = getattr(self.data, method)()
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    def is_pinned(self) -> bool:
        """False."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one.

    Examples::

        >>> nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    array = permutation._array
    result = np.empty_like(array)
    result[array] = np.arange(array.size, dtype=array.dtype)
    return wrap(result)
