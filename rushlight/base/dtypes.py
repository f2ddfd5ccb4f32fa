"""Data types and PyTorch's promotion rules.

Every ``dtype`` stands for one NumPy dtype. bfloat16 and the float8 kinds come from ``ml_dtypes``,
which is imported when the first of them is used.
"""

import numpy as np

BOOL, INTEGER, FLOATING, COMPLEX = range(4)  # the categories of promotion, lowest first


class dtype:
    """A tensor's data type, such as ``torch.float32``."""

    __slots__ = (
        "_np", "category", "is_complex", "is_floating_point", "is_signed", "itemsize", "name",
    )  # fmt: skip
    __module__ = "torch"

    def __init__(self, name: str, itemsize: int, category: int, signed: bool = True) -> None:
        self.name = name
        self.itemsize = itemsize
        self.category = category
        self.is_floating_point = category == FLOATING
        self.is_complex = category == COMPLEX
        self.is_signed = signed
        self._np: np.dtype | None = None

    @property
    def np(self) -> np.dtype:
        """The NumPy dtype that holds the elements."""
        found = self._np
        if found is None:
            found = self._np = _numpy_dtype(self.name)
            FROM_NUMPY[found] = self
        return found

    def to_complex(self) -> "dtype":
        """The complex dtype whose parts have this dtype."""
        return _TO_COMPLEX.get(self, self)

    def to_real(self) -> "dtype":
        """The dtype of the real part."""
        return _TO_REAL.get(self, self)

    def __repr__(self) -> str:
        return "torch." + self.name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return by_name, (self.name,)

    def __copy__(self) -> "dtype":
        return self

    def __deepcopy__(self, memo: object) -> "dtype":
        return self


FROM_NUMPY: dict[np.dtype, dtype] = {}


def _numpy_dtype(name: str) -> np.dtype:
    if name in _FROM_ML_DTYPES:
        import ml_dtypes  # noqa: PLC0415  (loads only when such a dtype is used)

        found: np.dtype = np.dtype(getattr(ml_dtypes, name))
        return found
    return np.dtype(name)


uint8 = dtype("uint8", 1, INTEGER, signed=False)
uint16 = dtype("uint16", 2, INTEGER, signed=False)
uint32 = dtype("uint32", 4, INTEGER, signed=False)
uint64 = dtype("uint64", 8, INTEGER, signed=False)
int8 = dtype("int8", 1, INTEGER)
int16 = dtype("int16", 2, INTEGER)
int32 = dtype("int32", 4, INTEGER)
int64 = dtype("int64", 8, INTEGER)
float16 = dtype("float16", 2, FLOATING)
bfloat16 = dtype("bfloat16", 2, FLOATING)
float32 = dtype("float32", 4, FLOATING)
float64 = dtype("float64", 8, FLOATING)
float8_e4m3fn = dtype("float8_e4m3fn", 1, FLOATING)
float8_e5m2 = dtype("float8_e5m2", 1, FLOATING)
complex64 = dtype("complex64", 8, COMPLEX)
complex128 = dtype("complex128", 16, COMPLEX)
bool_ = dtype("bool", 1, BOOL, signed=False)

