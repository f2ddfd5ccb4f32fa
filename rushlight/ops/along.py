"""Operations with a vector of indices along one dimension: ``index_select``, ``index_add`` and kin."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._accumulate import add_rows
from rushlight.ops._dispatch import wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply2
from rushlight.ops._promote import cast, is_number, to_scalar, type_name
from rushlight.ops.elementwise import div, eq, mul
from rushlight.ops.reduction import sum
from rushlight.ops.scatter import UFUNCS, Writer, divide_counts, start_value

ndarray = np.ndarray


def _index_vector(name: str, index: Tensor) -> Tensor:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type_name(index)}")
    if index._array.ndim > 1:
        if name == "index_select":
            raise IndexError("index_select(): Index is supposed to be a vector")
        raise IndexError(
            f"{name}_(): Index is supposed to be a vector, but got dim: {index._array.ndim} with "
            f"type: {SCALAR_TYPE_NAMES[index.dtype]}"
        )
    if index._array.dtype not in (np.int64, np.int32):
        if name == "index_select":
            raise RuntimeError("index_select(): Expected dtype int32 or int64 for index but got: "
                               f"torch.{SCALAR_TYPE_NAMES[index.dtype]}Tensor")  # fmt: skip
        raise RuntimeError(f"{name}_(): Expected dtype int32/int64 for index but got: "
                           f"{SCALAR_TYPE_NAMES[index.dtype]}")  # fmt: skip
    return index


def _index_select(a: ndarray, index: ndarray, dim: int) -> ndarray:
    if index.size:
        low = index.min()
        if low < 0:
            raise IndexError(f"index {low} is out of bounds")
    if a.ndim == 0:
        return a.reshape(1)[index].reshape(())
    return a.take(index.reshape(-1), axis=dim)


INDEX_SELECT = Primitive(
    "index_select",
    _index_select,
    inputs=("input", "index"),
    params=("dim",),
    vjp={
        "input": lambda g, index, input_shape, dim: index_add(
            wrap(np.zeros(input_shape, g._array.dtype)), dim, index, g
        )
    },
)


def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of ``input`` along ``dim`` that the vector ``index`` names, as a copy.

    Examples::

        >>> x = torch.tensor([[1, 2], [3, 4], [5, 6]])
        >>> torch.index_select(x, 0, torch.tensor([2, 0]))
        tensor([[5, 6],
                [1, 2]])
    """
    dim = wrap_dim(dim, input._array.ndim)
    index = _index_vector("index_select", index)
    if input._array.ndim == 0 and index._array.size != 1:
        raise RuntimeError(
            "index_select(): Index to scalar can have only 1 value, got "
            f"{index._array.size} value(s)"
        )
    try:
        result = apply2(INDEX_SELECT, input, index, dim)
    except IndexError:
        raise IndexError("index out of range in self") from None
    return result if out is None else write_out(out, result)


def _rows(a: ndarray, dim: int) -> ndarray:
    """``a`` with ``dim`` in front, as a view; at least one dimension."""
    return np.moveaxis(a, dim, 0) if a.ndim else a.reshape(1)


def _check_rows(index: ndarray, n: int) -> None:
    if index.size and (index.min() < 0 or index.max() >= n):
        raise IndexError("index out of range in self")


def _write_index_add(out: ndarray, index: ndarray, source: ndarray, dim: int, alpha: Any) -> None:
    target, values = _rows(out, dim), _rows(np.asarray(source), dim)
    index = index.reshape(-1)
    _check_rows(index, len(target))
    if type(alpha) is not int or alpha != 1:
        values = (values * np.asarray(alpha).astype(values.dtype)).astype(out.dtype)
    if target.ndim == 1:
        np.add.at(target, index, values)
    elif target.flags.c_contiguous:
        width = int(np.prod(target.shape[1:]))
        add_rows(target.reshape(len(target), width), index, values.reshape(len(index), width))
    else:
        np.add.at(target, index, values)


