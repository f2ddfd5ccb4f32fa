"""Views and other changes of shape: the elements stay, their arrangement changes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.tensor import Tensor, View
from rushlight.ops._dispatch import shape_args, wrap_dim, wrap_dims
from rushlight.ops._primitive import Primitive, apply1, apply_view
from rushlight.ops._promote import cast

ndarray = np.ndarray


def numpy_view(array: ndarray, shape: tuple[int, ...]) -> ndarray | None:
    """``array`` seen in another shape, or None if that needs a copy."""
    view = array.reshape(shape)
    if view.base is None and array.base is None and view is not array and array.size:
        return None
    if array.size and not np.may_share_memory(view, array):
        return None
    return view


def _reshape_eager(array: ndarray, shape: tuple[int, ...]) -> ndarray:
    out = array.reshape(shape)
    return out[...] if out is array else out


def infer_shape(shape: tuple[int, ...], size: int, error: str = "") -> tuple[int, ...]:
    """``shape`` with its -1, if it has one, replaced; RuntimeError if the sizes do not agree."""
    known = 1
    open_dim = -1
    for i, n in enumerate(shape):
        if n == -1:
            if open_dim >= 0:
                raise RuntimeError("only one dimension can be inferred")
            open_dim = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n}")
        else:
            known *= n
    if open_dim >= 0:
        if known == 0:
            if size == 0:
                raise RuntimeError(
                    f"cannot reshape tensor of 0 elements into shape {list(shape)} because the "
                    "unspecified dimension size -1 can be any value and is ambiguous"
                )
        elif size % known == 0:
            return (*shape[:open_dim], size // known, *shape[open_dim + 1 :])
    elif known == size:
        return shape
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")


RESHAPE = Primitive(
    "view",
    _reshape_eager,
    params=("shape",),
    vjp={"input": lambda g, input_shape: reshape(g, input_shape)},
    view=True,
)


def view(input: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape, or reinterpreted as another dtype.

    Args:
        shape: ints, one of which may be -1 (inferred); or a dtype.

    Raises RuntimeError if the strides do not allow it; use :func:`reshape` then.

    Examples::

        >>> torch.arange(6).view(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    if len(shape) == 1 and type(shape[0]) is not int and hasattr(shape[0], "np"):
        return _view_dtype(input, shape[0])
    array = input._array
    wanted = infer_shape(shape_args(shape), array.size)
    if not array.flags.c_contiguous and numpy_view(array, wanted) is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return apply_view(RESHAPE, input, wanted)


def _view_dtype_eager(array: ndarray, to: Any) -> ndarray:
    return array.reshape(1).view(to).reshape(()) if array.ndim == 0 else array.view(to)


VIEW_DTYPE = Primitive(
    "view_dtype", _view_dtype_eager, params=("dtype",), vjp={"input": lambda g: g}, view=True
)


def _view_dtype(input: Tensor, to: Any) -> Tensor:
    if input.dtype.itemsize != to.itemsize:
        if input._array.ndim == 0:
            raise RuntimeError(
                f"self.dim() cannot be 0 to view {input.dtype} as {to} (different element sizes)"
            )
        if input._array.strides[-1] != input.itemsize:
            raise RuntimeError(
                "self.stride(-1) must be 1 to view "
                f"{input.dtype} as {to} (different element sizes), but got {input.stride()[-1]}"
            )
    return apply_view(VIEW_DTYPE, input, to.np)


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The elements in another shape: a view if the strides allow it, else a copy.

    Args:
        shape: ints, one of which may be -1 (inferred).

    Examples::

        >>> torch.reshape(torch.arange(4), (2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    array = input._array
    wanted = infer_shape(shape_args(shape), array.size)
    if array.flags.c_contiguous or numpy_view(array, wanted) is not None:
        if wanted == array.shape:
            return alias(input)
        return apply_view(RESHAPE, input, wanted)
    return apply_view(RESHAPE, contiguous(input), wanted)


ALIAS = Primitive("alias", lambda a: a[...], vjp={"input": lambda g: g}, view=True)


def alias(input: Tensor) -> Tensor:
    """Another tensor on the same memory, with the same history."""
    return apply_view(ALIAS, input)


CLONE = Primitive("clone", lambda a, order: np.array(a, order=order), params=("order",),
                  vjp={"input": lambda g: g})  # fmt: skip


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with its own memory, through which gradients flow.

    Examples::

        >>> torch.clone(torch.ones(2))
        tensor([1., 1.])
    """
    return apply1(CLONE, input, _order(memory_format))


