"""Where things lie in the objects of CPython and NumPy, and what generated code needs of them.

Generated code reads arrays and tensors straight from their structs. The offsets follow from
`object.__basicsize__` and NumPy's stable C struct; `check()` compares them with what Python says
about real objects, once per process, so an unknown version ends in the NumPy fallback.
"""

import ctypes
import sys
from collections.abc import Mapping

import numpy as np
from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

HEAD = object.__basicsize__
TYPE = HEAD - 8
# PyArrayObject_fields
DATA, NDIM, DIMS, STRIDES, BASE, DESCR, FLAGS = (HEAD + 8 * i for i in range(7))
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
FLOAT_VALUE = HEAD  # PyFloatObject.ob_fval
BYTES_VALUE = bytes.__basicsize__ - 1  # PyBytesObject.ob_sval
_MEMBER = HEAD + 24  # PyMemberDescrObject.d_member, behind type, name and qualified name
_NEW_FROM_DESCR = 94  # entry of NumPy's C API table

NUMPY_NAMES = {
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "bool": "bool",
    "c64": "complex64",
    "c128": "complex128",
}
ITEM_BYTES = {name: np.dtype(full).itemsize for name, full in NUMPY_NAMES.items()}
_dtypes = {name: np.dtype(full) for name, full in NUMPY_NAMES.items()}  # keeps them alive
_memo: dict[str, int] = {}


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def key() -> str:
    """What machine code that uses these offsets depends on."""
    return f"{sys.implementation.cache_tag} {HEAD} {BYTES_VALUE} numpy {np.__version__}"


def descr_address(dtype: str) -> int:
    """The address of NumPy's dtype object, by the signature language's name."""
    return id(_dtypes[dtype])


def api(entry: int) -> int:
    """An entry of NumPy's C API table."""
    table = _memo.get("table")
    if table is None:
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype = ctypes.c_void_p
        pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        table = _memo["table"] = int(pointer(_multiarray_umath._ARRAY_API, None))
    return ctypes.c_size_t.from_address(table + 8 * entry).value


def new_from_descr() -> int:
    """The address of PyArray_NewFromDescr."""
    return api(_NEW_FROM_DESCR)


def slot_offset(cls: type, name: str) -> int:
    """The offset in an instance of the field that `__slots__` made for `name`.

    Raises:
        TypeError: if the class has no such slot.
    """
    descriptor = getattr(cls, name, None)
    if type(descriptor).__name__ != "member_descriptor":
        raise TypeError(f"{cls.__name__} has no slot {name!r}")
    address = ctypes.c_size_t.from_address(id(descriptor) + _MEMBER).value
    member = _Member.from_address(address)
    if member.name != name.encode():
        raise TypeError(f"cannot find the slot {name!r} of {cls.__name__}")
    return int(member.offset)


def _array_is_as_expected(array: np.ndarray, flags: Mapping[int, bool]) -> bool:
    def word(offset: int) -> int:
        return ctypes.c_size_t.from_address(id(array) + offset).value

    def ints(offset: int) -> tuple[int, ...]:
        return tuple((ctypes.c_ssize_t * array.ndim).from_address(word(offset)))

    found = ctypes.c_int.from_address(id(array) + FLAGS).value
    return (
        word(TYPE) == id(np.ndarray)
        and word(DATA) == array.__array_interface__["data"][0]
        and ctypes.c_int.from_address(id(array) + NDIM).value == array.ndim
        and ints(DIMS) == array.shape
        and ints(STRIDES) == array.strides
        and word(DESCR) == id(array.dtype)
        and all(bool(found & bit) == on for bit, on in flags.items())
    )


def check() -> bool:
    """Whether arrays, floats and bytes lie in memory as generated code assumes."""
    if "check" not in _memo:
        _memo["check"] = int(_check())
    return bool(_memo["check"])


def _check() -> bool:
    array = np.zeros((3, 5), np.float32)
    readonly = np.zeros((4, 6), np.int64)[:, 1::2]
    readonly.flags.writeable = False
    return (
        sys.implementation.name == "cpython"
        and HEAD == 16
        and _array_is_as_expected(array, {CONTIGUOUS: True, ALIGNED: True, WRITEABLE: True})
        and _array_is_as_expected(readonly, {CONTIGUOUS: False, ALIGNED: True, WRITEABLE: False})
        and all(np.zeros(1, full).dtype is _dtypes[name] for name, full in NUMPY_NAMES.items())
        and ctypes.c_double.from_address(id(_PROBE_FLOAT) + FLOAT_VALUE).value == _PROBE_FLOAT
        and ctypes.string_at(id(_PROBE_BYTES) + BYTES_VALUE, 9) == _PROBE_BYTES
    )


_PROBE_FLOAT = 0.2890625
_PROBE_BYTES = b"rushlight"
