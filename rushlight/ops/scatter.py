"""Reading and writing at indices along one dimension: gather, scatter and the index functions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, bump_version, wrap
from rushlight.ops._accumulate import add_along, along
from rushlight.ops._dispatch import check_overlap, inplace, wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import NotDifferentiable, Primitive, apply, apply2, needs_grad
from rushlight.ops._promote import cast, is_number, to_scalar
from rushlight.ops.elementwise import div, eq, mul
from rushlight.ops.shape import reshape, slice_dim

ndarray = np.ndarray


class Writer:
    """An operation that changes some places of a tensor, out of place and in place.

    ``write(array, *inputs, *params)`` changes ``array``. Where no gradient is recorded, the in-place
    form calls it on the tensor's own memory: nothing else is touched or copied.
    """

    def __init__(
        self,
        name: str,
        write: Callable[..., None],
        inputs: tuple[str, ...],
        params: tuple[str, ...],
        vjp: Any,
        overlap: bool = False,
    ) -> None:
        def eager(array: ndarray, *rest: Any) -> ndarray:
            out = array.copy(order="K")
            write(out, *rest)
            return out

        self.write = write
        self.overlap = overlap  # whether elements may share memory
        self.primitive = Primitive(name, eager, inputs=("input", *inputs), params=params, vjp=vjp)

    def run(self, in_place: bool, input: Tensor, inputs: tuple[Any, ...], *params: Any) -> Tensor:
        """The changed copy of ``input``, or ``input`` after the change."""
        if not in_place:
            return apply(self.primitive, (input, *inputs), *params)  # type: ignore[no-any-return]
        if needs_grad(input, *inputs):
            return inplace(
                lambda old, *others: apply(self.primitive, (old, *others), *params),
                input,
                inputs,
                {},
            )
        array = input._array
        if not self.overlap:
            check_overlap(array)
        arrays = [t._array if isinstance(t, Tensor) else t for t in inputs]
        arrays = [
            a.copy() if isinstance(a, ndarray) and np.may_share_memory(a, array) else a
            for a in arrays
        ]
        self.write(array, *arrays, *params)
        bump_version(input)
        return input


def _cut(array: ndarray, shape: tuple[int, ...], dim: int) -> ndarray:
    """``array`` with all dimensions but ``dim`` cut to those of ``shape``."""
    if array.ndim == 0:
        return array.reshape(1)
    if array.shape[:dim] == shape[:dim] and array.shape[dim + 1 :] == shape[dim + 1 :]:
        return array
    return array[tuple([slice(None) if d == dim else slice(n) for d, n in enumerate(shape)])]


def _check_range(index: ndarray, dim: int, n: int) -> None:
    if index.size:
        low, high = index.min(), index.max()
        if low < 0 or high >= n:
            wrong = low if low < 0 else high
            raise IndexError(f"index {wrong} is out of bounds for dimension {dim} with size {n}")


def _runtime(error: IndexError) -> RuntimeError:
    return RuntimeError(str(error))


def _prepare(name: str, input: Tensor, dim: int, index: Tensor, src: Any = None) -> int:
    """Checks a gather or scatter; returns the dim counted from the front."""
    dim = wrap_dim(dim, input._array.ndim)
    kind = index._array.dtype
    if kind != np.int64 and kind != np.int32 and index._array.size:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if isinstance(src, Tensor) and src._array.dtype != input._array.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if not index._array.size:
        return dim
    have = input._array.shape or (1,)
    shape = index._array.shape or (1,)
    if len(shape) != len(have):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor"
                           if name == "gather" else
                           "Index tensor must have the same number of dimensions as self tensor")  # fmt: skip
    if name == "gather":
        for d, n in enumerate(shape):
            if d != dim and n > have[d]:
                raise RuntimeError(
                    f"Size does not match at dimension {d} expected index {list(index._array.shape)} "
                    f"to be no larger than self {list(input._array.shape)} apart from dimension {dim}"
                )
    elif any(d != dim and n > have[d] for d, n in enumerate(shape)) or (
        isinstance(src, Tensor) and any(n > m for n, m in zip(shape, src._array.shape or (1,)))
    ):
        source = f" and to be no larger size than src {list(src._array.shape)}" if isinstance(src, Tensor) else ""  # fmt: skip
        raise RuntimeError(
            f"Expected index {list(index._array.shape)} to be no larger than self "
            f"{list(input._array.shape)} apart from dimension {dim}{source}"
        )
    if isinstance(src, Tensor) and src._array.ndim != len(shape) and src._array.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    try:
        _check_range(index._array, dim, have[dim])
    except IndexError as error:
        raise _runtime(error) from None
    return dim


def _gather(a: ndarray, index: ndarray, dim: int) -> ndarray:
    if index.ndim == 0 or a.ndim == 0:
        return a.reshape(-1)[index.reshape(-1)].reshape(index.shape)
    if not index.size:
        return np.empty(index.shape, a.dtype)
    if a.ndim == 1:
        return a[index]
    return _cut(a, index.shape, dim)[along(index, dim)]


GATHER = Primitive(
    "gather",
    _gather,
    inputs=("input", "index"),
    params=("dim",),
    vjp={
        "input": lambda g, index, input_shape, dim: scatter_add(
            wrap(np.zeros(input_shape, g._array.dtype)), dim, index, g
        )
    },
)


def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None
) -> Tensor:
    """The elements that ``index`` names along ``dim``: ``out[i][j] = input[i][index[i][j]]`` for dim 1.

    Args:
        index: int64 (or int32), of as many dimensions as ``input``, none of them larger except
            ``dim``. Negative indices are refused.
        sparse_grad: accepted; the gradient is dense.

    Examples::

        >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    dim = _prepare("gather", input, dim, index)
    result = apply2(GATHER, input, index, dim)
    return result if out is None else write_out(out, result)


