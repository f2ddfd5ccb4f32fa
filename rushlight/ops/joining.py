"""Putting tensors together and taking them apart: cat, stack, chunk and their kin."""

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base.size import make_size
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import broadcast_error, wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply
from rushlight.ops._promote import cast, result_type, type_name
from rushlight.ops.shape import SLICE, apply_view, reshape, split, unbind, unsqueeze

ndarray = np.ndarray


def _cat(*args: Any) -> ndarray:
    return np.concatenate(args[:-2], axis=args[-2])


def _cat_rule(g: Tensor, dim: int, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    parts, start = [], 0
    for n in sizes:
        parts.append(apply_view(SLICE, g, dim, start, start + n, 1))
        start += n
    return tuple(parts)


# Of any number of inputs: its rule reads parameters only.
CAT = Primitive("cat", _cat, inputs=("tensors",), params=("dim", "sizes"), vjp=_cat_rule)
STACK = Primitive(
    "stack",
    lambda *args: np.stack(args[:-1], axis=args[-1]),
    inputs=("tensors",),
    params=("dim",),
    vjp=lambda g, dim: unbind(g, dim),
)


def _sequence(name: str, tensors: Any) -> tuple[Tensor, ...]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type_name(tensors)}"
        )
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type_name(t)}")
    return tuple(tensors)


def _same_dtype(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    kind = tensors[0]._array.dtype
    for t in tensors:
        if t._array.dtype != kind:
            to = result_type(*tensors)
            return tuple([cast(t, to) for t in tensors])
    return tensors


def cat(
    tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None, **names: Any
) -> Tensor:
    """The tensors one after the other along ``dim``; their other dimensions agree.

    One-dimensional tensors without elements are passed over. Dtypes are promoted.

    Examples::

        >>> torch.cat((torch.tensor([1, 2]), torch.tensor([3])))
        tensor([1, 2, 3])
    """
    if "axis" in names:
        dim = names.pop("axis")
    if names:
        raise TypeError(f"cat() got an unexpected keyword argument '{next(iter(names))}'")
    given = _sequence("cat", tensors)
    if not given:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    given = _same_dtype(given)
    kept = given
    for i, t in enumerate(given):
        shape = t._array.shape
        if not shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
        if shape == (0,):
            kept = tuple([t for t in given if t._array.shape != (0,)]) or given[:1]
    dim = wrap_dim(dim, kept[0]._array.ndim)
    sizes = tuple([_cat_size(kept[0]._array.shape, t._array.shape, dim, i)
                   for i, t in enumerate(kept)])  # fmt: skip
    result: Tensor = apply(CAT, kept, dim, sizes)
    return result if out is None else write_out(out, result)


def _cat_size(first: tuple[int, ...], shape: tuple[int, ...], dim: int, position: int) -> int:
    """The size along ``dim``, after a check that the other dimensions agree."""
    if len(shape) != len(first):
        raise RuntimeError(
            f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}"
        )
    if shape[:dim] != first[:dim] or shape[dim + 1 :] != first[dim + 1 :]:
        for d, (n, m) in enumerate(zip(first, shape)):
            if d != dim and n != m:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but "
                    f"got size {m} for tensor number {position} in the list."
                )
    return shape[dim]