_FROM_ML_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
ALL = (
    uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16, float32, float64,
    float8_e4m3fn, float8_e5m2, complex64, complex128, bool_,
)  # fmt: skip
ALIASES = {
    "half": float16, "float": float32, "double": float64, "short": int16, "int": int32,
    "long": int64, "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip
_BY_NAME = {d.name: d for d in ALL}
_TO_COMPLEX = {
    float16: complex64, bfloat16: complex64, float32: complex64, float64: complex128,
}  # fmt: skip
_TO_REAL = {complex64: float32, complex128: float64}
for _d in ALL:
    if _d.name not in _FROM_ML_DTYPES:
        _ = _d.np  # registers it


def by_name(name: str) -> dtype:
    """The dtype called ``name`` (without ``torch.``)."""
    return _BY_NAME[name]


def as_dtype(kind: object) -> dtype:
    """``kind`` itself, or the dtype of one of Python's types: ``float`` is float64, ``int`` int64.

    Raises TypeError for anything else.
    """
    if isinstance(kind, dtype):
        return kind
    found = {float: "float64", int: "int64", bool: "bool", complex: "complex128"}.get(kind)  # type: ignore[call-overload]
    if found is None:
        raise TypeError(f"argument 'dtype' must be torch.dtype, not {type(kind).__name__}")
    return _BY_NAME[found]


def from_numpy(found: np.dtype) -> dtype:
    """The dtype for a NumPy dtype; TypeError for one that has no counterpart."""
    result = FROM_NUMPY.get(found)
    if result is None:
        if found.name in _FROM_ML_DTYPES:
            result = _BY_NAME[found.name]
            FROM_NUMPY[found] = result
            return result
        native = found.newbyteorder("=")
        if native != found:
            raise ValueError("given numpy array has byte order different from the native byte order. "
                             "Conversion between byte orders is currently not supported.")  # fmt: skip
        result = FROM_NUMPY.get(np.dtype(native.name)) if native.kind in "iufcb" else None
        if result is None:
            raise TypeError(
                f"can't convert np.ndarray of type {found.type.__module__}.{found.type.__name__}. "
                "The only supported types are: float64, float32, float16, complex64, complex128, "
                "int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
            )
    return result


def _promotion_table() -> dict[tuple[dtype, dtype], dtype]:
    table = {(d, d): d for d in ALL}
    signed = (int8, int16, int32, int64)
    floats = (float16, bfloat16, float32, float64)
    complexes = (complex64, complex128)

    def put(a: dtype, b: dtype, result: dtype) -> None:
        table[a, b] = table[b, a] = result

    for i, low in enumerate(signed):
        for high in signed[i:]:
            put(low, high, high)
        put(uint8, low, int16 if low is int8 else low)
    integers = (uint8, *signed)
    wide = (uint16, uint32, uint64)
    for d in (*integers, *wide, *floats, *complexes):
        put(bool_, d, d)
    for whole in (*integers, *wide):
        for f in (*floats, *complexes):
            put(whole, f, f)
    for f in floats:
        put(f, float64, float64)
        put(f, complex128, complex128)
        put(f, complex64, complex128 if f is float64 else complex64)
    put(float16, bfloat16, float32)
    put(float16, float32, float32)
    put(bfloat16, float32, float32)
    put(complex64, complex128, complex128)
    return table


_PROMOTION = _promotion_table()


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that holds the values of both, by PyTorch's table.

    Raises RuntimeError for the combinations that PyTorch refuses (float8 with others, the wide
    unsigned integers with signed ones).
    """
    found = _PROMOTION.get((a, b))
    if found is None:
        if "float8" in a.name or "float8" in b.name:
            raise RuntimeError(
                f"Promotion for Float8 Types is not supported, attempted to promote {_title(a)} "
                f"and {_title(b)}"
            )
        raise RuntimeError(
            f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{SCALAR_TYPE_NAMES[a]} and {SCALAR_TYPE_NAMES[b]}"
        )
    return found


# The names that PyTorch's error messages use ("expected scalar type Long").
SCALAR_TYPE_NAMES = {
    uint8: "Byte", int8: "Char", int16: "Short", int32: "Int", int64: "Long", float16: "Half",
    float32: "Float", float64: "Double", complex64: "ComplexFloat", complex128: "ComplexDouble",
    bool_: "Bool", bfloat16: "BFloat16", uint16: "UInt16", uint32: "UInt32", uint64: "UInt64",
    float8_e4m3fn: "Float8_e4m3fn", float8_e5m2: "Float8_e5m2",
}  # fmt: skip
# The names in those messages that print the C++ type ("found dtype Long", "c10::Half").
CPP_NAMES = {
    uint8: "unsigned char", int8: "signed char", int16: "short", int32: "int", int64: "long int",
    float16: "c10::Half", float32: "float", float64: "double", bool_: "bool",
    bfloat16: "c10::BFloat16", complex64: "c10::complex<float>", complex128: "c10::complex<double>",
}  # fmt: skip


def _title(d: dtype) -> str:
    return SCALAR_TYPE_NAMES[d]


def combine_categories(higher: dtype | None, lower: dtype | None) -> dtype | None:
    """One step of ``result_type``: ``lower`` counts only if its category is the higher one."""
    if higher is None:
        return lower
    if lower is None or higher.is_complex:
        return higher
    if higher.is_floating_point:
        return higher.to_complex() if lower.is_complex else higher
    if higher is bool_ or lower.is_floating_point or lower.is_complex:
        return promote_types(higher, lower)
    return higher


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether PyTorch lets a result of dtype ``from_`` be written into a tensor of dtype ``to``."""
    if from_.is_complex and not to.is_complex:
        return False
    if from_.is_floating_point and to.category < FLOATING:
        return False
    return not (from_ is not bool_ and to is bool_)
