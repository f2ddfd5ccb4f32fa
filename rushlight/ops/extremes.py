"""Largest and smallest elements, with and without their places."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.quiet import quiet
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import wrap_dim, wrap_dims, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import INTEGER_RESULT, Primitive, apply, apply1
from rushlight.ops._promote import cast
from rushlight.ops._results import result_type
from rushlight.ops.elementwise import div, eq, maximum, minimum, mul
from rushlight.ops.reduction import keep_shape, spread, sum
from rushlight.ops.shape import reshape, unsqueeze

MaxResult = result_type("max", "values", "indices")
MinResult = result_type("min", "values", "indices")
AminmaxResult = result_type("aminmax", "min", "max")


def _empty_error(name: str) -> RuntimeError:
    return RuntimeError(
        f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
        "reduction dim with the 'dim' argument."
    )


def check_nonzero_dim(name: str, input: Tensor, dim: int) -> None:
    """IndexError if the dimension to reduce has no elements."""
    array = input._array
    if array.ndim and array.shape[dim] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")


def _no_complex(name: str, input: Tensor) -> None:
    if input._array.dtype.kind == "c":
        kind = SCALAR_TYPE_NAMES[input.dtype]
        raise RuntimeError(f"\"{name}\" not implemented for '{kind}'")


def as_sortable(array: np.ndarray) -> np.ndarray:
    """``array`` in a dtype that NumPy can order (bfloat16 in float32)."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _arg(function: Any) -> Any:
    @quiet
    def eager(a: np.ndarray, dim: int | None, keepdim: bool) -> Any:
        a = as_sortable(a)
        return function(a, axis=dim, keepdims=keepdim)

    return eager


ARGMAX = Primitive("argmax", _arg(np.argmax), params=("dim", "keepdim"), vjp=INTEGER_RESULT)
ARGMIN = Primitive("argmin", _arg(np.argmin), params=("dim", "keepdim"), vjp=INTEGER_RESULT)


def _arg_reduce(
    primitive: Primitive, input: Tensor, dim: int | None, keepdim: bool, out: Any
) -> Tensor:
    name = primitive.name
    _no_complex(name, input)
    if dim is None:
        if input._array.size == 0:
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                "the reduction dim with the 'dim' argument."
            )
    else:
        dim = wrap_dim(dim, input._array.ndim)
        check_nonzero_dim(name, input, dim)
        if input._array.ndim == 0:
            dim = None
    result = apply1(primitive, input, dim, keepdim)
    return result if out is None else write_out(out, result)


