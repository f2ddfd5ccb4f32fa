"""``torch.Size``: a tuple of dimensions."""

import math
from collections.abc import Iterable
from typing import Any


class Size(tuple[int, ...]):
    """The shape of a tensor. A tuple, with ``numel()`` and PyTorch's printed form."""

    __slots__ = ()
    __module__ = "torch"

    def __new__(cls, dims: Iterable[Any] = ()) -> "Size":
        values = tuple(dims)
        for i, d in enumerate(values):
            if type(d) is not int and not hasattr(d, "__index__"):
                raise TypeError(
                    f"torch.Size() takes an iterable of 'int' (item {i} is '{type(d).__name__}')"
                )
        return tuple.__new__(cls, [int(d) for d in values])

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __str__(self) -> str:
        return self.__repr__()

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return make_size(found) if isinstance(found, tuple) else found

    def __add__(self, other: Any) -> "Size":
        return Size(tuple.__add__(self, tuple(other)))

    def __mul__(self, times: Any) -> "Size":
        return make_size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple[object, tuple[tuple[int, ...]]]:
        return make_size, (tuple(self),)


def make_size(dims: tuple[int, ...]) -> Size:
    """A Size of dimensions that are known to be ints: no checks."""
    return tuple.__new__(Size, dims)