def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape along a new dimension.

    Examples::

        >>> torch.stack((torch.tensor([1, 2]), torch.tensor([3, 4])), dim=1)
        tensor([[1, 3],
                [2, 4]])
    """
    given = _sequence("stack", tensors)
    if not given:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = given[0]._array.shape
    dim = wrap_dim(dim, len(shape) + 1)
    for i, t in enumerate(given):
        if t._array.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(t._array.shape)} at entry {i}"
            )
    result: Tensor = apply(STACK, _same_dtype(given), dim)
    return result if out is None else write_out(out, result)


def _at_least(t: Tensor, ndim: int) -> Tensor:
    shape = t._array.shape
    if len(shape) >= ndim:
        return t
    if ndim == 1:
        return reshape(t, (1,))
    if ndim == 2:
        return reshape(t, (1, *(shape or (1,))))
    if len(shape) == 2:
        return unsqueeze(t, -1)
    return reshape(t, (1, *(shape or (1,)), 1))


def _each(ndim: int, tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1:
        if isinstance(tensors[0], Tensor):
            return _at_least(tensors[0], ndim)
        return tuple([_at_least(t, ndim) for t in tensors[0]])
    return tuple([_at_least(t, ndim) for t in tensors])


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor (or the tensors of a sequence) with at least one dimension."""
    return _each(1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor (or the tensors of a sequence) with at least two dimensions."""
    return _each(2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor (or the tensors of a sequence) with at least three dimensions."""
    return _each(3, tensors)


def _not_empty(name: str, tensors: Any) -> tuple[Tensor, ...]:
    given = _sequence(name, tensors)
    if not given:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return given


def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side: along dim 1, or dim 0 for vectors.

    Examples::

        >>> torch.hstack((torch.tensor([1, 2]), torch.tensor([3])))
        tensor([1, 2, 3])
    """
    given = atleast_1d(_not_empty("hstack", tensors))
    return cat(given, 0 if given[0]._array.ndim == 1 else 1, out=out)


def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors on top of each other, vectors as rows.

    Examples::

        >>> torch.vstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
        tensor([[1, 2],
                [3, 4]])
    """
    return cat(atleast_2d(_not_empty("vstack", tensors)), 0, out=out)


def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors behind each other, along dim 2."""
    return cat(atleast_3d(_not_empty("dstack", tensors)), 2, out=out)


def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side, vectors as columns."""
    given = [
        reshape(t, (t._array.size, 1)) if t._array.ndim <= 1 else t
        for t in _not_empty("column_stack", tensors)
    ]
    return hstack(given, out=out)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most ``chunks`` equal parts along ``dim``; the last may be smaller.

    Examples::

        >>> torch.chunk(torch.arange(5), 2)
        (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if input._array.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = wrap_dim(dim, input._array.ndim)
    n = input._array.shape[dim]
    size = -(-n // chunks)
    if size == 0:
        return split(input, [0] * chunks, dim)
    return split(input, size, dim)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of the given sizes along ``dim``."""
    return split(input, list(split_sizes), dim)


def _cuts(input: Tensor, cuts: list[int], dim: int) -> tuple[Tensor, ...]:
    n = input._array.shape[dim]
    parts, start = [], 0
    for stop in [*cuts, n]:
        a, b, _ = slice(start, stop).indices(n)
        parts.append(apply_view(SLICE, input, dim, a, max(a, b), 1))
        start = stop
    return tuple(parts)


def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None,
    sections: Any = None, tensor_indices_or_sections: Any = None
) -> tuple[Tensor, ...]:  # fmt: skip
    """Views of parts along ``dim``: a number of nearly equal ones, or cut at given indices.

    Examples::

        >>> torch.tensor_split(torch.arange(5), 2)
        (tensor([0, 1, 2]), tensor([3, 4]))
        >>> torch.tensor_split(torch.arange(5), (1, 3))
        (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    where = next(
        (x for x in (indices_or_sections, tensor_indices_or_sections, indices, sections)
         if x is not None), None
    )  # fmt: skip
    if input._array.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")  # fmt: skip
    dim = wrap_dim(dim, input._array.ndim)
    if isinstance(where, Tensor):
        where = where._array.tolist()
    if isinstance(where, int):
        if where <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {where}")
        least, extra = divmod(input._array.shape[dim], where)
        sizes = [least + 1] * extra + [least] * (where - extra)
        return _cuts(input, np.cumsum(sizes[:-1]).tolist(), dim)
    return _cuts(input, [int(i) for i in where], dim)


def _n_split(name: str, input: Tensor, where: Any, dim: int) -> tuple[Tensor, ...]:
    if isinstance(where, int) and where and input._array.shape[dim] % where:
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input._array.shape[dim]} is not divisible by the split_size {where}!"
        )
    return tensor_split(input, where, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along dim 1 (dim 0 of a vector)."""
    if input._array.ndim == 0:
        raise RuntimeError("torch.hsplit requires a tensor with at least 1 dimension, but got a tensor with 0 dimensions!")  # fmt: skip
    return _n_split("hsplit", input, indices_or_sections, 0 if input._array.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along dim 0 of a tensor with at least two dimensions."""
    ndim = input._array.ndim
    if ndim < 2:
        raise RuntimeError(f"torch.vsplit requires a tensor with at least 2 dimension, but got a tensor with {ndim} dimensions!")  # fmt: skip
    return _n_split("vsplit", input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along dim 2 of a tensor with at least three dimensions."""
    ndim = input._array.ndim
    if ndim < 3:
        raise RuntimeError(f"torch.dsplit requires a tensor with at least 3 dimension, but got a tensor with {ndim} dimensions!")  # fmt: skip
    return _n_split("dsplit", input, indices_or_sections, 2)


def unsafe_split(tensor: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Copies of consecutive parts, which may be changed in place under autograd."""
    return tuple([late.clone(part) for part in split(tensor, split_size, dim)])


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Copies of the parts that :func:`chunk` gives."""
    return tuple([late.clone(part) for part in chunk(input, chunks, dim)])


def unsafe_split_with_sizes(
    input: Tensor, split_sizes: Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Copies of the parts that :func:`split_with_sizes` gives."""
    return tuple([late.clone(part) for part in split(input, list(split_sizes), dim)])


def block_diag(*tensors: Any) -> Tensor:
    """A matrix with the given matrices along its diagonal and zeros elsewhere.

    Examples::

        >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor([3]))
        tensor([[1, 2, 0],
                [0, 0, 3]])
    """
    given = _same_dtype(_sequence("block_diag", tensors))
    if not given:
        return wrap(np.zeros((1, 0), np.float32))
    for i, t in enumerate(given):
        if t._array.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {t._array.ndim} dimensions"
            )
    blocks = atleast_2d(given)
    width = sum([b._array.shape[1] for b in blocks])
    rows, start = [], 0
    for b in blocks:
        n, m = b._array.shape
        kind = b._array.dtype
        left = wrap(np.zeros((n, start), kind))
        right = wrap(np.zeros((n, width - start - m), kind))
        rows.append(cat((left, b, right), 1))
        start += m
    return cat(rows, 0)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids from vectors, as expanded views.

    Args:
        indexing: "ij" (matrix order, the default, with a warning) or "xy" (the first two swapped).

    Examples::

        >>> x, y = torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")
        >>> x
        tensor([[1, 1],
                [2, 2]])
    """
    given = list(tensors[0]) if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else list(tensors)  # fmt: skip
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        _warn_meshgrid()
        indexing = "ij"
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            'torch.meshgrid: indexing must be one of "xy" or "ij", but received: ' + indexing
        )
    for t in given:
        if t._array.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t!r}"
            )
        if t._array.dtype != given[0]._array.dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(given) >= 2
    if swap:
        given[0], given[1] = given[1], given[0]
    shape = tuple([t._array.size for t in given])
    n = len(given)
    grids = [
        late.expand(reshape(t, (1,) * i + (-1,) + (1,) * (n - 1 - i)), shape)
        for i, t in enumerate(given)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def _warn_meshgrid() -> None:
    warnings.warn(
        "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
        UserWarning,
        stacklevel=4,
    )


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that tensors of these shapes broadcast to."""
    try:
        found = np.broadcast_shapes(*[(s,) if isinstance(s, int) else tuple(s) for s in shapes])
    except ValueError:
        raise RuntimeError(
            "Shape mismatch: objects cannot be broadcast to a single shape"
        ) from None
    return make_size(found)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape, as views.

    Examples::

        >>> a, b = torch.broadcast_tensors(torch.zeros(3, 1), torch.zeros(2))
        >>> a.shape, b.shape
        (torch.Size([3, 2]), torch.Size([3, 2]))
    """
    given = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    try:
        shape = np.broadcast_shapes(*[t._array.shape for t in given])
    except ValueError:
        raise _broadcast_error([t._array.shape for t in given]) from None
    return tuple([late.expand(t, shape) for t in given])


def _broadcast_error(shapes: list[tuple[int, ...]]) -> RuntimeError:
    whole = shapes[0]
    for shape in shapes[1:]:
        try:
            whole = np.broadcast_shapes(whole, shape)
        except ValueError:
            return broadcast_error(np.empty(whole), np.empty(shape))
    return RuntimeError("shapes do not broadcast")


def cartesian_prod(*tensors: Any) -> Tensor:
    """All combinations of the elements of vectors, one a row.

    Examples::

        >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([4, 5]))
        tensor([[1, 4],
                [1, 5],
                [2, 4],
                [2, 5]])
    """
    given = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    for t in given:
        if t._array.ndim != 1:
            raise RuntimeError("Expect a 1D vector, but got shape " + str(list(t._array.shape)))
    if len(given) == 1:
        return given[0]  # type: ignore[no-any-return]
    grids = meshgrid(*given, indexing="ij")
    return stack([reshape(g, (-1,)) for g in grids], dim=1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All selections of ``r`` elements of a vector, one a row.

    Examples::

        >>> torch.combinations(torch.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    if input._array.ndim != 1:
        raise RuntimeError("Expect a 1D vector, but got shape " + str(list(input._array.shape)))
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return wrap(np.zeros(0, input._array.dtype))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input._array.size), r))
    index = wrap(np.array(rows, np.int64).reshape(len(rows), r))
    return late.take(input, index)  # type: ignore[no-any-return]


row_stack = vstack
concat = cat
concatenate = cat

BOTH = """
    chunk dsplit hsplit split_with_sizes tensor_split unsafe_chunk unsafe_split
    unsafe_split_with_sizes vsplit
"""
TORCH = """
    atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod
    cat column_stack combinations concat concatenate dstack hstack meshgrid row_stack stack vstack
"""