def _places(out: ndarray, index: ndarray, dim: int) -> tuple[ndarray, tuple[Any, ...]]:
    """What to subscript, and with what, to reach the places of ``index``."""
    if out.ndim == 0:
        return out.reshape(1), (index.reshape(-1),)
    if index.ndim == 0:
        return out, (index.reshape(1),)
    return _cut(out, index.shape, dim), along(index, dim)


def _cut_source(src: Any, index: ndarray) -> Any:
    if isinstance(src, ndarray) and src.ndim:
        return src[tuple([slice(n) for n in (index.shape or (1,))])]
    return src


def _write_scatter(out: ndarray, index: ndarray, src: Any, dim: int) -> None:
    if index.size:
        target, where = _places(out, index, dim)
        target[where] = _cut_source(src, index)


def _zero_at(g: Tensor, index: Tensor, dim: int) -> Tensor:
    return scatter(g, dim, index, value=0)


def _source_grad(g: Tensor, index: Tensor, dim: int, src_shape: tuple[int, ...]) -> Tensor:
    """The gradient of a source, of which only the corner of the index's shape was used."""
    found = gather(g, dim, index)
    if found._array.shape == src_shape:
        return found
    if not src_shape:
        return reshape(found, ())
    whole = wrap(np.zeros(src_shape, g._array.dtype))
    corner = tuple([slice(n) for n in found._array.shape])
    return late.index_put(whole, tuple([wrap(i) for i in _open_grid(corner)]), found)  # type: ignore[no-any-return]


def _open_grid(corner: tuple[slice, ...]) -> list[ndarray]:
    return list(np.ix_(*[np.arange(s.stop) for s in corner]))


SCATTER = Writer(
    "scatter",
    _write_scatter,
    ("index", "src"),
    ("dim",),
    {"input": _zero_at, "src": _source_grad},
)


def _write_scatter_add(out: ndarray, index: ndarray, src: Any, dim: int) -> None:
    if index.size:
        if out.ndim == 0:
            np.add.at(out.reshape(1), np.zeros(index.size, np.int64), np.reshape(src, -1))
            return
        index = index.reshape(index.shape or (1,))
        values = np.broadcast_to(_cut_source(src, index), index.shape).astype(out.dtype, copy=False)
        add_along(out, index, dim, values)


SCATTER_ADD = Writer(
    "scatter_add",
    _write_scatter_add,
    ("index", "src"),
    ("dim",),
    {"input": lambda g: g, "src": _source_grad},
)
_NO_RULE = NotDifferentiable("scatter with reduce='multiply' has no gradient in PyTorch either")


def _write_scatter_multiply(out: ndarray, index: ndarray, src: Any, dim: int) -> None:
    if index.size:
        target, where = _places(out, index, dim)
        np.multiply.at(target, where, _cut_source(src, index))


