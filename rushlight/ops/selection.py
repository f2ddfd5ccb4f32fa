"""Choosing elements: where, masks, clamping, and the places of non-zero elements."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES, bool_, from_numpy
from rushlight.base.typeinfo import finfo
from rushlight.core.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import broadcast_error, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply, apply1
from rushlight.ops._promote import as_operand, cast, is_number, result_type, to_scalar, type_name
from rushlight.ops.elementwise import ge, le, maximum, minimum, mul
from rushlight.ops.reduction import sum
from rushlight.ops.scatter import Writer
from rushlight.ops.shape import broadcast_to, reshape

ndarray = np.ndarray

WHERE = Primitive(
    "where",
    np.where,
    inputs=("condition", "input", "other"),
    vjp={
        "input": lambda g, condition: apply(WHERE, (condition, g, _zero(g))),
        "other": lambda g, condition: apply(WHERE, (condition, _zero(g), g)),
    },
    broadcast=True,
)


def _zero(g: Tensor) -> Any:
    return g._array.dtype.type(0)


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """Elements of ``input`` where ``condition`` holds, of ``other`` elsewhere; all broadcast.

    With one argument: the indices of the non-zero elements, as ``nonzero(as_tuple=True)``.

    Args:
        condition: a bool tensor.
        input, other: tensors or numbers, whose dtypes are promoted.

    Examples::

        >>> x = torch.tensor([-1., 2.])
        >>> torch.where(x > 0, x, 0.)
        tensor([0., 2.])
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if not isinstance(condition, Tensor):
        raise TypeError(
            f"where(): argument 'condition' (position 1) must be Tensor, not {type_name(condition)}"
        )
    kind = condition._array.dtype
    if kind.kind != "b":
        if kind != np.uint8:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{SCALAR_TYPE_NAMES[condition.dtype]}"
            )
        condition = cast(condition, bool_)
    if not (
        isinstance(input, Tensor)
        and isinstance(other, Tensor)
        and input._array.dtype == other._array.dtype
    ):
        to = result_type(input, other)
        input, other = _branch(input, to), _branch(other, to)
    try:
        result = apply(WHERE, (condition, input, other))
    except ValueError:
        raise _where_error(condition, input, other) from None
    return result if out is None else write_out(out, result)


def _branch(value: Any, to: Any) -> Any:
    value = as_operand(value, to)
    if not isinstance(value, Tensor) and value.dtype != to.np:
        return value.astype(to.np)  # a number that is to meet a 16-bit dtype
    return value


def _where_error(*values: Any) -> RuntimeError:
    shapes = [v._array.shape if isinstance(v, Tensor) else () for v in values]
    try:
        whole = np.broadcast_shapes(shapes[1], shapes[2])
    except ValueError:
        return broadcast_error(np.empty(shapes[1]), np.empty(shapes[2]))
    return broadcast_error(np.empty(shapes[0]), np.empty(whole))


def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """The indices of the non-zero elements, one a row; or one tensor for each dimension.

    Examples::

        >>> torch.nonzero(torch.tensor([1, 0, 1]))
        tensor([[0],
                [2]])
    """
    array = input._array
    if as_tuple:
        if array.ndim == 0:
            array = array.reshape(1)
        return tuple([wrap(i) for i in array.nonzero()])
    if array.ndim == 0:
        result = wrap(np.zeros((int(bool(array)), 0), np.int64))
    else:
        result = wrap(np.stack(array.nonzero(), axis=1))
    return result if out is None else write_out(out, result)


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The indices of the first ``size`` non-zero elements; rows that are missing are filled."""
    found = nonzero(input)._array[:size]
    out = np.full((size, found.shape[1]), fill_value, np.int64)
    out[: len(found)] = found
    return wrap(out)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Positions in a tensor of ``shape``, seen in one dimension, as one index for each dimension.

    Examples::

        >>> torch.unravel_index(torch.tensor([4, 1]), (2, 3))
        (tensor([1, 0]), tensor([1, 1]))
    """
    if indices._array.dtype.kind not in "iu":
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    dims = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(n < 0 for n in dims):
        raise ValueError(f"'shape' cannot have negative values, but got {dims}")
    left = indices._array
    parts: list[Tensor] = []
    for n in reversed(dims):
        parts.insert(0, wrap(np.asarray(left % n)))
        left = left // n
    return tuple(parts)


