"""``assert_close``: the error says where and by how much two results differ."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.tensor import Tensor
from rushlight.ops._promote import cast
from rushlight.ops.creation import as_tensor

# relative, absolute: by the dtype of what is compared
TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-5),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
_NUMBERS = (bool, int, float, complex, np.number, np.bool_)
Message = str | Callable[[str], str] | None


class _Options:
    """The arguments of ``assert_close`` that all parts need."""

    def __init__(self, rtol: Any, atol: Any, equal_nan: bool, flags: dict[str, bool]) -> None:
        self.rtol, self.atol, self.equal_nan, self.flags = rtol, atol, equal_nan, flags

    def tolerances(self, *kinds: Any) -> tuple[float, float]:
        """Relative and absolute, the larger default of the dtypes."""
        if self.rtol is not None:
            return self.rtol, self.atol
        found = [TOLERANCES.get(d.name, (0.0, 0.0)) for d in kinds]
        return max(r for r, _ in found), max(a for _, a in found)


class _Mismatch(Exception):
    """Two values differ; ``path`` says where in the containers."""

    def __init__(self, error: type[Exception], text: str, path: tuple[Any, ...] = ()) -> None:
        super().__init__(text)
        self.error, self.text, self.path = error, text, path


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Message = None,
) -> None:
    r"""Raises AssertionError unless ``actual`` and ``expected`` are equal up to rounding:

    .. math:: |actual - expected| \le atol + rtol \cdot |expected|

    Tensors (or what ``torch.as_tensor`` takes), numbers, and sequences and mappings of these.

    Args:
        rtol, atol: tolerances, both or none; the default depends on the dtype.
        equal_nan: NaNs are equal.
        check_dtype, check_stride: whether these must be the same.
        msg: the message, or a function of the usual one.

    Examples::

        >>> torch.testing.assert_close(torch.tensor([1., 2.]), torch.tensor([1., 2.0000001]))
        >>> torch.testing.assert_close(torch.ones(2), torch.ones(2, dtype=torch.float64))
        Traceback (most recent call last):
        AssertionError: The values for attribute 'dtype' do not match: torch.float32 != torch.float64.
    """
    if (rtol is None) ^ (atol is None):
        raise ValueError(
            "Both 'rtol' and 'atol' must be either specified or omitted, but got no "
            f"{'rtol' if rtol is None else 'atol'}."
        )
    flags = {"dtype": check_dtype, "stride": check_stride, "subclasses": allow_subclasses}
    options = _Options(rtol, atol, equal_nan, flags)
    try:
        _compare(actual, expected, options)
    except _Mismatch as found:
        text = found.text
        if found.path:
            text += "\n\nThe failure occurred for item " + "".join([f"[{p!r}]" for p in found.path])
        if msg is not None and issubclass(found.error, AssertionError):
            text = msg(text) if callable(msg) else msg
        error = found.error(text)
    else:
        return
    raise error


def _compare(actual: Any, expected: Any, options: _Options) -> None:
    if actual is None and expected is None:
        return
    if _both(actual, expected, Sequence) and not isinstance(actual, (str, bytes)):
        _compare_sequences(actual, expected, options)
    elif _both(actual, expected, Mapping):
        _compare_mappings(actual, expected, options)
    elif actual is None or expected is None:
        raise _Mismatch(AssertionError, f"None mismatch: {actual} is not {expected}")
    elif _both(actual, expected, _NUMBERS):
        _compare_numbers(actual, expected, options)
    else:
        _compare_tensors(*_tensors(actual, expected), options)


def _both(a: Any, b: Any, kinds: Any) -> bool:
    return isinstance(a, kinds) and isinstance(b, kinds)


def _tensors(actual: Any, expected: Any) -> tuple[Tensor, Tensor]:
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    try:
        if related:
            return as_tensor(actual), as_tensor(expected)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise _Mismatch(
        TypeError,
        "No comparison pair was able to handle inputs of type "
        f"{type(actual)} and {type(expected)}.",
    )


def _compare_sequences(actual: Any, expected: Any, options: _Options) -> None:
    if len(actual) != len(expected):
        raise _Mismatch(
            AssertionError,
            f"The length of the sequences mismatch: {len(actual)} != {len(expected)}",
        )
    for i, (a, b) in enumerate(zip(actual, expected)):
        _compare_item(i, a, b, options)


def _compare_mappings(actual: Any, expected: Any, options: _Options) -> None:
    missing = [k for k in expected if k not in actual]
    additional = [k for k in actual if k not in expected]
    if missing or additional:
        raise _Mismatch(
            AssertionError,
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {_sorted(missing)}\n"
            f"Additional keys in the actual mapping: {_sorted(additional)}",
        )
    for k in _sorted(list(actual)):
        _compare_item(k, actual[k], expected[k], options)


def _sorted(keys: list[Any]) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError:
        return keys


def _compare_item(key: Any, actual: Any, expected: Any, options: _Options) -> None:
    try:
        _compare(actual, expected, options)
    except _Mismatch as found:
        raise _Mismatch(found.error, found.text, (key, *found.path)) from None


def _compare_numbers(actual: Any, expected: Any, options: _Options) -> None:
    kinds = []
    for value in (actual, expected):
        plain = value.item() if isinstance(value, np.generic) else value
        kinds.append({bool: dtypes.bool_, int: dtypes.int64, float: dtypes.float64,
                      complex: dtypes.complex128}[type(plain)])  # fmt: skip
    if options.flags["dtype"] and type(actual) is not type(expected):
        raise _Mismatch(
            AssertionError,
            f"The (d)types do not match: {type(actual)} != {type(expected)}.",
        )
    rtol, atol = options.tolerances(*kinds)
    if not _close(np.asarray(actual), np.asarray(expected), rtol, atol, options.equal_nan).all():
        head = "Booleans mismatch: " if isinstance(expected, bool) else "Scalars are not "
        if isinstance(expected, bool):
            raise _Mismatch(AssertionError, f"{head}{actual} is not {expected}")
        if rtol == atol == 0:
            raise _Mismatch(
                AssertionError,
                f"{head}equal!\n\nExpected {expected} but got {actual}.\n"
                f"Absolute difference: {_difference(actual, expected)}\n"
                f"Relative difference: {_relative(actual, expected)}",
            )
        raise _Mismatch(
            AssertionError,
            f"{head}close!\n\nExpected {expected} but got {actual}.\n"
            f"Absolute difference: {_difference(actual, expected)} (up to {atol} allowed)\n"
            f"Relative difference: {_relative(actual, expected)} (up to {rtol} allowed)",
        )


def _difference(actual: Any, expected: Any) -> Any:
    return abs(actual - expected)


def _relative(actual: Any, expected: Any) -> Any:
    with np.errstate(all="ignore"):
        return float(np.divide(abs(actual - expected), abs(expected)))


def _close(a: np.ndarray, b: np.ndarray, rtol: float, atol: float, equal_nan: bool) -> np.ndarray:
    with np.errstate(all="ignore"):
        if a.dtype.kind in "biu" and rtol == 0 and atol == 0:
            return np.asarray(a == b)
        return np.asarray(np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))


def _compare_tensors(actual: Any, expected: Any, options: _Options) -> None:
    _check_attribute("shape", actual.shape, expected.shape)
    if options.flags["stride"]:
        _check_attribute("stride()", actual.stride(), expected.stride())
    if options.flags["dtype"]:
        _check_attribute("dtype", actual.dtype, expected.dtype)
    rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    kind = actual.dtype
    if kind is not expected.dtype:
        kind = dtypes.promote_types(actual.dtype, expected.dtype)
    a, b = _values(actual, kind), _values(expected, kind)
    if a.shape != b.shape:
        a, b = np.broadcast_arrays(a, b)
    matches = _close(a, b, rtol, atol, options.equal_nan)
    if not matches.all():
        raise _Mismatch(AssertionError, _report(a, b, matches, rtol, atol))


def _check_attribute(name: str, a: Any, b: Any) -> None:
    if a != b:
        raise _Mismatch(
            AssertionError, f"The values for attribute '{name}' do not match: {a} != {b}."
        )


def _values(t: Tensor, kind: Any) -> np.ndarray:
    """The array in the common dtype; truth values and small integers as int64."""
    array = cast(t, kind)._array
    if kind.category < 2 and kind is not dtypes.uint64:
        return array.astype(np.int64)
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _report(a: np.ndarray, b: np.ndarray, matches: np.ndarray, rtol: float, atol: float) -> str:
    """The text for tensors that differ."""
    wrong, total = int((~matches).sum()), matches.size
    with np.errstate(all="ignore"):
        if not a.ndim:  # in Python's numbers
            a, b = np.asarray(a.item()), np.asarray(b.item())
        difference, size = np.abs(a - b), np.abs(b)
        relative = difference / (size if size.dtype.kind == "f" else size.astype(np.float32))
    if a.dtype.kind in "iu" and a.ndim:
        relative = relative.astype(np.float32)
    difference, relative = np.where(matches, 0, difference), np.where(matches, 0, relative)
    name = "Tensor-likes" if a.ndim else "Scalars"
    head = f"{name} are not {'equal' if rtol == atol == 0 else 'close'}!\n\n"
    if not a.ndim:
        lines = f"Expected {b.item()} but got {a.item()}.\n"
        lines += f"Absolute difference: {difference.item()}{_allowed(atol, rtol, atol)}\n"
        return head + lines + f"Relative difference: {relative.item()}{_allowed(rtol, rtol, atol)}"
    lines = f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})\n"
    for title, values, most in (("absolute", difference, atol), ("relative", relative, rtol)):
        place = int(np.argmax(values))
        index = tuple([int(i) for i in np.unravel_index(place, values.shape)])
        lines += f"Greatest {title} difference: {values.flat[place].item()} at index {index}"
        lines += _allowed(most, rtol, atol) + "\n"
    return head + lines.rstrip("\n")


def _allowed(most: float, rtol: float, atol: float) -> str:
    return "" if rtol == atol == 0 else f" (up to {most} allowed)"


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older form of :func:`assert_close`: dtypes may differ, NaNs are equal. Deprecated."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future "
        "release. Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    if not isinstance(actual, Tensor):
        actual = as_tensor(actual)
    if not isinstance(expected, Tensor):
        expected = as_tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        options = _Options(None, None, True, {})
        rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False,
                 msg=msg or None)  # fmt: skip
