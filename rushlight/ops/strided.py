"""Views by strides: as_strided, unfold, diagonals, and what is built on them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.core.bridge import address, owner
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import with_out, wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply1, apply_view

ndarray = np.ndarray
Geometry = tuple[tuple[int, ...], tuple[int, ...], int]  # size, stride, offset, in elements


def _geometry(array: ndarray) -> Geometry:
    item = array.itemsize
    offset = (address(array) - address(owner(array))) // item if array.size else 0
    return array.shape, tuple([s // item for s in array.strides]), offset


def _as_strided(array: ndarray, size: Any, stride: Any, offset: int | None) -> ndarray:
    whole = owner(array)
    item = array.itemsize
    start = (address(array) - address(whole)) if offset is None else offset * item
    need = start + item * (1 + sum([(n - 1) * s for n, s in zip(size, stride)]))
    if 0 not in size and need > whole.nbytes:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset "
            f"{start // item}, and itemsize {item} requiring a storage size of {need} are out of "
            f"bounds for storage of size {whole.nbytes}"
        )
    memory = whole.reshape(-1, order="A").view(np.uint8)[start:] if whole.nbytes else whole
    usable = memory[: memory.size // item * item].view(array.dtype)
    steps = tuple([s * item for s in stride])
    return np.lib.stride_tricks.as_strided(usable, tuple(size), steps)


def _positions(geometry: Geometry) -> ndarray:
    size, stride, offset = geometry
    flat = np.full(size, offset, np.int64)
    for d, (n, s) in enumerate(zip(size, stride)):
        flat += (np.arange(n) * s).reshape((n,) + (1,) * (len(size) - 1 - d))
    return flat


def _as_strided_backward(g: ndarray, source: Geometry, target: Geometry) -> ndarray:
    """The gradient in the layout of the input: memory seen several times gets the sum."""
    into, out_of = _positions(source), _positions(target)
    size = 1 + max([int(p.max()) for p in (into, out_of) if p.size], default=0)
    memory = np.zeros(size, g.dtype)
    np.add.at(memory, out_of.reshape(-1), g.reshape(-1))
    counts = np.bincount(into.reshape(-1), minlength=size)
    return (memory / np.maximum(counts, 1))[into].astype(g.dtype)


def _as_strided_again(g: ndarray, source: Geometry, target: Geometry) -> ndarray:
    into, out_of = _positions(source), _positions(target)
    size = 1 + max([int(p.max()) for p in (into, out_of) if p.size], default=0)
    memory = np.zeros(size, g.dtype)
    counts = np.bincount(into.reshape(-1), minlength=size)
    np.add.at(memory, into.reshape(-1), g.reshape(-1))
    return (memory / np.maximum(counts, 1))[out_of].astype(g.dtype)


AS_STRIDED_BACKWARD = Primitive(
    "as_strided_backward",
    _as_strided_backward,
    params=("source", "target"),
    vjp={"input": lambda g, source, target: apply1(AS_STRIDED_AGAIN, g, source, target)},
)
AS_STRIDED_AGAIN = Primitive(
    "as_strided_again",
    _as_strided_again,
    params=("source", "target"),
    vjp={"input": lambda g, source, target: apply1(AS_STRIDED_BACKWARD, g, source, target)},
)
AS_STRIDED = Primitive(
    "as_strided",
    lambda a, size, stride, offset, source: _as_strided(a, size, stride, offset),
    params=("size", "stride", "offset", "source"),
    vjp={
        "input": lambda g, size, stride, offset, source: apply1(
            AS_STRIDED_BACKWARD, g, source, (size, stride, offset)
        )
    },
    view=True,
)


def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view of the memory of ``input`` with the given shape, strides and offset, in elements.

    Raises RuntimeError for a view beyond the memory, and for negative strides.

    Examples::

        >>> torch.as_strided(torch.arange(5), (2, 3), (1, 1))
        tensor([[0, 1, 2],
                [1, 2, 3]])
    """
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(
            f"mismatch in length of strides and shape: sizes {list(size)}, strides {list(stride)}"
        )
    if any(s < 0 for s in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            f"{list(stride)}"
        )
    source = _geometry(input._array)
    offset = source[2] if storage_offset is None else int(storage_offset)
    return apply_view(AS_STRIDED, input, size, stride, offset, source)