def argmax(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The index of the largest element: along ``dim``, or in the flattened tensor.

    The first one counts if there are several; NaN counts as largest.

    Examples::

        >>> torch.argmax(torch.tensor([[1, 5], [7, 2]]), dim=1)
        tensor([1, 0])
    """
    return _arg_reduce(ARGMAX, input, dim, keepdim, out)


def argmin(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The index of the smallest element. Args: as for :func:`argmax`."""
    return _arg_reduce(ARGMIN, input, dim, keepdim, out)


def _with_index(pick: Any) -> Any:
    @quiet
    def eager(a: np.ndarray, dim: int, keepdim: bool) -> Any:
        if a.ndim == 0:
            return a.copy(), np.zeros((), np.int64)
        index = np.expand_dims(pick(as_sortable(a), axis=dim), dim)
        values = np.take_along_axis(a, index, dim)
        if keepdim:
            return values, index
        return values.squeeze(dim), index.squeeze(dim)

    return eager


def _with_index_rule(
    g: Any, out: Any, input_shape: tuple[int, ...], dim: int, keepdim: bool
) -> Tensor:
    grad, index = g[0], out[1]
    if not input_shape:
        return grad  # type: ignore[no-any-return]
    if not keepdim:
        grad, index = unsqueeze(grad, dim), unsqueeze(index, dim)
    return late.scatter(grad.new_zeros(input_shape), dim, index, grad)  # type: ignore[no-any-return]


MAX_DIM = Primitive(
    "max", _with_index(np.argmax), params=("dim", "keepdim"), vjp={"input": _with_index_rule}
)
MIN_DIM = Primitive(
    "min", _with_index(np.argmin), params=("dim", "keepdim"), vjp={"input": _with_index_rule}
)


def _even_share(
    g: Tensor, input: Tensor, out: Tensor, dims: tuple[int, ...], keepdim: bool
) -> Tensor:
    """The gradient shared evenly among the elements that are extreme."""
    shape = input._array.shape
    chosen = cast(eq(input, spread(out, shape, dims, keepdim)), g.dtype)
    count = sum(chosen, dims, keepdim=True) if dims else chosen
    grad = spread(g, shape, dims, keepdim)
    return div(mul(grad, chosen), count)


def _extreme(function: Any) -> Any:
    @quiet
    def eager(a: np.ndarray, dims: tuple[int, ...], keepdim: bool) -> Any:
        if a.dtype.kind == "V":
            return function(a.astype(np.float32), axis=dims, keepdims=keepdim).astype(a.dtype)
        return function(a, axis=dims, keepdims=keepdim)

    return eager


AMAX = Primitive("amax", _extreme(np.max), params=("dims", "keepdim"), vjp={"input": _even_share})
AMIN = Primitive("amin", _extreme(np.min), params=("dims", "keepdim"), vjp={"input": _even_share})
MAX_ALL = Primitive(
    "max_all", _extreme(np.max), params=("dims", "keepdim"), vjp={"input": _even_share},
    node_name="MaxBackward1",
)  # fmt: skip
MIN_ALL = Primitive(
    "min_all", _extreme(np.min), params=("dims", "keepdim"), vjp={"input": _even_share},
    node_name="MinBackward1",
)  # fmt: skip


def _reduce_or_pair(
    name: str, input: Tensor, args: tuple[Any, ...], dim: Any, keepdim: bool, out: Any
) -> Any:
    whole, along, pairwise, result = {
        "max": (MAX_ALL, MAX_DIM, maximum, MaxResult),
        "min": (MIN_ALL, MIN_DIM, minimum, MinResult),
    }[name]
    if args and isinstance(args[0], Tensor):
        return pairwise(input, args[0], out=out)
    if args:
        dim = args[0]
        keepdim = args[1] if len(args) > 1 else keepdim
    _no_complex(name, input)
    if dim is None:
        if input._array.size == 0:
            raise _empty_error(name)
        single = apply1(whole, input, tuple(range(input._array.ndim)), False)
        return single if out is None else write_out(out, single)
    if isinstance(dim, Tensor):
        return pairwise(input, dim, out=out)
    dim = wrap_dim(dim, input._array.ndim)
    check_nonzero_dim(name, input, dim)
    pair = result(*apply(along, (input,), dim, keepdim))
    return pair if out is None else result(*write_out(out, tuple(pair)))


def max(
    input: Tensor,
    *args: Any,
    dim: Any = None,
    keepdim: bool = False,
    other: Tensor | None = None,
    out: Any = None,
) -> Any:
    """The largest element; or, along ``dim``, the largest values and their indices; or, given a
    second tensor, the larger of each two elements.

    Returns: a tensor, or a named tuple ``(values, indices)`` if ``dim`` is given.

    Examples::

        >>> torch.max(torch.tensor([[1, 5], [7, 2]]), 1)
        torch.return_types.max(
        values=tensor([5, 7]),
        indices=tensor([1, 0]))
    """
    return _reduce_or_pair("max", input, args or ((other,) if other is not None else ()), dim,
                           keepdim, out)  # fmt: skip


def min(
    input: Tensor,
    *args: Any,
    dim: Any = None,
    keepdim: bool = False,
    other: Tensor | None = None,
    out: Any = None,
) -> Any:
    """The smallest element, values and indices along ``dim``, or the smaller of each two elements.
    Args: as for :func:`max`."""
    return _reduce_or_pair("min", input, args or ((other,) if other is not None else ()), dim,
                           keepdim, out)  # fmt: skip


def _a_reduce(primitive: Primitive, input: Tensor, dim: Any, keepdim: bool, out: Any) -> Tensor:
    name = primitive.name
    _no_complex(name, input)
    dims = wrap_dims(dim, input._array.ndim)
    if input._array.size == 0:
        if dim is None or dim == ():
            raise _empty_error(name)
        for d in dims:
            check_nonzero_dim(name, input, d)
    result = apply1(primitive, input, dims, keepdim)
    return result if out is None else write_out(out, result)


def amax(
    input: Tensor, dim: Any = (), keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The largest value along one or several dimensions; equal ones share the gradient evenly.

    Examples::

        >>> torch.amax(torch.tensor([[1, 5], [7, 2]]), 0)
        tensor([7, 5])
    """
    return _a_reduce(AMAX, input, dim, keepdim, out)


def amin(
    input: Tensor, dim: Any = (), keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The smallest value along one or several dimensions. Args: as for :func:`amax`."""
    return _a_reduce(AMIN, input, dim, keepdim, out)


def aminmax(
    input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: Any = None
) -> Any:
    """The smallest and the largest value, of all elements or along ``dim``."""
    if dim is None and input._array.size == 0:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity."
        )
    dims: Any = () if dim is None else dim
    low, high = amin(input, dims, keepdim), amax(input, dims, keepdim)
    if dim is None and keepdim:
        shape = keep_shape(input._array.shape, tuple(range(input._array.ndim)))
        low, high = reshape(low, shape), reshape(high, shape)
    pair = AminmaxResult(low, high)
    return pair if out is None else AminmaxResult(*write_out(out, tuple(pair)))


BOTH = """
    amax amin aminmax argmax argmin max min
"""
