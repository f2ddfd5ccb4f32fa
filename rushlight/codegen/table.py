"""What the machine code of builtins shares: the table of constants, helpers, a tensor's layout.

Note: constants
    Addresses that differ from process to process (the fallback, the kernel, NumPy's types) are
    never written into the code. They stand in a table of words: for a builtin behind the header
    of the bytes object that is its `self`, for a method in a global variable of its own copy of
    the code.
"""

from rushlight.codegen import numpy_abi as abi
from rushlight.codegen.signature import DTYPES

# The table's words.
FALLBACK, KERNEL, NDARRAY, NEW_FROM_DESCR, ENSURE, DESCRS = 0, 1, 2, 3, 4, 5
CLASSES = DESCRS + len(DTYPES)
MAX_CLASSES = 3
GUARD = CLASSES + MAX_CLASSES
FIELDS = GUARD + 1
MAX_FIELDS = 12
TABLE_WORDS = FIELDS + MAX_FIELDS

GIL_WORK = 16384  # elements from which on the interpreter's lock is released
POOL_WORK = 1 << 18  # elements from which on the pool of large blocks is made the allocator
MAX_DIMS = 64

_DECLARATIONS = """
@PyFloat_Type = external global i8
@PyLong_Type = external global i8
@_Py_NoneStruct = external global i8
@_Py_TrueStruct = external global i8
@_Py_FalseStruct = external global i8
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare i64 @PyLong_AsSsize_t(ptr)
declare double @PyLong_AsDouble(ptr)
declare ptr @PyErr_Occurred()
declare void @PyErr_Clear()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyType_GenericAlloc(ptr, i64)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare i64 @PyThread_get_thread_ident()
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; The first byte of an array and the one behind its last.
define internal { i64, i64 } @extent(ptr %array, i64 %item) noinline {
entry:
  %data.at = getelementptr i8, ptr %array, i64 DATA_OFFSET
  %data = load i64, ptr %data.at
  %nd.at = getelementptr i8, ptr %array, i64 NDIM_OFFSET
  %nd32 = load i32, ptr %nd.at
  %nd = zext i32 %nd32 to i64
  %dims.at = getelementptr i8, ptr %array, i64 DIMS_OFFSET
  %dims = load ptr, ptr %dims.at
  %strides.at = getelementptr i8, ptr %array, i64 STRIDES_OFFSET
  %strides = load ptr, ptr %strides.at
  %end = add i64 %data, %item
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %i2, %step ]
  %low = phi i64 [ %data, %entry ], [ %low2, %step ]
  %high = phi i64 [ %end, %entry ], [ %high2, %step ]
  %more = icmp slt i64 %i, %nd
  br i1 %more, label %step, label %done
step:
  %dim.at = getelementptr i64, ptr %dims, i64 %i
  %dim = load i64, ptr %dim.at
  %stride.at = getelementptr i64, ptr %strides, i64 %i
  %stride = load i64, ptr %stride.at
  %last = sub i64 %dim, 1
  %reach = mul i64 %last, %stride
  %back = icmp slt i64 %reach, 0
  %down = select i1 %back, i64 %reach, i64 0
  %up = select i1 %back, i64 0, i64 %reach
  %low2 = add i64 %low, %down
  %high2 = add i64 %high, %up
  %i2 = add i64 %i, 1
  br label %look
done:
  %pair = insertvalue { i64, i64 } undef, i64 %low, 0
  %pair2 = insertvalue { i64, i64 } %pair, i64 %high, 1
  ret { i64, i64 } %pair2
}

; The product of n words, all compared with those at `other` if that is not null (-1: different).
define internal i64 @product(ptr %dims, i64 %n, ptr %other) alwaysinline {
entry:
  %compare = icmp ne ptr %other, null
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %i2, %step ]
  %size = phi i64 [ 1, %entry ], [ %size2, %step ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %take, label %done
take:
  %at = getelementptr i64, ptr %dims, i64 %i
  %dim = load i64, ptr %at
  br i1 %compare, label %check, label %step
check:
  %other.at = getelementptr i64, ptr %other, i64 %i
  %dim2 = load i64, ptr %other.at
  %same = icmp eq i64 %dim, %dim2
  br i1 %same, label %step, label %differ
step:
  %size2 = mul i64 %size, %dim
  %i2 = add i64 %i, 1
  br label %look
done:
  ret i64 %size
differ:
  ret i64 -1
}
"""


def declarations() -> str:
    """The declarations and helper functions that every wrapper starts with."""
    text = _DECLARATIONS
    for field in ("DATA", "NDIM", "DIMS", "STRIDES"):
        text = text.replace(f"{field}_OFFSET", str(getattr(abi, field)))
    return text


class Layout:
    """Where generated code finds the fields of a tensor, and what a new one holds.

    Args:
        array: offset of the field that holds the array.
        edge: offset of the field that is None for a tensor without history.
        plain: offsets of further fields that must be None for the fast path.
        fields: offsets of the fields that a new tensor gets; the values are in the table.
    """

    def __init__(
        self, array: int, edge: int, plain: tuple[int, ...], fields: tuple[int, ...]
    ) -> None:
        if len(fields) > MAX_FIELDS:
            raise ValueError(f"a tensor has more than {MAX_FIELDS} fields")
        self.array = array
        self.edge = edge
        self.plain = plain
        self.fields = fields

    def key(self) -> str:
        """Part of the key of code made for this layout."""
        return f"{self.array} {self.edge} {self.plain} {self.fields}"
