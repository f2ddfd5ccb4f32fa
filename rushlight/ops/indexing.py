"""Subscripts: ``tensor[...]`` and ``tensor[...] = value``.

A subscript is taken apart from left to right. Integers, slices, ``None`` and ``...`` make a view,
one step each; tensors, arrays, lists and bools then select elements of that view, all at once. So
``x[0, :, [1, 2]]`` is ``x[0][:, [1, 2]]``, which is not what NumPy makes of it.
"""

import warnings
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.state import state
from rushlight.core.tensor import Tensor, bump_version, wrap
from rushlight.ops._accumulate import add_at
from rushlight.ops._dispatch import check_overlap, inplace, wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply, apply_view, needs_grad
from rushlight.ops._promote import cast, is_number, to_scalar, type_name
from rushlight.ops.creation import as_array
from rushlight.ops.fill import copy_, fill_
from rushlight.ops.shape import SELECT, SLICE, alias, expand, reshape, sum_to_size, unsqueeze

ndarray = np.ndarray
Indices = tuple[Tensor | None, ...]

_KINDS = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
    "indices (got {})"
)
_ZERO_DIM = (
    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
    "to convert a 0-dim tensor to a number"
)
_FULL = slice(None)


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: a view for integers, slices, ``None`` and ``...``, else a copy."""
    kind = type(index)
    if kind is int:
        return _select(input, 0, index)
    if kind is slice:
        return _slice(input, 0, index)
    if isinstance(index, Tensor) and input._array.ndim:
        found = index._array
        if found.ndim and found.dtype.kind == "i" and found.itemsize >= 4:
            return apply(INDEX, (input, (index,)))  # type: ignore[no-any-return]
    view, indices = _resolve(input, index)
    if indices is not None:
        return apply(INDEX, (view, indices))  # type: ignore[no-any-return]
    return alias(input) if view is input else view


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``: a number, or a tensor that broadcasts to what is selected."""
    if not isinstance(value, Tensor) and not is_number(value):
        raise TypeError(
            f"can't assign a {_full_name(value)} to a torch.{SCALAR_TYPE_NAMES[input.dtype]}Tensor"
        )
    if _is_simple(index) and _set_simply(input, index, value):
        return
    view, indices = _resolve(input, index)
    if indices is None:
        _assign(view, value)
        return
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(_number(value, input), input._array.dtype))
    elif value._array.ndim == 0:
        value = cast(value, input.dtype)
    else:
        value = _without_leading_ones(value, view._array.ndim)
    index_put_(view, indices, value)


def _is_simple(index: Any) -> bool:
    """Whether NumPy takes ``index`` as PyTorch does: ints and slices."""
    kind = type(index)
    if kind is slice:
        return index.step is None or (type(index.step) is int and index.step > 0)
    if kind is tuple:
        for i in index:
            if type(i) is not int and not (type(i) is slice and i.step is None):
                return False
        return True
    return kind is int


def _set_simply(input: Tensor, index: Any, value: Any) -> bool:
    """Assigns without history. False, with nothing changed, where that is not all there is to do."""
    array = input._array
    if state.grad_enabled and (input._edge is not None or input._meta is not None):
        return False
    if isinstance(value, Tensor):
        if value._array.dtype != array.dtype or (
            state.grad_enabled and (value._edge is not None or value._meta is not None)
        ):
            return False
        source: Any = value._array
    else:
        if isinstance(value, complex):
            return False
        source = to_scalar(value, input.dtype)
    try:
        array[index] = source
    except (IndexError, ValueError):
        return False
    bump_version(input)
    return True


def _number(value: Any, input: Tensor) -> Any:
    if isinstance(value, complex) and not input.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {_cpp_name(input)} without overflow")
    return to_scalar(value, input.dtype)


def _cpp_name(input: Tensor) -> str:
    return {"float32": "float", "float64": "double", "int64": "int64_t"}.get(
        input.dtype.name, input.dtype.name
    )


def _full_name(value: Any) -> str:
    module = type(value).__module__
    return type(value).__name__ if module == "builtins" else f"{module}.{type(value).__name__}"


def _assign(view: Tensor, value: Any) -> None:
    """Replaces all values of ``view``."""
    if not isinstance(value, Tensor):
        fill_(view, _number(value, view))
    else:
        copy_(view, _without_leading_ones(value, view._array.ndim))


