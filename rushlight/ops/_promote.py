"""From what the caller passed to what a primitive computes with: PyTorch's type promotion."""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import BOOL, COMPLEX, FLOATING, INTEGER, combine_categories, dtype
from rushlight.core.quiet import quiet
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply1

Number = (bool, int, float, complex)


def scalar_dtype(value: Any) -> dtype:
    """The dtype that a Python number has on its own."""
    if isinstance(value, (bool, np.bool_)):
        return dtypes.bool_
    if isinstance(value, (int, np.integer)):
        return dtypes.int64
    if isinstance(value, (complex, np.complexfloating)) and not isinstance(value, float):
        return defaults.complex_dtype
    return defaults.dtype


def result_type(*operands: Any) -> dtype:
    """The dtype of an arithmetic result: tensors with dimensions count before 0-d tensors, these
    before Python numbers; a lower one counts only if its category is higher."""
    dims = zero = wrapped = None
    for x in operands:
        if isinstance(x, Tensor):
            if x._array.ndim:
                dims = x.dtype if dims is None else _same_level(dims, x.dtype)
            else:
                zero = x.dtype if zero is None else _same_level(zero, x.dtype)
        else:
            found = scalar_dtype(x)
            wrapped = found if wrapped is None else _same_level(wrapped, found)
    result = combine_categories(dims, combine_categories(zero, wrapped))
    if result is None:
        raise ValueError("result_type needs at least one operand")
    return result


def _same_level(a: dtype, b: dtype) -> dtype:
    return a if a is b else dtypes.promote_types(a, b)


@quiet
def cast_array(array: np.ndarray, to: np.dtype) -> np.ndarray:
    """``array`` in another dtype, with C's conversions (NaN to integers as PyTorch's CPU does)."""
    if array.dtype.kind == "c" and to.kind != "c" and to.kind != "b":
        array = array.real
    return array.astype(to, order="K")


def _cast_rule(g: Tensor, source: Any, target: Any) -> Tensor:
    if target.kind == "c" and source.kind != "c":
        g = late.real(g)
    return cast(g, dtypes.from_numpy(source))


CAST = Primitive(
    "to_copy",
    lambda a, source, target: cast_array(a, target),
    params=("source", "target"),
    vjp={"input": _cast_rule},
)


def cast(x: Tensor, to: dtype) -> Tensor:
    """``x`` with another dtype; ``x`` itself if it has it already."""
    target = to.np if isinstance(to, dtype) else dtypes.as_dtype(to).np
    if x._array.dtype == target:
        return x
    return apply1(CAST, x, x._array.dtype, target)


def scalar_fits(value: Any, of: dtype) -> bool:
    """Whether a Python number leaves a tensor of dtype ``of`` as it is."""
    return scalar_dtype(value).category <= of.category


def as_operand(value: Any, to: dtype) -> Any:
    """A number or tensor ready to meet arrays of dtype ``to``."""
    if isinstance(value, Tensor):
        return cast(value, to)
    return to_scalar(value, to)


def to_scalar(value: Any, to: dtype) -> Any:
    """A Python number as a NumPy scalar of dtype ``to``; out-of-range values wrap as in C."""
    category = to.category
    if category == INTEGER:
        if isinstance(value, float) and value != value:  # NaN
            return to.np.type(0)
        if isinstance(value, (float, np.floating)):
            value = int(value)
        bits = 8 * to.itemsize
        value = int(value) & ((1 << bits) - 1)
        if to.is_signed and value >> (bits - 1):
            value -= 1 << bits
        return to.np.type(value)
    if category == BOOL:
        return np.bool_(value)
    if category == FLOATING:
        if isinstance(value, (complex, np.complexfloating)) and not isinstance(value, float):
            value = value.real
        return to.np.type(value) if to.itemsize >= 4 else np.float32(value)
    return to.np.type(value)


def is_number(value: Any) -> bool:
    """Whether ``value`` is a Python or NumPy number."""
    return isinstance(value, (bool, int, float, complex, np.generic))


def common(input: Any, other: Any, name: str, float_result: bool = False) -> tuple[Any, Any, dtype]:
    """Both operands of a binary operation in their common dtype (numbers as NumPy scalars).

    Args:
        input, other: tensors or numbers, not both numbers.
        name: the operation, for error messages.
        float_result: integers become the default floating dtype, as for division.
    """
    for position, x in ((1, input), (2, other)):
        if not isinstance(x, Tensor) and not is_number(x):
            raise TypeError(
                f"{name}(): argument '{'input' if position == 1 else 'other'}' (position "
                f"{position}) must be Tensor, not {type_name(x)}"
            )
    to = result_type(input, other)
    if float_result and to.category < FLOATING:
        to = defaults.dtype
    a, b = as_operand(input, to), as_operand(other, to)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = wrap(np.asarray(a, to.np))
    return a, b, to


def type_name(x: Any) -> str:
    """The name of a type in PyTorch's argument errors."""
    return type(x).__name__


def is_low_precision(array: Any) -> bool:
    """Whether arithmetic on ``array`` is to be done in float32: float16, bfloat16, float8."""
    d = getattr(array, "dtype", None)
    return d is not None and d.itemsize <= 2 and (d.kind == "f" or d.kind == "V")


__all__ = [
    "CAST", "COMPLEX", "as_operand", "cast", "cast_array", "common", "is_low_precision",
    "is_number", "result_type", "scalar_dtype", "scalar_fits", "to_scalar", "type_name",
]  # fmt: skip