SCATTER_MULTIPLY = Writer(
    "scatter_multiply", _write_scatter_multiply, ("index", "src"), ("dim",), _NO_RULE
)


def _scatter(
    in_place: bool, input: Tensor, dim: int, index: Tensor, src: Any, value: Any, reduce: str | None
) -> Tensor:
    if src is None:
        src = value
    if src is None:
        raise TypeError("scatter() received an invalid combination of arguments: give src or value")
    dim = _prepare("scatter", input, dim, index, src)
    if not isinstance(src, Tensor):
        if not is_number(src):
            raise TypeError(f"scatter(): argument 'src' must be Tensor, not {type(src).__name__}")
        src = to_scalar(src, input.dtype)
    if reduce is None:
        return SCATTER.run(in_place, input, (index, src), dim)
    if reduce == "add":
        return SCATTER_ADD.run(in_place, input, (index, src), dim)
    if reduce == "multiply":
        return SCATTER_MULTIPLY.run(in_place, input, (index, src), dim)
    raise RuntimeError("reduce argument must be either add or multiply.")


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``input`` with ``src`` at the places that ``index`` names along ``dim``.

    For a matrix and dim 1: ``result[i][index[i][j]] = src[i][j]``.

    Args:
        index: int64, of as many dimensions as ``input``.
        src: a tensor of the same dtype, at least as large as ``index``; or a number.
        value: a number for all places, in place of ``src``.
        reduce: "add" or "multiply": combine with what is there.

    Examples::

        >>> torch.zeros(5).scatter_(0, torch.tensor(3), value=1)
        tensor([0., 0., 0., 1., 0.])
    """
    result = _scatter(False, input, dim, index, src, value, reduce)
    return result if out is None else write_out(out, result)


def scatter_(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """In-place version of :func:`scatter`."""
    return _scatter(True, input, dim, index, src, value, reduce)


def scatter_add(
    input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """``input`` with ``src`` added at the places that ``index`` names along ``dim``.

    Examples::

        >>> torch.zeros(3).scatter_add(0, torch.tensor([0, 0, 2]), torch.ones(3))
        tensor([2., 0., 1.])
    """
    dim = _prepare("scatter", input, dim, index, src)
    result = SCATTER_ADD.run(False, input, (index, src), dim)
    return result if out is None else write_out(out, result)


def scatter_add_(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """In-place version of :func:`scatter_add`."""
    dim = _prepare("scatter", input, dim, index, src)
    return SCATTER_ADD.run(True, input, (index, src), dim)


UFUNCS = {
    "sum": np.add,
    "mean": np.add,
    "prod": np.multiply,
    "amax": np.maximum,
    "amin": np.minimum,
}


def start_value(reduce: str, kind: np.dtype) -> Any:
    """What a reduction starts from where the old values do not count."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if kind.kind == "b":
        return reduce == "amin"
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return info.min if reduce == "amax" else info.max
    return -np.inf if reduce == "amax" else np.inf


def divide_counts(out: ndarray, count: ndarray) -> None:
    """Turns sums into means, rounding integers down, in place."""
    count = np.maximum(count, 1)
    if out.dtype.kind in "iub":
        out[...] = np.floor_divide(out, count.astype(out.dtype))
    else:
        out[...] = out / count.astype(out.dtype)


def _write_scatter_reduce(
    out: ndarray, index: ndarray, src: ndarray, dim: int, reduce: str, include_self: bool
) -> None:
    if not index.size:
        return
    target, where = _places(out, index, dim)
    values = _cut_source(src, index)
    if not include_self:
        target[where] = start_value(reduce, out.dtype)
    UFUNCS[reduce].at(target, where, values)
    if reduce == "mean":
        count = np.full(target.shape, int(include_self), np.int64)
        np.add.at(count, where, 1)
        divide_counts(target, count)
    if target.base is not out and target is not out and out.ndim == 0:
        out[...] = target[0]


