"""Rearranging and repeating elements: flip, roll, repeat, and more names for changes of shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base.dtypes import CPP_NAMES, SCALAR_TYPE_NAMES
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import shape_args, wrap_dim, wrap_dims
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply1, apply_view
from rushlight.ops.shape import alias, clone, permute, reshape, transpose, unsqueeze, view

ndarray = np.ndarray

FLIP = Primitive(
    "flip",
    lambda a, dims: np.flip(a, dims).copy(),
    params=("dims",),
    vjp={"input": lambda g, dims: apply1(FLIP, g, dims)},
)


def flip(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """A copy in which the order along ``dims`` is reversed.

    Examples::

        >>> torch.flip(torch.tensor([[1, 2], [3, 4]]), [0])
        tensor([[3, 4],
                [1, 2]])
    """
    given = shape_args(args if dims is None else (dims,))
    return apply1(FLIP, input, wrap_dims(given, input._array.ndim) if given else ())


def fliplr(input: Tensor) -> Tensor:
    """A copy with dim 1 reversed."""
    if input._array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """A copy with dim 0 reversed."""
    if input._array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


ROLL = Primitive(
    "roll",
    lambda a, shifts, dims: np.roll(a, shifts, dims),
    params=("shifts", "dims"),
    vjp={
        "input": lambda g, shifts, dims: apply1(
            ROLL, g, tuple([-s for s in shifts]) if isinstance(shifts, tuple) else -shifts, dims
        )
    },
)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """A copy whose elements moved along ``dims`` by ``shifts``, round the end.

    Without ``dims``, all elements move in one dimension.

    Examples::

        >>> torch.roll(torch.arange(4), 1)
        tensor([3, 0, 1, 2])
    """
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return apply1(ROLL, input, shifts[0], None)
    if len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    return apply1(ROLL, input, shifts, tuple([wrap_dim(d, input._array.ndim) for d in dims]))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A copy turned by 90 degrees, ``k`` times, in the plane of two dimensions."""
    ndim = input._array.ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == ndim:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    for i, d in enumerate(dims):
        if not -ndim <= d < ndim:
            raise RuntimeError(f"Rotation dim{i} out of range, dim{i} = {d}")
    k %= 4
    if k == 1:
        return transpose(flip(input, dims[1]), dims[0], dims[1])
    if k == 2:
        return flip(input, *dims)
    if k == 3:
        return transpose(flip(input, dims[0]), dims[0], dims[1])
    return clone(input)


def _repeat_rule(g: Tensor, input_shape: tuple[int, ...], repeats: tuple[int, ...]) -> Tensor:
    lead = len(repeats) - len(input_shape)
    shape: list[int] = []
    for i, r in enumerate(repeats):
        shape += [r, input_shape[i - lead] if i >= lead else 1]
    if 0 in repeats:
        return wrap(np.zeros(input_shape, g._array.dtype))
    total = late.sum(reshape(g, tuple(shape)), dim=tuple(range(0, len(shape), 2)))
    return reshape(total, input_shape)


REPEAT = Primitive(
    "repeat",
    lambda a, repeats: np.tile(a, repeats),
    params=("repeats",),
    vjp={"input": _repeat_rule},
)


def repeat(input: Tensor, *args: Any, repeats: Any = None) -> Tensor:
    """Copies of ``input`` next to each other: so many along each dimension.

    Examples::

        >>> torch.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    wanted = shape_args(args if repeats is None else (repeats,))
    if len(wanted) < input._array.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    if any(n < 0 for n in wanted):
        sizes = (1,) * (len(wanted) - input._array.ndim) + input._array.shape
        raise RuntimeError(
            "Trying to create tensor with negative dimension "
            f"{next(n * s for n, s in zip(wanted, sizes) if n < 0)}: "
            f"{[n * s for n, s in zip(wanted, sizes)]}"
        )
    if not wanted:
        return clone(input)
    return apply1(REPEAT, input, wanted)


def tile(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """As :func:`repeat`; missing counts in front are 1.

    Examples::

        >>> torch.tile(torch.tensor([1, 2]), (2,))
        tensor([1, 2, 1, 2])
    """
    wanted = shape_args(args if dims is None else (dims,))
    return repeat(input, (1,) * (input._array.ndim - len(wanted)) + wanted)


def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (or slice along ``dim``) repeated on the spot.

    With one argument, the indices that repeat each position as often as it says.

    Args:
        repeats: a number for all, or one for each.

    Examples::

        >>> torch.repeat_interleave(torch.tensor([1, 2]), 2)
        tensor([1, 1, 2, 2])
    """
    if repeats is None:
        counts = _counts(input)
        return wrap(np.repeat(np.arange(len(counts)), counts))
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    dim = wrap_dim(dim, input._array.ndim)
    if input._array.ndim == 0:
        input = reshape(input, (1,))
    n = input._array.shape[dim]
    if isinstance(repeats, Tensor):
        counts = _counts(repeats)
        if counts.size not in (1, n):
            raise RuntimeError(
                "repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{counts.size} and input.size({dim}) = {n}"
            )
        counts = np.broadcast_to(counts, (n,))
    else:
        if repeats < 0:
            raise RuntimeError("repeats can not be negative")
        counts = np.full(n, int(repeats))
    return late.index_select(input, dim, wrap(np.repeat(np.arange(n), counts)))  # type: ignore[no-any-return]