def argwhere(input: Tensor) -> Tensor:
    """The indices of the non-zero elements, one a row."""
    return nonzero(input)  # type: ignore[no-any-return]


def _mask(name: str, mask: Any) -> Tensor:
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name}(): argument 'mask' (position 1) must be Tensor, not {type_name(mask)}")  # fmt: skip
    return mask


def _write_masked_fill(out: ndarray, mask: ndarray, value: Any) -> None:
    np.copyto(out, value, where=mask, casting="unsafe")


def _masked_fill_value_rule(g: Tensor, mask: Tensor) -> Tensor:
    return sum(apply(WHERE, (mask, g, _zero(g))))


MASKED_FILL = Writer(
    "masked_fill",
    _write_masked_fill,
    ("mask", "value"),
    (),
    {"input": lambda g, mask: masked_fill(g, mask, 0), "value": _masked_fill_value_rule},
    overlap=True,
)


def _masked_fill(in_place: bool, input: Tensor, mask: Tensor, value: Any) -> Tensor:
    mask = _mask("masked_fill", mask)
    if mask._array.dtype.kind != "b":
        raise RuntimeError("masked_fill_ only supports boolean masks, but got mask with dtype "
                           f"{_type_word(mask)}")  # fmt: skip
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._array.ndim} dimension(s)."
            )
        value = cast(value, input.dtype)
    else:
        _check_fill(value, input)
        value = to_scalar(value, input.dtype)
    have = input._array.shape
    if mask._array.shape != have:
        try:
            whole = np.broadcast_shapes(have, mask._array.shape)
        except ValueError:
            a, b = (input, mask) if in_place else (mask, input)
            raise broadcast_error(a._array, b._array) from None
        if whole != have:
            if in_place:
                raise RuntimeError(
                    f"output with shape {list(have)} doesn't match the broadcast shape {list(whole)}"
                )
            input = broadcast_to(input, whole)
    return MASKED_FILL.run(in_place, input, (mask, value))


def _type_word(t: Tensor) -> str:
    return {"uint8": "unsigned char", "int64": "long int", "int32": "int"}.get(
        t.dtype.name, t.dtype.name
    )


def _check_fill(value: Any, input: Tensor) -> None:
    if not is_number(value):
        raise TypeError(f"masked_fill(): argument 'value' (position 2) must be Tensor, not {type_name(value)}")  # fmt: skip
    category = input.dtype.category
    if category < 2 and isinstance(value, float) and (value != value or abs(value) == np.inf):
        raise RuntimeError(f"value cannot be converted to type {_c_name(input)} without overflow")


def _c_name(t: Tensor) -> str:
    return {"bool": "bool", "int32": "int"}.get(t.dtype.name, t.dtype.name + "_t")


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``input`` with ``value`` where ``mask`` holds.

    Args:
        mask: a bool tensor that broadcasts with ``input``.
        value: a number or a 0-d tensor.

    Examples::

        >>> torch.masked_fill(torch.tensor([1., 2.]), torch.tensor([True, False]), 0)
        tensor([0., 2.])
    """
    return _masked_fill(False, input, mask, value)


def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """In-place version of :func:`masked_fill`."""
    return _masked_fill(True, input, mask, value)


def _masked_select(a: ndarray, mask: ndarray) -> ndarray:
    if a.shape != mask.shape:
        a, mask = np.broadcast_arrays(a, mask)
    return a[mask].reshape(-1)


MASKED_SELECT = Primitive(
    "masked_select",
    _masked_select,
    inputs=("input", "mask"),
    vjp={
        "input": lambda g, mask, input_shape: late.sum_to_size(
            masked_scatter(
                wrap(np.zeros(np.broadcast_shapes(input_shape, mask._array.shape), g._array.dtype)),
                mask,
                g,
            ),
            input_shape,
        )
    },
)


def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements for which ``mask`` holds, in one dimension.

    Examples::

        >>> x = torch.tensor([1., 2., 3.])
        >>> torch.masked_select(x, x > 1)
        tensor([2., 3.])
    """
    mask = _mask("masked_select", mask)
    if mask._array.dtype.kind != "b":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    try:
        result = apply(MASKED_SELECT, (input, mask))
    except ValueError:
        raise broadcast_error(mask._array, input._array) from None
    return result if out is None else write_out(out, result)


