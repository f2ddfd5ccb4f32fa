"""``torch.finfo`` and ``torch.iinfo``: the limits of numeric types, and the small enumerations."""

from typing import Any

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype

# bits, decimal digits, epsilon, largest, smallest normal
_FLOATS: dict[str, tuple[int, float, float, float, float]] = {
    "float16": (16, 1e-3, 2.0**-10, 65504.0, 2.0**-14),
    "bfloat16": (16, 1e-2, 2.0**-7, (2 - 2.0**-7) * 2.0**127, 2.0**-126),
    "float32": (32, 1e-6, 2.0**-23, (2 - 2.0**-23) * 2.0**127, 2.0**-126),
    "float64": (64, 1e-15, 2.0**-52, (2 - 2.0**-52) * 2.0**1023, 2.0**-1022),
    "float8_e4m3fn": (8, 1.0, 0.125, 448.0, 2.0**-6),
    "float8_e5m2": (8, 1.0, 0.25, 57344.0, 2.0**-14),
}


class finfo:
    """The limits of a floating-point type.

    Args:
        type: a floating-point or complex dtype; float32 by default.

    Examples::

        >>> torch.finfo(torch.float32).max
        3.4028234663852886e+38
    """

    __module__ = "torch"
    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: dtype = dtypes.float32) -> None:
        real = type.to_real()
        if real.name not in _FLOATS:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                "'torch.finfo'"
            )
        self.dtype = real.name
        self.bits, self.resolution, self.eps, self.max, self.tiny = _FLOATS[real.name]
        self.min = -self.max
        self.smallest_normal = self.tiny

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and other.dtype == self.dtype

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer type.

    Examples::

        >>> torch.iinfo(torch.int8).max
        127
    """

    __module__ = "torch"
    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: dtype) -> None:
        if type is dtypes.bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if type.category != dtypes.INTEGER:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                "'torch.iinfo'"
            )
        self.dtype = type.name
        self.bits = 8 * type.itemsize
        self.min = -(1 << (self.bits - 1)) if type.is_signed else 0
        self.max = (1 << (self.bits - type.is_signed)) - 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and other.dtype == self.dtype

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"iinfo(min={float(self.min):g}, max={float(self.max):g}, dtype={self.dtype})"


class memory_format:
    """The order of the elements in memory: see ``torch.channels_last`` and the others."""

    __module__ = "torch"
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return named_constant, (self.name,)


class layout:
    """The kind of storage: only ``torch.strided`` tensors can be made."""

    __module__ = "torch"
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _get_layout, (f"torch.{self.name}",)


CONSTANTS: dict[str, Any] = {
    name: memory_format(name)
    for name in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
} | {
    name: layout(name)
    for name in ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")
}


def named_constant(name: str) -> Any:
    """The memory format or layout called ``torch.<name>``."""
    return CONSTANTS[name]


def _get_layout(name: str) -> Any:
    """The layout called ``name`` (with ``torch.``): under this name files refer to layouts."""
    return CONSTANTS[name.removeprefix("torch.")]
