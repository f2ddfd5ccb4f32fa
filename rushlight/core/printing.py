"""The printed form of tensors, PyTorch's to the character.

All elements of a tensor share one format, found by ``Format``: integers as they are; floating-point
values as integers with a point, with a fixed number of decimals, or in scientific notation if they
are very small, very large or far apart. Large tensors show the ends of each dimension only.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor


class Options:
    """How tensors are printed: see :func:`set_printoptions`."""

    __slots__ = ("edgeitems", "linewidth", "precision", "sci_mode", "threshold")

    def __init__(self) -> None:
        self.precision = 4
        self.threshold: float = 1000
        self.edgeitems = 3
        self.linewidth = 80
        self.sci_mode: bool | None = None


options = Options()
_PROFILES: dict[str, tuple[int, float, int, int]] = {
    "default": (4, 1000, 3, 80),
    "short": (2, 1000, 2, 80),
    "full": (4, math.inf, 3, 80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors are printed; what is None stays, except ``sci_mode``.

    Args:
        precision: decimals of floating-point values (4).
        threshold: number of elements above which only the ends are shown (1000).
        edgeitems: how many elements at each end of a dimension (3).
        linewidth: characters in a line (80).
        profile: "default", "short" or "full": all of the above at once.
        sci_mode: scientific notation always (True), never (False) or where it helps (None).

    Examples::

        >>> torch.set_printoptions(precision=2)
        >>> torch.tensor([1.12345])
        tensor([1.12])
        >>> torch.set_printoptions(profile="default")
    """
    if profile in _PROFILES:
        (options.precision, options.threshold, options.edgeitems, options.linewidth) = _PROFILES[
            profile
        ]
    if precision is not None:
        options.precision = precision
    if threshold is not None:
        options.threshold = threshold
    if edgeitems is not None:
        options.edgeitems = edgeitems
    if linewidth is not None:
        options.linewidth = linewidth
    options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The current options, as keyword arguments of :func:`set_printoptions`."""
    names = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")
    return {name: getattr(options, name) for name in names}


@contextlib.contextmanager
def printoptions(**changes: Any) -> Iterator[None]:
    """Other options while the context lasts."""
    before = get_printoptions()
    set_printoptions(**changes)
    try:
        yield
    finally:
        set_printoptions(**before)


class Format:
    """The common format of all elements of a real array."""

    __slots__ = ("floating", "integral", "scientific", "width")

    def __init__(self, array: np.ndarray) -> None:
        self.floating = array.dtype.kind not in "iub"
        self.integral = True
        self.scientific = False
        self.width = 1
        if not self.floating:
            lengths = [len(str(v)) for v in array.ravel().tolist()]
        else:
            lengths = self._measure(array.astype(np.float64).ravel())
        if lengths:
            self.width = max(1, *lengths)

    def _measure(self, values: np.ndarray) -> list[int]:
        """Chooses the notation by the non-zero finite values; returns their lengths in it."""
        values = values[np.isfinite(values) & (values != 0)]
        if not values.size:
            return []
        size = np.abs(values)
        low, high = float(size.min()), float(size.max())
        self.integral = bool((values == np.ceil(values)).all())
        if options.sci_mode is not None:
            self.scientific = options.sci_mode
        else:
            self.scientific = high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4
        numbers = values.tolist()
        if self.scientific:
            return [len(f"{v:.{options.precision}e}") for v in numbers]
        if self.integral:
            return [len(f"{v:.0f}") + 1 for v in numbers]
        return [len(f"{v:.{options.precision}f}") for v in numbers]

    def __call__(self, value: Any) -> str:
        """``value`` as text, filled up on the left to the common width."""
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:{self.width}.{options.precision}e}"
        elif self.integral:
            text = f"{value:.0f}"
            if math.isfinite(value):
                text += "."
        else:
            text = f"{value:.{options.precision}f}"
        return text.rjust(self.width)


class ComplexFormat:
    """The common format of complex elements: one for the real and one for the imaginary parts."""

    __slots__ = ("imag", "real", "width")

    def __init__(self, array: np.ndarray) -> None:
        self.real, self.imag = Format(array.real), Format(array.imag)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: complex) -> str:
        """``value`` as text, such as ``1.+2.j``."""
        imag = (self.imag(value.imag) + "j").lstrip()
        sign = "" if imag[0] in "+-" else "+"
        return self.real(value.real) + sign + imag


def _ends(array: np.ndarray) -> np.ndarray:
    """The elements that a summary shows."""
    edge = options.edgeitems
    if not edge and array.ndim > 1:
        return array[:0]
    for dim, n in enumerate(array.shape):
        if n > 2 * edge:
            shown = [*range(edge), *range(n - edge, n)]
            array = array.take(shown, axis=dim)
    return array


def _vector(array: np.ndarray, indent: int, summarize: bool, form: Any) -> str:
    per_line = max(1, (options.linewidth - indent) // (form.width + 2))
    edge = options.edgeitems
    if summarize and not edge:
        items = ["..."]
    elif summarize and len(array) > 2 * edge:
        items = [form(v) for v in array[:edge].tolist()]
        items.append(" ...")
        items += [form(v) for v in array[-edge:].tolist()]
    else:
        items = [form(v) for v in array.tolist()]
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(array: np.ndarray, indent: int, summarize: bool, form: Any) -> str:
    if array.ndim == 0:
        return str(form(array.item()))
    if array.ndim == 1:
        return _vector(array, indent, summarize, form)
    n, edge = len(array), options.edgeitems
    if summarize and n > 2 * edge:
        parts = [_nested(array[i], indent + 1, summarize, form) for i in range(edge)]
        parts.append("...")
        parts += [_nested(array[i], indent + 1, summarize, form) for i in range(n - edge, n)]
    else:
        parts = [_nested(array[i], indent + 1, summarize, form) for i in range(n)]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _contents(array: np.ndarray, kind: dtypes.dtype, indent: int) -> str:
    """The elements in brackets."""
    if kind.is_floating_point and array.dtype.itemsize <= 2:
        array = array.astype(np.float32)
    summarize = array.size > options.threshold
    measured = _ends(array) if summarize else array
    form = ComplexFormat(measured) if array.dtype.kind == "c" else Format(measured)
    return _nested(array, indent, summarize, form)


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """``text`` and its suffixes, each on the line if it fits, and the closing parenthesis."""
    parts = [text]
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            last = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            last += len(suffix) + 2
    parts.append(")")
    return "".join(parts)


def _history(t: Any) -> str | None:
    """The suffix about gradients."""
    node = t.grad_fn
    if node is not None:
        return f"grad_fn=<{node.name()}>"
    return "requires_grad=True" if t.requires_grad else None


def tensor_repr(t: Tensor, *, tensor_contents: Any = None) -> str:
    """What ``print(tensor)`` shows.

    Args:
        tensor_contents: text to show in place of the elements.
    """
    # A Parameter shows as a tensor; other subclasses show their names.
    plain = type(t) is Tensor or type(t).__module__.endswith("nn.parameter")
    prefix = "tensor(" if plain else f"{type(t).__name__}("
    array, kind = t._array, t.dtype
    suffixes = []
    if not array.size:
        text = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        if kind is not defaults.dtype:
            suffixes.append(f"dtype={kind}")
    else:
        if not options.edgeitems:
            suffixes.append(f"size={tuple(array.shape)}")
        if kind not in (defaults.dtype, defaults.complex_dtype, dtypes.int64, dtypes.bool_):
            suffixes.append(f"dtype={kind}")
        text = "" if tensor_contents is not None else _contents(array, kind, len(prefix))
    if tensor_contents is not None:
        text = str(tensor_contents)
    history = _history(t)
    if history is not None:
        suffixes.append(history)
    return _with_suffixes(prefix + text, suffixes, len(prefix))


def tensor_format(t: Tensor, spec: str) -> str:
    """``format(tensor, spec)``: that of the number for 0-d tensors.

    Raises TypeError for a spec that is not empty and a tensor with dimensions.
    """
    if t._array.ndim == 0 and type(t) is Tensor:
        value = t._array.item()
        return format(float(value) if isinstance(value, np.generic) else value, spec)
    return object.__format__(t, spec)