def _order(memory_format: Any) -> str:
    name = getattr(memory_format, "name", None)
    return "C" if name == "contiguous_format" else "K"


def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """``input`` itself if its elements lie in order in memory, else a copy for which they do."""
    if input._array.flags.c_contiguous:
        return input
    return apply1(CLONE, input, "C")


def _expand(array: ndarray, shape: tuple[int, ...]) -> ndarray:
    if array.ndim == 0 and array.flags.c_contiguous and array.dtype.kind != "V":
        return np.ndarray(shape, array.dtype, array, 0, (0,) * len(shape))
    lead = len(shape) - array.ndim
    strides = (0,) * lead + tuple(
        [
            0 if n == 1 and m != 1 else s
            for s, n, m in zip(array.strides, array.shape, shape[lead:], strict=True)
        ]
    )
    return np.lib.stride_tricks.as_strided(array, shape, strides)


EXPAND = Primitive(
    "expand",
    _expand,
    params=("shape",),
    vjp={"input": lambda g, input_shape: sum_to_size(g, input_shape)},
    view=True,
)


def expand(input: Tensor, *sizes: Any, implicit: bool = False) -> Tensor:
    """A view in which dimensions of size 1 repeat; -1 leaves a dimension as it is.

    Examples::

        >>> torch.tensor([[1], [2]]).expand(-1, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    wanted = shape_args(sizes)
    have = input._array.shape
    lead = len(wanted) - len(have)
    if lead < 0:
        raise RuntimeError(
            f"expand({_type_title(input)}{{{list(have)}}}, size={list(wanted)}): the number of sizes "
            f"provided ({len(wanted)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({len(have)})"
        )
    result = list(wanted)
    for i, n in enumerate(wanted):
        if n == -1:
            if i < lead:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, "
                    f"non-existing dimension {i}"
                )
            result[i] = have[i - lead]
        elif i >= lead and have[i - lead] not in (1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size "
                f"({have[i - lead]}) at non-singleton dimension {i}.  Target sizes: "
                f"{list(wanted)}.  Tensor sizes: {list(have)}"
            )
    return apply_view(EXPAND, input, tuple(result))


def _type_title(t: Tensor) -> str:
    return f"torch.{SCALAR_TYPE_NAMES[t.dtype]}Tensor"


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` expanded to the shape of ``other``."""
    return expand(input, other._array.shape)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """Alias of :func:`expand`."""
    return expand(input, tuple(size))


def _sum_to(array: ndarray, shape: tuple[int, ...]) -> ndarray:
    lead = array.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        [i + lead for i, n in enumerate(shape) if n == 1 and array.shape[i + lead] != 1]
    )
    if not axes:
        return array.reshape(shape)
    low = array.dtype.itemsize <= 2 and array.dtype.kind in "fV"
    out = array.sum(axis=axes, keepdims=True, dtype=np.float32 if low else array.dtype)
    return np.asarray(out).astype(array.dtype, copy=False).reshape(shape)


SUM_TO_SIZE = Primitive(
    "sum_to_size",
    _sum_to,
    params=("shape",),
    vjp={"input": lambda g, input_shape: expand(g, input_shape)},
)


def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """The sum over the dimensions that broadcasting ``size`` to the shape of ``input`` would expand.

    Examples::

        >>> torch.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    wanted = shape_args(size)
    have = input._array.shape
    if input._array.dtype.kind in "iub" and (not wanted or wanted != have):
        input = cast(input, dtypes.int64)
    if wanted == have:
        return input
    lead = len(have) - len(wanted)
    if lead < 0 or any(n not in (1, have[i + lead]) for i, n in enumerate(wanted)):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(have)}}}.")
    return apply1(SUM_TO_SIZE, input, wanted)


PERMUTE = Primitive(
    "permute",
    lambda a, dims: a.transpose(dims),
    params=("dims",),
    vjp={"input": lambda g, dims: permute(g, tuple(np.argsort(dims).tolist()))},
    view=True,
)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """A view with the dimensions in the order ``dims``.

    Examples::

        >>> torch.permute(torch.zeros(2, 3, 5), (2, 0, 1)).size()
        torch.Size([5, 2, 3])
    """
    order = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    ndim = input._array.ndim
    if len(order) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal "
            f"to len(dims) = {len(order)}"
        )
    wanted = tuple([wrap_dim(d, ndim) for d in order])
    if len(set(wanted)) != len(wanted):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return apply_view(PERMUTE, input, wanted)


TRANSPOSE = Primitive(
    "transpose",
    lambda a, dim0, dim1: a.swapaxes(dim0, dim1),
    params=("dim0", "dim1"),
    vjp={"input": lambda g, dim0, dim1: transpose(g, dim0, dim1)},
    view=True,
)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions swapped.

    Examples::

        >>> torch.transpose(torch.tensor([[1, 2]]), 0, 1)
        tensor([[1],
                [2]])
    """
    ndim = input._array.ndim
    dim0, dim1 = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    if ndim == 0:
        return alias(input)
    return apply_view(TRANSPOSE, input, dim0, dim1)


