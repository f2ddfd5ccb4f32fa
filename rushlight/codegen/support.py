"""Functions that all builtins call: written once, so that each wrapper is short to compile."""

from rushlight.codegen import cache, table
from rushlight.codegen import numpy_abi as abi

DECLARATIONS = """
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
declare i1 @rl_array_fits(ptr, ptr, ptr, i32)
declare ptr @rl_array_of(ptr, ptr, i1, i64, i64)
declare ptr @rl_new_array(ptr, ptr, i64, ptr)
declare i64 @rl_product(ptr, i64, ptr)
declare { i64, i64 } @rl_extent(ptr, i64)
"""

_EXPORTS = ("rl_array_fits", "rl_array_of", "rl_new_array", "rl_product", "rl_extent")
_IR = """
@_Py_NoneStruct = external global i8
declare void @Py_IncRef(ptr)
declare i32 @PyType_IsSubtype(ptr, ptr)

; Whether an object is exactly an ndarray of this dtype with all flags of the mask.
define i1 @rl_array_fits(ptr %object, ptr %ndarray, ptr %dtype, i32 %mask) {
entry:
  %type.at = getelementptr i8, ptr %object, i64 TYPE_OFFSET
  %type = load ptr, ptr %type.at
  %is = icmp eq ptr %type, %ndarray
  br i1 %is, label %look, label %no
look:
  %descr.at = getelementptr i8, ptr %object, i64 DESCR_OFFSET
  %descr = load ptr, ptr %descr.at
  %right = icmp eq ptr %descr, %dtype
  %flags.at = getelementptr i8, ptr %object, i64 FLAGS_OFFSET
  %flags = load i32, ptr %flags.at
  %found = and i32 %flags, %mask
  %fit = icmp eq i32 %found, %mask
  %both = and i1 %right, %fit
  ret i1 %both
no:
  ret i1 false
}

; The array in a tensor (of the table's class or one derived) that needs no record, or null.
define ptr @rl_array_of(ptr %tensor, ptr %table, i1 %off, i64 %edge, i64 %array) {
entry:
  %type.at = getelementptr i8, ptr %tensor, i64 TYPE_OFFSET
  %type = load ptr, ptr %type.at
  %class.at = getelementptr ptr, ptr %table, i64 CLASS_INDEX
  %class = load ptr, ptr %class.at
  %same = icmp eq ptr %class, %type
  br i1 %same, label %known, label %other
other:
  %derived = call i32 @PyType_IsSubtype(ptr %type, ptr %class)
  %is = icmp ne i32 %derived, 0
  br i1 %is, label %known, label %no
known:
  %edge.at = getelementptr i8, ptr %tensor, i64 %edge
  %record = load ptr, ptr %edge.at
  %none = icmp eq ptr %record, @_Py_NoneStruct
  %free = or i1 %none, %off
  br i1 %free, label %yes, label %no
yes:
  %array.at = getelementptr i8, ptr %tensor, i64 %array
  %found = load ptr, ptr %array.at
  ret ptr %found
no:
  ret ptr null
}

; A new array; null with an exception set.
define ptr @rl_new_array(ptr %table, ptr %descr, i64 %count, ptr %dims) {
  call void @Py_IncRef(ptr %descr)
  %new.at = getelementptr ptr, ptr %table, i64 NEW_INDEX
  %new = load ptr, ptr %new.at
  %type.at = getelementptr ptr, ptr %table, i64 NDARRAY_INDEX
  %type = load ptr, ptr %type.at
  %nd = trunc i64 %count to i32
  %made = call ptr %new(ptr %type, ptr %descr, i32 %nd, ptr %dims, ptr null, ptr null, i32 0,
    ptr null)
  ret ptr %made
}

; The first byte of an array and the one behind its last.
define { i64, i64 } @rl_extent(ptr %array, i64 %item) {
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
define i64 @rl_product(ptr %dims, i64 %n, ptr %other) {
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


def make_ir() -> str:
    """The LLVM IR of the shared functions."""
    text = _IR
    for name in ("TYPE", "DATA", "NDIM", "DIMS", "STRIDES", "DESCR", "FLAGS"):
        text = text.replace(f"{name}_OFFSET", str(getattr(abi, name)))
    for name, index in (
        ("CLASS_INDEX", table.CLASS),
        ("NEW_INDEX", table.NEW_FROM_DESCR),
        ("NDARRAY_INDEX", table.NDARRAY),
    ):
        text = text.replace(name, str(index))
    return text


def _provide(name: str) -> None:
    def address() -> int:
        key = f"{cache.emitter_hash(__file__, table)} {abi.key()}"
        return cache.load("support", key, make_ir, _EXPORTS)[name]

    cache.provide(name, address)


for _name in _EXPORTS:
    _provide(_name)