def _counts(repeats: Tensor) -> ndarray:
    if repeats._array.dtype not in (np.int64, np.int32):
        raise RuntimeError("repeats has to be Long or Int tensor")
    if repeats._array.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if (repeats._array < 0).any():
        raise RuntimeError("repeats can not be negative")
    return repeats._array.reshape(-1)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """A view with the dimensions ``source`` moved to ``destination``; the others keep their order.

    Examples::

        >>> torch.movedim(torch.zeros(2, 3, 4), 0, 2).shape
        torch.Size([3, 4, 2])
    """
    sources = (source,) if isinstance(source, int) else tuple(source)
    targets = (destination,) if isinstance(destination, int) else tuple(destination)
    ndim = input._array.ndim
    if len(sources) != len(targets):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(sources)} dims) should "
            f"contain the same number of dims as destination ({list(targets)} dims)"
        )
    old = [wrap_dim(d, ndim) for d in sources]
    new = [wrap_dim(d, ndim) for d in targets]
    for name, dims, given in (("source", old, sources), ("destination", new, targets)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if ndim == 0:
        return alias(input)
    order: list[int] = [-1] * ndim
    for s, d in zip(old, new):
        order[d] = s
    rest = iter([d for d in range(ndim) if d not in old])
    return permute(input, tuple([next(rest) if d < 0 else d for d in order]))


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Alias of :func:`transpose`."""
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Alias of :func:`transpose`."""
    return transpose(input, dim0, dim1)


def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of matrices."""
    if input._array.ndim < 2:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices. Got "
            f"{input._array.ndim}-D tensor."
        )
    return late.conj(transpose(input, -2, -1))  # type: ignore[no-any-return]


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """A view in which ``dim`` is split into several; one of ``sizes`` may be -1.

    Examples::

        >>> torch.unflatten(torch.zeros(3, 4), 1, (2, -1)).shape
        torch.Size([3, 2, 2])
    """
    dim = wrap_dim(dim, input._array.ndim)
    wanted = list(sizes)
    if not wanted:
        raise RuntimeError("unflatten: sizes must be non-empty")
    shape = input._array.shape
    n = shape[dim]
    known = 1
    for s in wanted:
        if s != -1:
            known *= s
    if wanted.count(-1) == 1 and known and n % known == 0:
        wanted[wanted.index(-1)] = n // known
        known = n
    if -1 in wanted or known != n:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({n}) in the input tensor"
        )
    return view(input, (*shape[:dim], *wanted, *shape[dim + 1 :]))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` viewed in the shape of ``other``."""
    return view(input, other._array.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` in the shape of ``other``."""
    return reshape(input, other._array.shape)


def _pairs(array: ndarray) -> ndarray:
    real = np.dtype(np.float32 if array.dtype.itemsize == 8 else np.float64)
    flat = array.real
    return np.lib.stride_tricks.as_strided(
        flat, (*array.shape, 2), (*array.strides, real.itemsize), writeable=array.flags.writeable
    )


VIEW_AS_REAL = Primitive(
    "view_as_real",
    _pairs,
    vjp={"input": lambda g: view_as_complex(late.contiguous(g))},
    view=True,
)
VIEW_AS_COMPLEX = Primitive(
    "view_as_complex",
    lambda a: _complex_view(a),
    vjp={"input": lambda g: view_as_real(g)},
    view=True,
)


def _complex_view(array: ndarray) -> ndarray:
    kind = np.dtype(np.complex64 if array.dtype.itemsize == 4 else np.complex128)
    return array.view(kind).reshape(array.shape[:-1]) if array.flags.c_contiguous else (
        array.view(kind)[..., 0])  # fmt: skip


def view_as_real(input: Tensor) -> Tensor:
    """A view of complex numbers as pairs of real ones, in a new last dimension."""
    if input._array.dtype.kind != "c":
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return apply_view(VIEW_AS_REAL, input)


def view_as_complex(input: Tensor) -> Tensor:
    """A view of pairs of real numbers (the last dimension) as complex ones."""
    array = input._array
    if array.dtype.kind == "f" and array.dtype.itemsize == 2:
        raise NotImplementedError(
            "view_as_complex(): complex numbers of half precision are not supported; convert to "
            "float32"
        )
    if array.dtype.kind != "f":
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a "
            f"tensor of scalar type: {SCALAR_TYPE_NAMES[input.dtype]}"
        )
    if not array.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if array.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if array.strides[-1] != array.itemsize:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % (2 * array.itemsize) for s in array.strides[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return apply_view(VIEW_AS_COMPLEX, input)


def _reshaped_in_place(name: str, change: Any) -> Any:
    """An in-place change of shape: the same tensor object looks at its memory in another way."""

    def method(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        changed = change(input, *args, **kwargs)
        input._array = changed._array
        if changed._edge is not None and input._edge is not None:
            input._edge, input._index = changed._edge, changed._index
        if changed._meta is not None and input._meta is not None and input._meta.view is not None:
            input._meta.view = changed._meta.view
        return input

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of :func:`{name.rstrip('_')}`."
    return method


squeeze_ = _reshaped_in_place("squeeze_", lambda t, *a, **k: late.squeeze(t, *a, **k))
unsqueeze_ = _reshaped_in_place("unsqueeze_", unsqueeze)
transpose_ = _reshaped_in_place("transpose_", transpose)
swapaxes_ = _reshaped_in_place("swapaxes_", transpose)
swapdims_ = _reshaped_in_place("swapdims_", transpose)
t_ = _reshaped_in_place("t_", lambda t: late.t(t))


def resize_(input: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Gives ``input`` another shape in place; elements that are there stay, new ones are arbitrary.

    Raises RuntimeError for tensors that require grad.
    """
    if input._edge is not None:
        raise RuntimeError("cannot resize variables that require grad")
    shape = shape_args(sizes)
    old = input._array
    count = int(np.prod(shape, dtype=np.int64))
    if shape == old.shape:
        return input
    if count <= old.size and old.flags.c_contiguous:
        input._array = old.reshape(-1)[:count].reshape(shape)
        return input
    fresh = np.empty(shape, old.dtype)
    kept = min(count, old.size)
    fresh.reshape(-1)[:kept] = old.reshape(-1)[:kept]
    input._array = fresh
    return input


def resize_as_(input: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """Gives ``input`` the shape of another tensor, in place."""
    return resize_(input, the_template._array.shape)


def set_(
    input: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Makes ``input`` look at the memory of ``source`` (a tensor or a storage); returns it."""
    if source is None:
        input._array = np.empty(0, input._array.dtype)
        input._storage = None
        return input
    if not isinstance(source, Tensor):
        source = source.as_tensor(input.dtype)
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {CPP_NAMES[source.dtype]} to a tensor of type "
            f"{CPP_NAMES[input.dtype]}"
        )
    input._storage = source.storage_version()
    if size is not None:
        shape = tuple(size)
        if stride is None:
            steps: list[int] = []
            step = 1
            for n in reversed(shape):
                steps.insert(0, step)
                step *= n
            stride = tuple(steps)
        source = late.as_strided(source, shape, tuple(stride), storage_offset)
    input._array = source._array
    return input


def _plain_alias(function: Any, name: str) -> Any:
    def alias_of(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    alias_of.__name__ = alias_of.__qualname__ = name
    alias_of.__doc__ = f"Alias of :func:`{function.__name__}`."
    return alias_of


moveaxis = _plain_alias(movedim, "moveaxis")

BOTH = """
    adjoint flip fliplr flipud moveaxis movedim repeat_interleave roll rot90 swapaxes swapdims tile
    unflatten
"""
TORCH = "resize_as_ view_as_complex view_as_real"
METHODS = """
    repeat reshape_as resize_ resize_as_ set_ squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_
    view_as
"""