T = Primitive("t", lambda a: a.T, vjp={"input": lambda g: t(g)}, view=True, node_name="TBackward0")


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; tensors of fewer dimensions are returned as they are.

    Raises RuntimeError for more than two dimensions.
    """
    if input._array.ndim > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {input._array.ndim}D"
        )
    return apply_view(T, input)


def numpy_T(input: Tensor) -> Tensor:
    """``Tensor.T``: all dimensions reversed."""
    return permute(input, tuple(range(input._array.ndim - 1, -1, -1)))


def mT(input: Tensor) -> Tensor:
    """``Tensor.mT``: the last two dimensions swapped."""
    if input._array.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got "
            f"{input._array.ndim}-D tensor."
        )
    return transpose(input, -2, -1)


def _squeeze(a: ndarray, dims: tuple[int, ...]) -> ndarray:
    if a.flags.c_contiguous:
        return a.reshape([n for i, n in enumerate(a.shape) if i not in dims])
    return a.squeeze(dims)


# Three, for PyTorch's names: of all dimensions, of one, of several.
SQUEEZE, SQUEEZE_DIM, SQUEEZE_DIMS = (
    Primitive(
        name,
        _squeeze,
        params=("dims",),
        vjp={"input": lambda g, input_shape: reshape(g, input_shape)},
        view=True,
        node_name=f"SqueezeBackward{number}",
    )
    for number, name in enumerate(("squeeze", "squeeze_dim", "squeeze_dims"))
)


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """A view without the dimensions of size 1 (all of them, or those of ``dim``).

    Examples::

        >>> torch.squeeze(torch.zeros(2, 1, 3), 1).shape
        torch.Size([2, 3])
    """
    array = input._array
    dims = () if dim == () else wrap_dims(dim, array.ndim)
    primitive = SQUEEZE if dim is None else SQUEEZE_DIM if isinstance(dim, int) else SQUEEZE_DIMS
    return apply_view(primitive, input, tuple([d for d in dims if array.shape[d] == 1]))


UNSQUEEZE = Primitive(
    "unsqueeze",
    lambda a, dim: np.expand_dims(a, dim),
    params=("dim",),
    vjp={"input": lambda g, dim: squeeze(g, dim)},
    view=True,
)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a dimension of size 1 put in at ``dim``.

    Examples::

        >>> torch.unsqueeze(torch.tensor([1, 2]), 1)
        tensor([[1],
                [2]])
    """
    return apply_view(UNSQUEEZE, input, wrap_dim(dim, input._array.ndim + 1))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` joined into one.

    Examples::

        >>> torch.flatten(torch.zeros(2, 3, 4), start_dim=1).shape
        torch.Size([2, 12])
    """
    shape = input._array.shape
    ndim = len(shape)
    start, end = wrap_dim(start_dim, ndim), wrap_dim(end_dim, ndim)
    if ndim == 0:
        return reshape(input, (1,))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    joined = 1
    for n in shape[start : end + 1]:
        joined *= n
    return reshape(input, (*shape[:start], joined, *shape[end + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """``input`` in one dimension."""
    return reshape(contiguous(input), (-1,))


SELECT = Primitive(
    "select",
    lambda a, dim, index: a[(slice(None),) * dim + (index, ...)],
    params=("dim", "index"),
    vjp={"input": lambda g, dim, index, input_shape: apply1(
        SELECT_BACKWARD, g, input_shape, dim, index)},
    view=True,
)  # fmt: skip


def _select_backward(g: ndarray, shape: tuple[int, ...], dim: int, index: int) -> ndarray:
    out = np.zeros(shape, g.dtype)
    out[(slice(None),) * dim + (index,)] = g
    return out


SELECT_BACKWARD = Primitive(
    "select_backward",
    _select_backward,
    params=("shape", "dim", "index"),
    vjp={"input": lambda g, dim, index: select(g, dim, index)},
)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The view at ``index`` of dimension ``dim``, which falls away.

    Examples::

        >>> torch.select(torch.tensor([[1, 2], [3, 4]]), 1, 0)
        tensor([1, 3])
    """
    array = input._array
    if array.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, array.ndim)
    n = array.shape[dim]
    index = int(index)
    if not -n <= index < n:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(array.shape)} at "
            f"dimension {dim}"
        )
    return apply_view(SELECT, input, dim, index % n)


SLICE = Primitive(
    "slice",
    lambda a, dim, start, stop, step: a[(slice(None),) * dim + (slice(start, stop, step),)],
    params=("dim", "start", "stop", "step"),
    vjp={"input": lambda g, dim, start, stop, step, input_shape: apply1(
        SLICE_BACKWARD, g, input_shape, dim, start, stop, step)},
    view=True,
)  # fmt: skip


def _slice_backward(
    g: ndarray, shape: tuple[int, ...], dim: int, start: int, stop: int, step: int
) -> ndarray:
    out = np.zeros(shape, g.dtype)
    out[(slice(None),) * dim + (slice(start, stop, step),)] = g
    return out


SLICE_BACKWARD = Primitive(
    "slice_backward",
    _slice_backward,
    params=("shape", "dim", "start", "stop", "step"),
    vjp={"input": lambda g, dim, start, stop, step: apply_view(SLICE, g, dim, start, stop, step)},
)


def slice_dim(input: Tensor, dim: int, start: Any, stop: Any, step: int = 1) -> Tensor:
    """The view ``input[start:stop:step]`` along ``dim``."""
    n = input._array.shape[dim]
    start, stop, step = slice(start, stop, step).indices(n)
    return apply_view(SLICE, input, dim, start, max(start, stop), step)


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """The view of ``length`` elements of dimension ``dim`` from ``start`` on.

    Examples::

        >>> torch.narrow(torch.tensor([1, 2, 3, 4]), 0, 1, 2)
        tensor([2, 3])
    """
    array = input._array
    if array.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, array.ndim)
    n = array.shape[dim]
    start = int(start)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n}], but got {start})"
        )
    start = start + n if start < 0 else start
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return apply_view(SLICE, input, dim, start, start + length, 1)


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts along ``dim``.

    Args:
        split_size_or_sections: the size of each part (the last may be smaller), or all sizes.

    Examples::

        >>> torch.split(torch.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    array = tensor._array
    if array.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, array.ndim)
    n = array.shape[dim]
    if isinstance(split_size_or_sections, (list, tuple)):
        sizes, made_by = [int(s) for s in split_size_or_sections], SPLIT_WITH_SIZES
        if sum(sizes) != n or any(s < 0 for s in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size "
                f"at dimension {dim}), but got split_sizes={sizes}"
            )
    else:
        size = int(split_size_or_sections)
        if size < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
            )
        if size == 0 and n:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
            )
        sizes, made_by = [min(size, n - i) for i in range(0, n, size)] if n else [0], SPLIT
    parts, start = [], 0
    for s in sizes:
        parts.append(_multi_view(apply_view(made_by, tensor, dim, start, start + s, 1)))
        start += s
    return tuple(parts)


# Views that are one of several: PyTorch's names for their nodes.
UNBIND = Primitive(
    "unbind", SELECT.eager, params=SELECT.params, vjp={"input": SELECT.rules[0]}, view=True
)
SPLIT = Primitive(
    "split", SLICE.eager, params=SLICE.params, vjp={"input": SLICE.rules[0]}, view=True
)
SPLIT_WITH_SIZES = Primitive(
    "split_with_sizes", SLICE.eager, params=SLICE.params, vjp={"input": SLICE.rules[0]}, view=True
)


def _multi_view(part: Tensor) -> Tensor:
    """Marks a view as one of several outputs, which may not be changed in place under autograd."""
    if part._meta is not None and isinstance(part._meta.view, View):
        part._meta.view.creation = part._meta.view.creation or "multi"
    return part


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All views along ``dim``, which falls away.

    Examples::

        >>> torch.unbind(torch.tensor([[1, 2], [3, 4]]))
        (tensor([1, 2]), tensor([3, 4]))
    """
    array = input._array
    if array.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, array.ndim)
    return tuple([_multi_view(apply_view(UNBIND, input, dim, i)) for i in range(array.shape[dim])])


BOTH = """
    broadcast_to clone flatten narrow permute ravel reshape select split squeeze t transpose
    unbind unsqueeze
"""
METHODS = """
    contiguous expand expand_as sum_to_size view
"""
