"""New tensors that hold a sequence: arange, linspace, eye and the like."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import write_out
from rushlight.ops._late import late
from rushlight.ops._promote import is_number, to_scalar, type_name
from rushlight.ops.creation import finish


def _plain(x: Any) -> Any:
    return x.item() if isinstance(x, Tensor) else x


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from ``start`` to before ``end``, ``step`` apart.

    Args:
        start, end, step: numbers; with one, it is ``end``.
        dtype: default: int64 if all three are integers, else the default dtype.

    Examples::

        >>> torch.arange(1, 4)
        tensor([1, 2, 3])
        >>> torch.arange(0, 1, 0.4)
        tensor([0.0000, 0.4000, 0.8000])
    """
    if end is None:
        start, end = 0, start
    start, end, step = _plain(start), _plain(end), _plain(step)
    for value in (start, end, step):
        if not is_number(value):
            raise TypeError(
                f"arange(): argument 'end' (position 1) must be Number, not {type_name(value)}"
            )
    whole = all(isinstance(x, (int, np.integer)) for x in (start, end, step))
    if dtype is None:
        if out is not None:
            dtype = out.dtype
        else:
            dtype = dtypes.int64 if whole else defaults.dtype
    dtype = dtypes.as_dtype(dtype)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (end < start) if step > 0 else (end > start):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is dtypes.int64 and not whole:
        start, end, step, whole = int(start), int(end), int(step), True
    if dtype.category <= dtypes.INTEGER and not whole:
        size = math.ceil((float(end) - float(start)) / float(step))
        start, step = int(start), int(step)
    elif whole:
        size = -((int(start) - int(end)) // int(step))
    else:
        size = math.ceil((float(end) - float(start)) / float(step))
    result = finish(_steps(start, step, size, dtype), requires_grad, device)
    return result if out is None else write_out(out, result)


def _steps(start: Any, step: Any, size: int, dtype: Dtype) -> np.ndarray:
    """``start + i * step``, computed as PyTorch does: exactly for integers, else in double."""
    if dtype.category <= dtypes.INTEGER:
        return np.arange(start, start + size * step, step, dtype=np.int64).astype(dtype.np)
    kind = dtype.np
    index = np.arange(size, dtype=np.float64)
    values = start + index * step
    lanes = 32 // kind.itemsize  # of a vector: PyTorch rounds the first of each to the dtype
    whole = size - size % (2 * lanes)
    if whole and kind.itemsize <= 4:
        first = values[:whole:lanes].astype(kind).astype(np.float64)
        steps = np.arange(lanes) * step
        values[:whole] = (first[:, None] + steps).reshape(-1)
    return values.astype(kind)


def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from ``start`` to ``end``, both included. Deprecated: use :func:`arange`."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with Python's range builtin. Instead, use torch.arange, which produces values "
        "in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    start, end, step = _plain(start), _plain(end), _plain(step)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end < start) if step > 0 else (end > start):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    kind = dtype or (out.dtype if out is not None else defaults.dtype)
    size = int((end - start) / step + 1)
    result = finish(_steps(start, step, size, kind), requires_grad, device)
    return result if out is None else write_out(out, result)


def _check_steps(name: str, steps: Any) -> int:
    if not isinstance(steps, (int, np.integer)) or isinstance(steps, bool):
        raise TypeError(f"{name}() received an invalid combination of arguments")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return int(steps)


def _line(start: Any, end: Any, steps: int, dtype: Dtype) -> np.ndarray:
    """Evenly spaced points, each counted from the nearer end, in the arithmetic of ``dtype``."""
    if steps == 1:
        return np.array([to_scalar(start, dtype)]).astype(dtype.np)
    if not steps:
        return np.zeros(0, dtype.np)
    half = steps // 2
    if dtype.category <= dtypes.INTEGER:
        start, end = int(start), int(end)
        step = (end - start) / (steps - 1)
        index = np.arange(steps)
        values = np.where(index < half, start + step * index, end - step * (steps - 1 - index))
        return np.trunc(values).astype(dtype.np)
    if dtype.itemsize <= 2:
        return _narrow_line(start, end, steps, dtype.np)
    # PyTorch multiplies and adds with one rounding; for float32 double precision does the same.
    a, b = dtype.np.type(start), dtype.np.type(end)
    gap = (b - a) / dtype.np.type(steps - 1)
    wide = np.float64 if dtype.itemsize == 4 else dtype.np
    index = np.arange(steps)
    gap, a, b = wide(gap) if wide is np.float64 else gap, a.astype(wide), b.astype(wide)
    up = a + gap * index
    down = b - gap * (steps - 1 - index)
    return np.where(index < half, up, down).astype(dtype.np)


def _narrow_line(start: Any, end: Any, steps: int, kind: np.dtype) -> np.ndarray:
    """The same for 16-bit types, which round after each operation."""

    def rounded(x: Any) -> np.ndarray:
        return np.asarray(x, np.float32).astype(kind).astype(np.float32)

    a, b = rounded(start), rounded(end)
    gap = rounded(rounded(b - a) / np.float32(steps - 1))
    index = np.arange(steps, dtype=np.float32)
    up = rounded(a + rounded(gap * index))
    down = rounded(b - rounded(gap * (steps - 1 - index)))
    return np.where(np.arange(steps) < steps // 2, up, down).astype(kind)


def _ends(name: str, start: Any, end: Any) -> tuple[Any, Any]:
    for which, value in (("start", start), ("end", end)):
        if isinstance(value, Tensor) and value._array.ndim:
            raise RuntimeError(
                f"{name} only supports 0-dimensional start and end tensors, but got {which} with "
                f"{value._array.ndim} dimension(s)."
            )
    return _plain(start), _plain(end)


def _default_line(start: Any, end: Any, dtype: Dtype | None, out: Tensor | None) -> Dtype:
    if dtype is not None:
        if (isinstance(start, complex) or isinstance(end, complex)) and not dtype.is_complex:
            raise RuntimeError(
                "torch.linspace(): inferred dtype ComplexFloat can't be safely cast to passed dtype "
                f"{dtypes.SCALAR_TYPE_NAMES[dtype]}"
            )
        return dtype
    if out is not None:
        return out.dtype
    if isinstance(start, complex) or isinstance(end, complex):
        return defaults.complex_dtype
    return defaults.dtype


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    Examples::

        >>> torch.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    steps = _check_steps("linspace", steps)
    start, end = _ends("linspace", start, end)
    kind = _default_line(start, end, dtype, out)
    result = finish(_line(start, end, steps, kind), requires_grad, device)
    return result if out is None else write_out(out, result)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the powers of :func:`linspace`.

    Examples::

        >>> torch.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    steps = _check_steps("logspace", steps)
    start, end = _ends("logspace", start, end)
    kind = _default_line(start, end, dtype, out)
    if kind.is_complex:
        values = np.power(np.complex128(base), _line(start, end, steps, dtypes.complex128))
    elif kind.category <= dtypes.INTEGER:
        first, last = int(start), int(end)
        step = np.float32((last - first) / max(steps - 1, 1))
        index = np.arange(steps)
        points = np.where(
            index < steps // 2, first + step * index, last - step * (steps - 1 - index)
        )
        points = np.full(steps, first) if steps == 1 else points
        values = np.trunc(np.power(np.float64(base), points))
    elif kind.itemsize <= 2:
        if steps == 1:
            values = np.array([np.float64(base) ** start])
        else:  # the ends are rounded, the points between them are not
            first, last = (float(to_scalar(x, kind).astype(kind.np)) for x in (start, end))
            step = float(np.asarray((last - first) / max(steps - 1, 1), kind.np))
            index = np.arange(steps)
            up, down = first + step * index, last - step * (steps - 1 - index)
            values = np.power(float(base), np.where(index < steps // 2, up, down))
    else:
        values = np.power(np.float64(base), _line(start, end, steps, dtypes.float64))
    result = finish(values.astype(kind.np), requires_grad, device)
    return result if out is None else write_out(out, result)


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A matrix with ones on the diagonal and zeros elsewhere.

    Examples::

        >>> torch.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    for name, value in (("n", n), ("m", m)):
        if value is not None and value < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {value}")
    kind = dtype or (out.dtype if out is not None else defaults.dtype)
    result = finish(np.eye(n, m, dtype=kind.np), requires_grad, device)
    return result if out is None else write_out(out, result)


def scalar_tensor(
    s: Any,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A 0-d tensor of one number, of the default dtype unless one is given."""
    kind = dtype or (defaults.complex_dtype if isinstance(s, complex) else defaults.dtype)
    return finish(np.array(to_scalar(_plain(s), kind), kind.np), requires_grad, device)


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of arbitrary values with the given shape and strides."""
    if len(size) != len(stride):
        raise RuntimeError(
            f"mismatch in length of strides and shape: sizes {list(size)}, strides {list(stride)}"
        )
    kind = (dtype or defaults.dtype).np
    room = 1 + sum([(n - 1) * s for n, s in zip(size, stride)]) if 0 not in size else 0
    memory = np.empty(room, kind)
    steps = tuple([s * kind.itemsize for s in stride])
    array = np.lib.stride_tricks.as_strided(memory, tuple(size), steps)
    return finish(array, requires_grad, device)


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of arbitrary values whose dimensions lie in memory in the order ``physical_layout``."""
    order = list(physical_layout)
    if sorted(order) != list(np.arange(len(size))):
        raise RuntimeError("Expected tensor of dimension to have a permutation as physical layout")
    kind = (dtype or defaults.dtype).np
    array = np.empty([size[d] for d in order], kind).transpose(np.argsort(order))
    return finish(array, requires_grad, device)


def frombuffer(
    buffer: Any,
    *,
    dtype: Dtype,
    count: int = -1,
    offset: int = 0,
    requires_grad: bool = False,
) -> Tensor:
    """A vector on the memory of an object with the buffer protocol.

    Args:
        dtype: how to read the bytes.
        count: elements to read; -1 for all.
        offset: bytes to leave out at the start.

    Examples::

        >>> torch.frombuffer(bytearray([1, 0, 2, 0]), dtype=torch.int16)
        tensor([1, 2], dtype=torch.int16)
    """
    view = memoryview(buffer)
    size = view.nbytes
    item = dtype.itemsize
    if not size or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(f"offset ({offset} bytes) must be non-negative and no greater than buffer "
                         f"length ({size} bytes) minus 1")  # fmt: skip
    if count < 0:
        if (size - offset) % item:
            raise ValueError(f"buffer length ({size - offset} bytes) after offset ({offset} bytes) "
                             f"must be a multiple of element size ({item})")  # fmt: skip
    elif offset + count * item > size:
        raise ValueError(f"requested buffer length ({count} * {item} bytes) after offset ({offset} "
                         f"bytes) must not be greater than actual buffer length ({size} bytes)")  # fmt: skip
    if view.readonly:
        warnings.warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. "
            "This means you can write to the underlying (supposedly non-writable) buffer using the "
            "tensor. You may want to copy the buffer to protect its data or make it writable before "
            "converting it to a tensor. This type of warning will be suppressed for the rest of "
            "this program.",
            UserWarning,
            stacklevel=2,
        )
    return finish(np.frombuffer(buffer, dtype.np, count, offset), requires_grad)


def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex numbers of the given magnitudes and angles.

    Examples::

        >>> torch.polar(torch.tensor([2.]), torch.tensor([0.]))
        tensor([2.+0.j])
    """
    if abs.dtype is not angle.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {dtypes.SCALAR_TYPE_NAMES[abs.dtype]} but got scalar "
            f"type {dtypes.SCALAR_TYPE_NAMES[angle.dtype]} for second argument"
        )
    result: Tensor = late.complex(late.mul(abs, late.cos(angle)), late.mul(abs, late.sin(angle)))
    return result if out is None else write_out(out, result)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix: the powers of the elements of ``x`` as columns.

    Examples::

        >>> torch.vander(torch.tensor([1, 2, 3]))
        tensor([[1, 1, 1],
                [4, 2, 1],
                [9, 3, 1]])
    """
    if x._array.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x._array.size if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    powers = wrap(np.arange(n))
    if not increasing:
        powers = late.flip(powers, 0)
    return late.pow(late.unsqueeze(x, -1), powers)  # type: ignore[no-any-return]


def _triangle(row: int, col: int, keep: Any, dtype: Dtype | None) -> Tensor:
    if row < 0 or col < 0:
        which, n = ("row", row) if row < 0 else ("col", col)
        raise RuntimeError(f"{which} must be non-negative, got{n}")
    return wrap(np.stack(np.nonzero(keep)).astype((dtype or dtypes.int64).np))


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Dtype | None = None, device: Any = None,
    layout: Any = None,
) -> Tensor:  # fmt: skip
    """Row and column numbers of the lower triangle of a matrix.

    Examples::

        >>> torch.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _triangle(row, col, np.tri(max(row, 0), max(col, 0), offset, bool), dtype)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Dtype | None = None, device: Any = None,
    layout: Any = None,
) -> Tensor:  # fmt: skip
    """Row and column numbers of the upper triangle of a matrix."""
    return _triangle(row, col, ~np.tri(max(row, 0), max(col, 0), offset - 1, bool), dtype)


TORCH = """
    arange empty_permuted empty_strided eye frombuffer linspace logspace polar range scalar_tensor
    tril_indices triu_indices vander
"""