def _write_masked_scatter(out: ndarray, mask: ndarray, source: ndarray) -> None:
    mask = np.broadcast_to(mask, out.shape)
    count = int(mask.sum())
    if source.size < count:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    out[mask] = source.reshape(-1)[:count]


def _masked_scatter_source_rule(g: Tensor, mask: Tensor, source_shape: tuple[int, ...]) -> Tensor:
    found = masked_select(g, mask)
    size = int(np.prod(source_shape))
    missing = size - found._array.size
    if missing:
        found = late.cat((found, wrap(np.zeros(missing, g._array.dtype))))
    return reshape(found, source_shape)


MASKED_SCATTER = Writer(
    "masked_scatter",
    _write_masked_scatter,
    ("mask", "source"),
    (),
    {"input": lambda g, mask: masked_fill(g, mask, 0), "source": _masked_scatter_source_rule},
)


def _masked_scatter(in_place: bool, input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    mask = _mask("masked_scatter", mask)
    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            "masked_scatter_ only supports boolean masks, but got mask with dtype "
            f"{SCALAR_TYPE_NAMES[mask.dtype]}"
        )
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{SCALAR_TYPE_NAMES[input.dtype]} and {SCALAR_TYPE_NAMES[source.dtype]}"
        )
    try:
        whole = np.broadcast_shapes(input._array.shape, mask._array.shape)
    except ValueError:
        raise broadcast_error(input._array, mask._array) from None
    if whole != input._array.shape and not in_place:
        input = broadcast_to(input, whole)
    return MASKED_SCATTER.run(in_place, input, (mask, source))


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """``input`` with the elements of ``source``, in order, where ``mask`` holds.

    Examples::

        >>> mask = torch.tensor([False, True, True])
        >>> torch.masked_scatter(torch.zeros(3), mask, torch.tensor([7., 8.]))
        tensor([0., 7., 8.])
    """
    return _masked_scatter(False, input, mask, source)