def _without_leading_ones(value: Tensor, ndim: int) -> Tensor:
    shape = value._array.shape
    if len(shape) <= ndim:
        return value
    extra = 0
    while extra < len(shape) - ndim and shape[extra] == 1:
        extra += 1
    return reshape(value, shape[extra:]) if extra else value


def _select(input: Tensor, dim: int, index: int) -> Tensor:
    shape = input._array.shape
    if not shape:
        raise IndexError(_ZERO_DIM)
    n = shape[dim]
    if index < 0:
        index += n
    if 0 <= index < n:
        return apply_view(SELECT, input, dim, index)
    if not -(2**63) <= index - n < 2**63:
        raise ValueError("Overflow when unpacking long long")
    index = index if index >= n else index - n
    raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {n}")


def _slice(input: Tensor, dim: int, index: slice) -> Tensor:
    shape = input._array.shape
    if not shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    start, stop, step = index.indices(shape[dim])
    if step < 0:
        raise ValueError("step must be greater than zero")
    return apply_view(SLICE, input, dim, start, stop if stop > start else start, step)


def _resolve(input: Tensor, index: Any) -> tuple[Tensor, Indices | None]:
    """The view that the simple parts of ``index`` make, and the index tensors left for it."""
    items = index if type(index) is tuple else _as_items(index)
    room = input._array.ndim
    consumed = 0
    for item in items:
        if item is None or item is Ellipsis or item is True or item is False:
            continue
        consumed += item._array.ndim if _is_mask(item) else 1
    if consumed > room and not (room == 0 and len(items) == 1):
        raise IndexError(f"too many indices for tensor of dimension {room}")
    view = input
    dim = 0
    found: list[Tensor | None] = []
    for item in items:
        if type(item) is int:
            view = _select(view, dim, item)
        elif type(item) is slice:
            if item.start is not None or item.stop is not None or item.step is not None:
                view = _slice(view, dim, item)
            dim += 1
        elif item is None:
            view = unsqueeze(view, dim)
            dim += 1
        elif item is Ellipsis:
            dim += room - consumed
        else:
            view, dim = _advanced(view, dim, item, found)
    if not found:
        return view, None
    return view, tuple(found)


def _advanced(view: Tensor, dim: int, item: Any, found: list[Tensor | None]) -> tuple[Tensor, int]:
    """Handles one item that is a tensor or can become one; returns the view and the next dim."""
    if item is True or item is False:
        tensor = wrap(np.zeros(1 if item else 0, np.int64))
        view = unsqueeze(view, dim)
    else:
        tensor = _as_index(item)
        kind = tensor._array.dtype.kind
        if tensor._array.ndim == 0:
            if kind == "b":
                view = unsqueeze(view, dim)
                tensor = wrap(np.zeros(1 if tensor._array else 0, np.int64))
            elif kind in "iu":
                return _select(view, dim, int(tensor._array)), dim
        elif kind == "b":
            _check_mask(tensor, view, dim)
    found.extend([None] * (dim - sum([_width(t) for t in found])))
    found.append(tensor)
    return view, dim + _width(tensor)


def _width(index: Tensor | None) -> int:
    """How many dimensions of the tensor an index stands for."""
    if index is not None and index._array.dtype.kind == "b":
        return index._array.ndim
    return 1


def _is_mask(item: Any) -> bool:
    return isinstance(item, Tensor) and item._array.dtype.char in "?B"


def _check_mask(mask: Tensor, view: Tensor, dim: int) -> None:
    shape, have = mask._array.shape, view._array.shape
    for i, n in enumerate(shape):
        if dim + i >= len(have):
            raise IndexError(f"too many indices for tensor of dimension {len(have)}")
        if n != have[dim + i]:
            raise IndexError(
                f"The shape of the mask {list(shape)} at index {i} does not match the shape of the "
                f"indexed tensor {list(have)} at index {dim + i}"
            )


def _as_items(index: Any) -> tuple[Any, ...]:
    """A subscript that is no tuple as a tuple of its parts."""
    if isinstance(index, list) and len(index) < 32:
        for item in index:
            if item is None or item is Ellipsis or isinstance(item, (list, tuple, slice, Tensor)):
                warnings.warn(
                    "Using a non-tuple sequence for multidimensional indexing is deprecated and "
                    "will be changed in pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In "
                    "pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)], "
                    "which will result either in an error or a different result",
                    UserWarning,
                    stacklevel=4,
                )
                return tuple([_as_index(i) if isinstance(i, (list, ndarray)) else i for i in index])
        return (_as_index(index),)
    if isinstance(index, ndarray):
        return (_as_index(index),)
    return (index,)