def as_strided_(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """Changes shape, strides and offset of ``input`` in place."""
    input._array = as_strided(input, size, stride, storage_offset)._array
    return input


def as_strided_scatter(
    input: Tensor,
    src: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> Tensor:
    """A copy of ``input`` in which the part that :func:`as_strided` sees is ``src``."""
    return _scattered(input, lambda t: as_strided(t, size, stride, storage_offset), src)


def _scattered(input: Tensor, view: Any, src: Tensor) -> Tensor:
    out = late.clone(input)
    part = view(out)
    if part._array.shape != src._array.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src._array.shape)}, slice size = {list(part._array.shape)}"
        )
    late.copy_(part, src)
    return out  # type: ignore[no-any-return]


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` with ``src`` at ``index`` of ``dim``."""
    return _scattered(input, lambda t: late.select(t, dim, index), src)


@with_out
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """A copy of ``input`` with ``src`` in the slice ``start:end:step`` of ``dim``."""
    dim = wrap_dim(dim, input._array.ndim)
    index = (slice(None),) * dim + (slice(start, end, step),)
    return _scattered(input, lambda t: t[index], src)


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy of ``input`` with ``src`` on a diagonal."""
    return _scattered(input, lambda t: diagonal(t, offset, dim1, dim2), src)


def _unfold(array: ndarray, dim: int, size: int, step: int) -> ndarray:
    if array.ndim == 0:
        return np.lib.stride_tricks.as_strided(array, (size,), (array.itemsize,))
    count = (array.shape[dim] - size) // step + 1
    shape = (*array.shape[:dim], count, *array.shape[dim + 1 :], size)
    s = array.strides
    return np.lib.stride_tricks.as_strided(
        array, shape, (*s[:dim], s[dim] * step, *s[dim + 1 :], s[dim])
    )


def _unfold_backward(g: ndarray, shape: Any, dim: int, size: int, step: int) -> ndarray:
    out = np.zeros(shape, g.dtype)
    if not shape:
        return np.asarray(g.sum(dtype=g.dtype)).reshape(())
    lead = (slice(None),) * dim
    count = g.shape[dim]
    for k in range(size):  # elements that meet in one place come from different windows
        out[(*lead, slice(k, k + (count - 1) * step + 1, step))] += g[..., k]
    return out


UNFOLD = Primitive(
    "unfold",
    _unfold,
    params=("dim", "size", "step"),
    vjp={
        "input": lambda g, input_shape, dim, size, step: apply1(
            UNFOLD_BACKWARD, g, input_shape, dim, size, step
        )
    },
    view=True,
)
UNFOLD_BACKWARD = Primitive(
    "unfold_backward",
    _unfold_backward,
    params=("shape", "dim", "size", "step"),
    vjp={"input": lambda g, dim, size, step: apply_view(UNFOLD, g, dim, size, step)},
)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of windows of ``size`` elements of a dimension, ``step`` apart, in a new last dimension.

    Examples::

        >>> torch.arange(5).unfold(0, 2, 1)
        tensor([[0, 1],
                [1, 2],
                [2, 3],
                [3, 4]])
    """
    dim = wrap_dim(dimension, input._array.ndim)
    n = input._array.shape[dim] if input._array.ndim else 1
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {n} but size is {size}")
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return apply_view(UNFOLD, input, dim, size, step)


def _diagonal(array: ndarray, offset: int, dim1: int, dim2: int) -> ndarray:
    view = array.diagonal(offset, dim1, dim2)
    if not view.flags.writeable and array.flags.writeable:
        view.setflags(write=True)
    return view


def _diagonal_backward(g: ndarray, shape: Any, offset: int, dim1: int, dim2: int) -> ndarray:
    out = np.zeros(shape, g.dtype)
    _diagonal(out, offset, dim1, dim2)[...] = g
    return out


DIAGONAL = Primitive(
    "diagonal",
    _diagonal,
    params=("offset", "dim1", "dim2"),
    vjp={
        "input": lambda g, input_shape, offset, dim1, dim2: apply1(
            DIAGONAL_BACKWARD, g, input_shape, offset, dim1, dim2
        )
    },
    view=True,
)
DIAGONAL_BACKWARD = Primitive(
    "diagonal_backward",
    _diagonal_backward,
    params=("shape", "offset", "dim1", "dim2"),
    vjp={"input": lambda g, offset, dim1, dim2: apply_view(DIAGONAL, g, offset, dim1, dim2)},
)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of a diagonal of two dimensions, in a new last dimension.

    Args:
        offset: 0 for the main diagonal, positive above it, negative below.

    Examples::

        >>> torch.diagonal(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    ndim = input._array.ndim
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return apply_view(DIAGONAL, input, int(offset), a, b)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension of ``input`` on a diagonal and zeros elsewhere.

    Examples::

        >>> torch.diag_embed(torch.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    array = input._array
    ndim = array.ndim + 1
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = array.shape[-1] + abs(offset)
    shape = list(array.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, n)
    return apply1(DIAGONAL_BACKWARD, input, tuple(shape), int(offset), a, b)


def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """A matrix's diagonal, as a copy; or the matrix with the vector ``input`` on its diagonal.

    Examples::

        >>> torch.diag(torch.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    ndim = input._array.ndim
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    if ndim == 1:
        result = diag_embed(input, diagonal)
    else:
        result = late.clone(apply_view(DIAGONAL, input, diagonal, 0, 1))
    return result if out is None else write_out(out, result)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements of ``input`` on a diagonal."""
    return diag_embed(late.reshape(late.contiguous(input), (-1,)), offset)


TRIL = Primitive(
    "tril",
    lambda a, k: np.tril(a, k),
    params=("diagonal",),
    vjp={"input": lambda g, diagonal: apply1(TRIL, g, diagonal)},
)
TRIU = Primitive(
    "triu",
    lambda a, k: np.triu(a, k),
    params=("diagonal",),
    vjp={"input": lambda g, diagonal: apply1(TRIU, g, diagonal)},
)


def _triangle(
    name: str, primitive: Primitive, input: Tensor, diagonal: int, out: Tensor | None
) -> Tensor:
    if input._array.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    result = apply1(primitive, input, int(diagonal))
    return result if out is None else write_out(out, result)


def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of matrices, up to a diagonal; zeros above.

    Examples::

        >>> torch.tril(torch.ones(2, 2))
        tensor([[1., 0.],
                [1., 1.]])
    """
    return _triangle("tril", TRIL, input, diagonal, out)


def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of matrices, from a diagonal on; zeros below."""
    return _triangle("triu", TRIU, input, diagonal, out)


def fill_diagonal_(
    input: Tensor, fill_value: Any, wrap_around: bool = False, **names: Any
) -> Tensor:
    """Sets the diagonal of ``input`` in place (repeated down a tall matrix with ``wrap=True``)."""
    repeat = names.pop("wrap", wrap_around)
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    count = min(shape)
    step = sum([s // input.itemsize for s in input._array.strides])
    late.fill_(as_strided(input, (count,), (step,)), fill_value)
    height, width = shape[0], shape[1]
    if repeat and len(shape) == 2 and height > width + 1:
        rest = input._array[width + 1 :]
        for start in range(0, len(rest), width + 1):
            late.fill_(diagonal(input[width + 1 + start :]), fill_value)
    return input


BOTH = """
    as_strided as_strided_scatter diag diag_embed diagflat diagonal diagonal_scatter select_scatter
    slice_scatter tril triu
"""
METHODS = "as_strided_ fill_diagonal_ unfold"
TORCH = "as_strided_"
INPLACE = "tril triu"