def masked_scatter_(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """In-place version of :func:`masked_scatter`."""
    return _masked_scatter(True, input, mask, source)


@quiet
def _clamp(a: ndarray, low: Any, high: Any) -> ndarray:
    if low is not None:
        a = np.maximum(a, low)
    if high is not None:
        a = np.minimum(a, high)
    return a


CLAMP = Primitive(
    "clamp",
    _clamp,
    params=("min", "max"),
    vjp={"input": lambda g, input, min, max: mul(g, cast(_inside(input, min, max), g.dtype))},
    node_name="ClampBackward1",
)


def _inside(input: Tensor, low: Any, high: Any) -> Tensor:
    if low is None:
        return le(input, high)
    if high is None:
        return ge(input, low)
    return mul(ge(input, low), le(input, high))


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Every element brought into the range from ``min`` to ``max``.

    Args:
        min, max: numbers, or tensors that broadcast; None for no limit.

    Examples::

        >>> torch.clamp(torch.tensor([-2., 0.5, 3.]), -1, 1)
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if input._array.dtype.kind == "c":
        raise RuntimeError("clamp is not supported for complex types")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        result = _clamp_tensors(input, min, max)
    elif input._array.dtype.char in "fd" and type(min) in _PLAIN and type(max) in _PLAIN:
        kind = input._array.dtype.type
        low = None if min is None else kind(min)
        result = apply1(CLAMP, input, low, None if max is None else kind(max))
    else:
        limits = [x for x in (min, max) if x is not None]
        for x in limits:
            if not is_number(x):
                raise TypeError(f"clamp(): argument 'min' must be Number, not {type_name(x)}")
        to = result_type(input, *limits)
        input = cast(input, to)
        low = None if min is None else _limit(min, to)
        high = None if max is None else _limit(max, to)
        result = apply1(CLAMP, input, low, high)
    return result if out is None else write_out(out, result)


def _limit(value: Any, to: Any) -> Any:
    scalar = to_scalar(value, to)
    return scalar if scalar.dtype == to.np else scalar.astype(to.np)


_PLAIN = (int, float, type(None))


def _clamp_tensors(input: Tensor, min: Any, max: Any) -> Tensor:
    for limit, best in ((min, maximum), (max, minimum)):
        if limit is None:
            continue
        if not isinstance(limit, Tensor):
            limit = wrap(np.asarray(limit, input._array.dtype))
        input = _limited(input, limit, best is maximum)
    return input


CLAMP_MIN = Primitive(
    "clamp_min",
    np.maximum,
    inputs=("input", "min"),
    vjp={
        "input": lambda g, input, min: mul(g, cast(ge(input, min), g.dtype)),
        "min": lambda g, input, min: mul(g, cast(late.lt(input, min), g.dtype)),
    },
    broadcast=True,
)
CLAMP_MAX = Primitive(
    "clamp_max",
    np.minimum,
    inputs=("input", "max"),
    vjp={
        "input": lambda g, input, max: mul(g, cast(le(input, max), g.dtype)),
        "max": lambda g, input, max: mul(g, cast(late.gt(input, max), g.dtype)),
    },
    broadcast=True,
)


def _limited(input: Tensor, limit: Tensor, from_below: bool) -> Tensor:
    to = result_type(input, limit)
    a, b = cast(input, to), cast(limit, to)
    try:
        return apply(CLAMP_MIN if from_below else CLAMP_MAX, (a, b))  # type: ignore[no-any-return]
    except ValueError:
        raise broadcast_error(input._array, limit._array) from None


def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """Every element, at least ``min``."""
    return clamp(input, min, out=out)


def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """Every element, at most ``max``."""
    return clamp(input, None, max, out=out)


clip = clamp
_NAN_RULE = {"input": lambda g, input: mul(g, cast(late.isfinite(input), g.dtype))}


def _nan_to_num(a: ndarray, nan: float, posinf: float | None, neginf: float | None) -> ndarray:
    if a.dtype.kind in "iub":
        return a.copy()
    if a.dtype.kind == "c":
        out = np.empty_like(a)
        out.real, out.imag = (_nan_to_num(part, nan, posinf, neginf) for part in (a.real, a.imag))
        return out
    largest = finfo(from_numpy(a.dtype)).max
    high = largest if posinf is None else posinf
    low = -largest if neginf is None else neginf
    out = np.where(np.isnan(a), np.asarray(nan, a.dtype), a)
    out = np.where(a == np.inf, np.asarray(high, a.dtype), out)
    return np.where(a == -np.inf, np.asarray(low, a.dtype), out)


NAN_TO_NUM = Primitive(
    "nan_to_num", quiet(_nan_to_num), params=("nan", "posinf", "neginf"), vjp=_NAN_RULE
)


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN replaced by ``nan`` (0), infinities by ``posinf`` and ``neginf`` (the largest numbers).

    Examples::

        >>> torch.nan_to_num(torch.tensor([float("nan"), 1.]), nan=2.)
        tensor([2., 1.])
    """
    result = apply1(NAN_TO_NUM, input, 0.0 if nan is None else nan, posinf, neginf)
    return result if out is None else write_out(out, result)


BOTH = """
    argwhere clamp clamp_max clamp_min clip masked_fill masked_scatter masked_select nan_to_num
    nonzero nonzero_static where
"""
TORCH = "unravel_index"
METHODS = "masked_fill_ masked_scatter_"
INPLACE = "clamp clamp_max clamp_min clip nan_to_num"