def _scatter_reduce_rule(
    g: Tensor,
    input: Tensor,
    index: Tensor,
    src: Tensor,
    out: Tensor,
    dim: int,
    reduce: str,
    include_self: bool,
) -> tuple[Tensor, Tensor]:
    src_shape = src._array.shape
    if reduce == "sum":
        grad_input, grad_src = g, gather(g, dim, index)
    elif reduce == "mean":
        ones = wrap(np.ones(input._array.shape, g._array.dtype))
        count = ones if include_self else scatter(ones, dim, index, value=0)
        count = scatter_add(count, dim, index, wrap(np.ones(index._array.shape, g._array.dtype)))
        count = late.masked_fill(count, eq(count, 0), 1)
        grad_input = div(g, count)
        grad_src = gather(grad_input, dim, index)
    elif reduce == "prod":
        grad_input, grad_src = _prod_rule(g, input, index, src, out, dim, include_self)
    else:
        value = gather(out, dim, index)
        at_input = cast(eq(input, out), g.dtype)
        at_src = cast(eq(_corner(src, index), value), g.dtype)
        count = at_input if include_self else scatter(at_input, dim, index, value=0)
        count = scatter_add(count, dim, index, at_src)
        share = div(g, late.masked_fill(count, eq(count, 0), 1))
        grad_input = mul(at_input, share)
        grad_src = mul(at_src, gather(share, dim, index))
    if not include_self:
        grad_input = scatter(grad_input, dim, index, value=0)
    if grad_src._array.shape != src_shape:
        whole = wrap(np.zeros(src_shape, g._array.dtype))
        grid = _open_grid(tuple([slice(n) for n in grad_src._array.shape]))
        grad_src = late.index_put(whole, tuple([wrap(i) for i in grid]), grad_src)
    return grad_input, None, grad_src  # type: ignore[return-value]


def _corner(src: Tensor, index: Tensor) -> Tensor:
    for d, n in enumerate(index._array.shape):
        if src._array.shape[d] != n:
            src = slice_dim(src, d, 0, n)
    return src


def _prod_rule(
    g: Tensor, input: Tensor, index: Tensor, src: Tensor, out: Tensor, dim: int, include_self: bool
) -> tuple[Tensor, Tensor]:
    src = _corner(src, index)
    masked_input = late.masked_fill(input, eq(input, 0), 1)
    grad_input = div(mul(g, out), masked_input)
    zero_input = input._array == 0
    if zero_input.any():
        others = scatter_reduce(
            wrap(np.ones(input._array.shape, g._array.dtype)), dim, index, src, "prod"
        )
        grad_input = late.where(eq(input, 0), mul(g, others), grad_input)
    zero_src = eq(src, 0)
    zeros = scatter_add(
        wrap(np.zeros(input._array.shape, g._array.dtype)), dim, index, cast(zero_src, g.dtype)
    )
    single = late.logical_and(zero_src, eq(gather(zeros, dim, index), 1))
    masked_src = late.masked_fill(src, zero_src, 1)
    start = input if include_self else late.ones_like(input)
    rest = scatter_reduce(start, dim, index, masked_src, "prod")
    plain = div(gather(mul(g, out), dim, index), masked_src)
    alone = gather(mul(g, rest), dim, index)
    grad_src = late.where(single, alone, late.masked_fill(plain, zero_src, 0))
    return grad_input, grad_src


SCATTER_REDUCE = Writer(
    "scatter_reduce",
    _write_scatter_reduce,
    ("index", "src"),
    ("dim", "reduce", "include_self"),
    _scatter_reduce_rule,
)


REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def _reduction(reduce: str) -> str:
    """The name of a reduction, checked; "max" and "min" are taken as PyTorch takes them."""
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    if reduce not in REDUCTIONS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    return reduce


def scatter_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """Reduces the values of ``src`` that ``index`` sends to the same place along ``dim``.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the values of ``input`` at these places take part.

    Examples::

        >>> x = torch.tensor([1., 2., 3.])
        >>> x.scatter_reduce(0, torch.tensor([0, 0, 1]), torch.tensor([5., 6., 7.]), "amax")
        tensor([6., 7., 3.])
    """
    reduce = _reduction(reduce)
    dim = _prepare("scatter", input, dim, index, src)
    result = SCATTER_REDUCE.run(False, input, (index, src), dim, reduce, include_self)
    return result if out is None else write_out(out, result)


def scatter_reduce_(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """In-place version of :func:`scatter_reduce`."""
    reduce = _reduction(reduce)
    dim = _prepare("scatter", input, dim, index, src)
    return SCATTER_REDUCE.run(True, input, (index, src), dim, reduce, include_self)


BOTH = "gather scatter scatter_add scatter_reduce"
METHODS = "scatter_ scatter_add_ scatter_reduce_"