def _as_index(item: Any) -> Tensor:
    """An item as an index tensor of dtype int64, int32 or bool."""
    if isinstance(item, Tensor):
        tensor = item
    elif isinstance(item, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type_name(item)}'")
    elif isinstance(item, (list, tuple, range, ndarray, np.generic)):
        if not isinstance(item, (ndarray, np.generic)) and len(item) == 0:
            return wrap(np.zeros(0, np.int64))
        tensor = wrap(as_array(item, None, copy=False))
    elif hasattr(item, "__index__"):
        return wrap(np.asarray(item.__index__()))
    else:
        raise IndexError(_KINDS.format(type_name(item)))
    code = tensor._array.dtype.char
    if code == "B" and tensor._array.ndim:
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool "
            "instead.",
            UserWarning,
            stacklevel=5,
        )
        return wrap(tensor._array != 0)
    if code not in "lqi?B" and not (
        isinstance(item, (ndarray, np.generic)) and tensor._array.dtype.kind in "iu"
    ):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return tensor


def numpy_index(indices: Any) -> tuple[Any, ...]:
    """Index tensors as NumPy wants them."""
    return tuple([_FULL if t is None else t._array for t in indices])


def _explain(error: Exception, shape: tuple[int, ...], indices: Any) -> IndexError:
    """PyTorch's words for NumPy's refusal of an index."""
    text = str(error)
    if "broadcast" in text:
        shapes = [
            t._array.shape if t._array.dtype.kind != "b" else (int(t._array.sum()),)
            for t in indices
            if t is not None
        ]
        return IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join([str(list(s)) for s in shapes])
        )
    if "too many indices" in text:
        return IndexError(
            f"too many indices for tensor of dimension {len(shape)} (got {len(indices)})"
        )
    return IndexError(text.replace("axis", "dimension"))


def _index(array: ndarray, indices: Indices) -> ndarray:
    try:
        if len(indices) == 1 and indices[0]._array.dtype.kind != "b" and array.flags.c_contiguous:  # type: ignore[union-attr]
            return array.take(indices[0]._array, 0)  # type: ignore[union-attr]
        return array[numpy_index(indices)]
    except (IndexError, ValueError) as error:
        raise _explain(error, array.shape, indices) from None


INDEX = Primitive(
    "index",
    _index,
    inputs=("input", "indices"),
    vjp={"input": lambda g, indices, input_shape: apply(INDEX_BACKWARD, (g, indices), input_shape)},
)


def _index_backward(g: ndarray, indices: Indices, shape: tuple[int, ...]) -> ndarray:
    out = np.zeros(shape, g.dtype)
    add_at(out, numpy_index(indices), g)
    return out


INDEX_BACKWARD = Primitive(
    "index_backward",
    _index_backward,
    inputs=("input", "indices"),
    params=("shape",),
    vjp={"input": lambda g, indices: apply(INDEX, (g, indices))},
    node_name="IndexBackwardBackward0",
)


def put(out: ndarray, indices: Indices, values: Any, accumulate: bool) -> ndarray:
    """Writes ``values`` into ``out`` (in place)."""
    where = numpy_index(indices)
    try:
        if accumulate:
            add_at(out, where, values)
        else:
            out[where] = values
    except IndexError as error:
        raise _explain(error, out.shape, indices) from None
    except ValueError as error:
        if "indexing arrays" in str(error):
            raise _explain(error, out.shape, indices) from None
        selected = out[where].shape
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(np.shape(values))} cannot be broadcast "
            f"to indexing result of shape {list(selected)}"
        ) from None
    return out


def _index_put_values_rule(g: Tensor, indices: Indices, values_shape: tuple[int, ...]) -> Tensor:
    return sum_to_size(apply(INDEX, (g, indices)), values_shape)


def _index_put_input_rule(g: Tensor, indices: Indices, accumulate: bool) -> Tensor:
    if accumulate:
        return g
    zero = wrap(np.zeros((), g._array.dtype))
    return apply(INDEX_PUT, (g, indices, zero), False)  # type: ignore[no-any-return]