INDEX_ADD = Writer(
    "index_add",
    _write_index_add,
    ("index", "source"),
    ("dim", "alpha"),
    {
        "input": lambda g: g,
        "source": lambda g, index, source_shape, dim, alpha: _scaled(
            _like_source(index_select(g, dim, index), source_shape), alpha
        ),
    },
)


def _scaled(g: Tensor, alpha: Any) -> Tensor:
    return g if type(alpha) is int and alpha == 1 else mul(g, alpha)


def _like_source(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    return g if g._array.shape == shape else late.reshape(g, shape)  # type: ignore[no-any-return]


def _check_source(name: str, input: Tensor, dim: int, index: Tensor, source: Any) -> int:
    dim = wrap_dim(dim, input._array.ndim)
    _index_vector(name, index)
    if not isinstance(source, Tensor):
        raise TypeError(f"{name}(): argument 'source' must be Tensor, not {type_name(source)}")
    if source._array.dtype != input._array.dtype:
        if name == "index_add":
            raise RuntimeError("index_add_(): self (" + SCALAR_TYPE_NAMES[input.dtype] + ") and "
                               f"source ({SCALAR_TYPE_NAMES[source.dtype]}) must have the same "
                               "scalar type")  # fmt: skip
        raise RuntimeError(f"{name}_(): self and source expected to have the same dtype, but got "
                           f"(self) {SCALAR_TYPE_NAMES[input.dtype]} and (source) "
                           f"{SCALAR_TYPE_NAMES[source.dtype]}")  # fmt: skip
    count = index._array.size
    have, given = input._array.shape, source._array.shape
    if source._array.ndim and (dim >= len(given) or given[dim] != count):
        raise RuntimeError(
            f"{name}_(): Number of indices ({count}) should be equal to source.size(dim): "
            f"({given[dim] if dim < len(given) else 1}), for dim: {dim}"
        )
    if have[:dim] + have[dim + 1 :] != given[:dim] + given[dim + 1 :]:
        raise RuntimeError(
            f"source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(have)} source.shape = {list(given)}"
        )
    return dim


def index_add(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``input`` with the slices of ``alpha * source`` added at ``index`` along ``dim``.

    Examples::

        >>> torch.zeros(3).index_add(0, torch.tensor([0, 0]), torch.tensor([1., 2.]))
        tensor([3., 0., 0.])
    """
    dim = _check_source("index_add", input, dim, index, source)
    result = INDEX_ADD.run(False, input, (index, source), dim, alpha)
    return result if out is None else write_out(out, result)


def index_add_(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """In-place version of :func:`index_add`."""
    dim = _check_source("index_add", input, dim, index, source)
    return INDEX_ADD.run(True, input, (index, source), dim, alpha)


def _write_index_copy(out: ndarray, index: ndarray, source: ndarray, dim: int) -> None:
    target, values = _rows(out, dim), _rows(np.asarray(source), dim)
    index = index.reshape(-1)
    if index.size and (index.min() < 0 or index.max() >= len(target)):
        raise IndexError(f"index_copy_(): index {index[(index < 0) | (index >= len(target))][0]} is "
                         f"out of bounds for dimension {dim} with size {len(target)}")  # fmt: skip
    target[index] = values


INDEX_COPY = Writer(
    "index_copy",
    _write_index_copy,
    ("index", "source"),
    ("dim",),
    {
        "input": lambda g, index, dim: index_fill(g, dim, index, 0),
        "source": lambda g, index, source_shape, dim: _like_source(
            index_select(g, dim, index), source_shape
        ),
    },
)


def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """``input`` with the slices of ``source`` in place of those at ``index`` along ``dim``."""
    dim = _check_source("index_copy", input, dim, index, source)
    result = INDEX_COPY.run(False, input, (index, source), dim)
    return result if out is None else write_out(out, result)


def index_copy_(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """In-place version of :func:`index_copy`."""
    dim = _check_source("index_copy", input, dim, index, source)
    return INDEX_COPY.run(True, input, (index, source), dim)


def _write_index_fill(out: ndarray, index: ndarray, value: Any, dim: int) -> None:
    target = _rows(out, dim)
    index = index.reshape(-1)
    if index.size and (index.min() < -len(target) or index.max() >= len(target)):
        wrong = index.min() if index.min() < -len(target) else index.max()
        raise IndexError(
            f"index {wrong} is out of bounds for dimension {dim} with size {len(target)}"
        )
    target[index] = value


INDEX_FILL = Writer(
    "index_fill",
    _write_index_fill,
    ("index", "value"),
    ("dim",),
    {
        "input": lambda g, index, dim: index_fill(g, dim, index, 0),
        "value": lambda g, index, dim: sum(index_select(g, dim, wrap(np.unique(index._array)))),
    },
)


def _index_fill(in_place: bool, input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    dim = wrap_dim(dim, input._array.ndim)
    if index._array.dtype not in (np.int64, np.int32):
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index._array.ndim > 1:
        raise IndexError("index_fill_(): Index is supposed to be a vector")
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._array.ndim} dimension(s)."
            )
        value = cast(value, input.dtype)
    else:
        if not is_number(value):
            raise TypeError(f"index_fill_(): argument 'value' must be Number, not {type_name(value)}")  # fmt: skip
        if isinstance(value, complex) and not input.dtype.is_complex:
            raise RuntimeError(
                "index_fill_(): Converting complex Scalar to non-complex type is not supported"
            )
        value = to_scalar(value, input.dtype)
    return INDEX_FILL.run(in_place, input, (index, value), dim)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """``input`` with ``value`` (a number or a 0-d tensor) in the slices at ``index`` along ``dim``.

    Examples::

        >>> torch.zeros(3).index_fill(0, torch.tensor([1]), 5.)
        tensor([0., 5., 0.])
    """
    return _index_fill(False, input, dim, index, value)


def index_fill_(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """In-place version of :func:`index_fill`."""
    return _index_fill(True, input, dim, index, value)


def _write_index_reduce(
    out: ndarray, index: ndarray, source: ndarray, dim: int, reduce: str, include_self: bool
) -> None:
    target, values = _rows(out, dim), _rows(np.asarray(source), dim)
    index = index.reshape(-1)
    _check_rows(index, len(target))
    if not include_self:
        target[index] = start_value(reduce, out.dtype)
    UFUNCS[reduce].at(target, index, values)
    if reduce == "mean":
        count = np.full(len(target), int(include_self), np.int64)
        np.add.at(count, index, 1)
        divide_counts(target, count.reshape((-1,) + (1,) * (target.ndim - 1)))


def _index_reduce_rule(
    g: Tensor,
    input: Tensor,
    index: Tensor,
    source: Tensor,
    out: Tensor,
    dim: int,
    reduce: str,
    include_self: bool,
) -> tuple[Tensor | None, ...]:
    if reduce == "prod":
        return _prod_rule(g, input, index, source, out, dim, include_self)
    if reduce == "mean":
        ones = wrap(np.ones(input._array.shape, g._array.dtype))
        count = ones if include_self else index_fill(ones, dim, index, 0)
        count = index_add(count, dim, index, wrap(np.ones(source._array.shape, g._array.dtype)))
        share = div(g, late.masked_fill(count, eq(count, 0), 1))
        grad_input, grad_source = share, index_select(share, dim, index)
    else:
        at_input = cast(eq(input, out), g.dtype)
        at_source = cast(eq(source, index_select(out, dim, index)), g.dtype)
        count = at_input if include_self else index_fill(at_input, dim, index, 0)
        count = index_add(count, dim, index, at_source)
        share = div(g, late.masked_fill(count, eq(count, 0), 1))
        grad_input, grad_source = mul(at_input, share), mul(at_source, index_select(share, dim, index))  # fmt: skip
    if not include_self:
        grad_input = index_fill(grad_input, dim, index, 0)
    return grad_input, None, grad_source


def _prod_rule(
    g: Tensor, input: Tensor, index: Tensor, source: Tensor, out: Tensor, dim: int,
    include_self: bool,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    grad_input = div(mul(g, out), late.masked_fill(input, eq(input, 0), 1))
    if (input._array == 0).any():
        ones = wrap(np.ones(input._array.shape, g._array.dtype))
        others = index_reduce(ones, dim, index, source, "prod")
        grad_input = late.where(eq(input, 0), mul(g, others), grad_input)
    zero = eq(source, 0)
    zeros = index_add(
        wrap(np.zeros(input._array.shape, g._array.dtype)), dim, index, cast(zero, g.dtype)
    )
    single = late.logical_and(zero, eq(index_select(zeros, dim, index), 1))
    masked = late.masked_fill(source, zero, 1)
    start = input if include_self else late.ones_like(input)
    rest = index_reduce(start, dim, index, masked, "prod")
    plain = late.masked_fill(div(index_select(mul(g, out), dim, index), masked), zero, 0)
    grad_source = late.where(single, index_select(mul(g, rest), dim, index), plain)
    if not include_self:
        grad_input = index_fill(grad_input, dim, index, 0)
    return grad_input, None, grad_source


INDEX_REDUCE = Writer(
    "index_reduce",
    _write_index_reduce,
    ("index", "source"),
    ("dim", "reduce", "include_self"),
    _index_reduce_rule,
)


def _check_reduction(reduce: str) -> None:
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )


def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """Reduces the slices of ``source`` that ``index`` sends to the same place along ``dim``.

    Args:
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the slices of ``input`` at these places take part.
    """
    _check_reduction(reduce)
    dim = _check_source("index_reduce", input, dim, index, source)
    result = INDEX_REDUCE.run(False, input, (index, source), dim, reduce, include_self)
    return result if out is None else write_out(out, result)


def index_reduce_(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """In-place version of :func:`index_reduce`."""
    _check_reduction(reduce)
    dim = _check_source("index_reduce", input, dim, index, source)
    return INDEX_REDUCE.run(True, input, (index, source), dim, reduce, include_self)


def _write_put(out: ndarray, index: ndarray, source: ndarray, accumulate: bool) -> None:
    n = out.size
    index, source = index.reshape(-1), source.reshape(-1)
    if index.size and (index.min() < -n or index.max() >= n):
        wrong = index.max() if index.max() >= n else index.min()
        raise IndexError(f"put_(): index {wrong} is out of bounds for dimension 0 with size {n}")
    flat = out.reshape(-1)
    if accumulate:
        np.add.at(flat, index, source)
    else:
        flat[index] = source
    if not np.shares_memory(flat, out):
        out[...] = flat.reshape(out.shape)


PUT = Writer(
    "put",
    _write_put,
    ("index", "source"),
    ("accumulate",),
    {
        "input": lambda g, index, accumulate: g if accumulate else put(g, index, _zeros(index, g)),
        "source": lambda g, index, source_shape: late.reshape(late.take(g, index), source_shape),
    },
)


def _zeros(index: Tensor, g: Tensor) -> Tensor:
    return wrap(np.zeros(index._array.shape, g._array.dtype))


def _check_put(input: Tensor, index: Tensor, source: Tensor) -> None:
    if index._array.dtype != np.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {SCALAR_TYPE_NAMES[index.dtype]}")  # fmt: skip
    if source._array.dtype != input._array.dtype:
        raise RuntimeError("put_(): self and source expected to have the same dtype, but got self.dtype = "
                           f"{SCALAR_TYPE_NAMES[input.dtype]} and source.dtype = {SCALAR_TYPE_NAMES[source.dtype]}")  # fmt: skip
    if index._array.size != source._array.size:
        raise RuntimeError("put_(): Expected source and index to have the same number of elements, but got "
                           f"source.numel() = {source._array.size}, index.numel() = {index._array.size}")  # fmt: skip


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """``input``, seen in one dimension, with ``source`` at ``index`` (added with ``accumulate``)."""
    _check_put(input, index, source)
    return PUT.run(False, input, (index, source), accumulate)


def put_(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """In-place version of :func:`put`."""
    _check_put(input, index, source)
    return PUT.run(True, input, (index, source), accumulate)


BOTH = "index_add index_copy index_fill index_reduce index_select put"
METHODS = "index_add_ index_copy_ index_fill_ index_reduce_ put_"