INDEX_PUT = Primitive(
    "index_put",
    lambda a, indices, values, accumulate: put(a.copy(order="K"), indices, values, accumulate),
    inputs=("input", "indices", "values"),
    params=("accumulate",),
    vjp={"input": _index_put_input_rule, "values": _index_put_values_rule},
)


def _checked(input: Tensor, indices: Any, values: Any) -> Indices:
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            "index_put_(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type_name(indices)}"
        )
    if values._array.dtype != input._array.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{SCALAR_TYPE_NAMES[input.dtype]} for the destination and "
            f"{SCALAR_TYPE_NAMES[values.dtype]} for the source."
        )
    return tuple([None if t is None else _as_index(t) for t in indices])


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` with ``values`` at the places that the index tensors name.

    Args:
        indices: a tuple of index tensors, as in ``input[indices]``.
        values: of the dtype of ``input``; broadcast to what the indices select.
        accumulate: add to what is there; places named twice get both values.

    Examples::

        >>> x = torch.zeros(3)
        >>> x.index_put((torch.tensor([0, 0]),), torch.tensor([1., 2.]), accumulate=True)
        tensor([3., 0., 0.])
    """
    indices = _checked(input, indices, values)
    return apply(INDEX_PUT, (input, indices, values), accumulate)  # type: ignore[no-any-return]


def index_put_(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """In-place version of :func:`index_put`."""
    if needs_grad(input, values):
        return inplace(index_put, input, (indices, values, accumulate), {})
    indices = _checked(input, indices, values)
    array = input._array
    check_overlap(array)
    source = values._array
    if np.may_share_memory(array, source):
        source = source.copy()
    put(array, indices, source, accumulate)
    bump_version(input)
    return input


def _take(array: ndarray, index: ndarray) -> ndarray:
    return array.reshape(-1).take(index)


TAKE = Primitive(
    "take",
    _take,
    inputs=("input", "index"),
    vjp={
        "input": lambda g, index, input_shape: reshape(
            index_put(wrap(np.zeros(int(np.prod(input_shape)), g._array.dtype)), (index,), g, True),
            input_shape,
        )
    },
)


def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of ``input``, seen in one dimension, at ``index``.

    Examples::

        >>> torch.take(torch.tensor([[4, 3, 5], [6, 7, 8]]), torch.tensor([0, 2, 5]))
        tensor([4, 5, 8])
    """
    if index._array.dtype != np.int64:
        raise RuntimeError(
            f"take(): Expected a long tensor for index, but got {SCALAR_TYPE_NAMES[index.dtype]}"
        )
    try:
        result = apply(TAKE, (input, index))
    except IndexError:
        n = input._array.size
        if not n:
            raise IndexError("take(): tried to take from an empty tensor") from None
        places = index._array
        wrong = int(places[(places < -n) | (places >= n)][0])
        raise IndexError(
            f"out of range: tried to access index {wrong} on a tensor of {n} elements."
        ) from None
    return result if out is None else write_out(out, result)


def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The elements at ``indices`` along ``dim``; other dimensions broadcast.

    Without ``dim``, both are taken in one dimension.

    Examples::

        >>> t = torch.tensor([[10, 30, 20], [60, 40, 50]])
        >>> torch.take_along_dim(t, torch.argmax(t, dim=1, keepdim=True), dim=1)
        tensor([[30],
                [60]])
    """
    if indices._array.dtype != np.int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got "
            f"{SCALAR_TYPE_NAMES[indices.dtype]}"
        )
    if dim is None:
        return late.gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)), out=out)  # type: ignore[no-any-return]
    if input._array.ndim != indices._array.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input._array.ndim} dimensions for input, and {indices._array.ndim} "
            "dimensions for indices"
        )
    dim = wrap_dim(dim, input._array.ndim)
    a, b = input._array.shape, indices._array.shape
    shape = np.broadcast_shapes((*a[:dim], 1, *a[dim + 1 :]), (*b[:dim], 1, *b[dim + 1 :]))
    input = expand(input, (*shape[:dim], a[dim], *shape[dim + 1 :]))
    indices = expand(indices, (*shape[:dim], b[dim], *shape[dim + 1 :]))
    if indices._array.size and indices._array.min() < 0:
        indices = wrap(np.where(indices._array < 0, indices._array + a[dim], indices._array))
    return late.gather(input, dim, indices, out=out)  # type: ignore[no-any-return]


BOTH = "index_put take take_along_dim"
METHODS = "index_put_"
TORCH = "index_put_"
