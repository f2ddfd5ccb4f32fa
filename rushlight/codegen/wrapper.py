"""LLVM IR for a builtin: from a signature to `PyObject *entry(self, args, n)`.

Note: constants
    Addresses that differ from process to process (the fallback, the kernel, NumPy's types) are
    never written into the code. They stand in a table of words: for a builtin behind the header
    of the bytes object that is its `self`, for a method in a global variable of its own copy of
    the code.

The entry runs straight through checks, allocation, kernel, result. Every check that fails jumps
to one place which calls the fallback with the arguments as they came.
"""

from rushlight.codegen import numpy_abi as abi
from rushlight.codegen.signature import (
    DTYPES,
    Array,
    Expression,
    Parameter,
    Signature,
    SignatureError,
)

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
_OPERATIONS = {"+": "add", "-": "sub", "*": "mul", "//": "sdiv"}

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


class Writer:
    """Writes one entry function."""

    def __init__(self, signature: Signature, kind: str, layout: Layout | None) -> None:
        self.signature = signature
        self.kind = kind  # "function", or a method: "fastcall", "o", "noargs"
        self.layout = layout
        self.lines: list[str] = []
        self.count = 0
        self.block = "entry"
        self.numbers: dict[str, str] = {}  # dims, products of groups, ints: i64 values
        self.groups: dict[str, tuple[str, str]] = {}  # name: (pointer to dims, count)
        self.objects: dict[str, str] = {}  # parameter: the object passed
        self.arrays: dict[str, str] = {}  # name: the ndarray
        self.data: dict[str, str] = {}  # name: pointer to elements
        self.floats: dict[str, str] = {}
        self.made: list[str] = []  # new arrays, in order
        self.work_value = "0"

    # plumbing

    def add(self, line: str) -> None:
        """One instruction."""
        self.lines.append(f"  {line}")

    def value(self, instruction: str) -> str:
        """One instruction with a result; its name."""
        self.count += 1
        name = f"%v{self.count}"
        self.lines.append(f"  {name} = {instruction}")
        return name

    def label(self, hint: str) -> str:
        """A new block's name."""
        self.count += 1
        return f"{hint}{self.count}"

    def start(self, label: str) -> None:
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.block = label

    def check(self, condition: str) -> None:
        """Go on if the condition holds, else to the fallback."""
        label = self.label("ok")
        self.add(f"br i1 {condition}, label %{label}, label %slow")
        self.start(label)

    def load(self, kind: str, base: str, offset: int) -> str:
        """The field of an object at a byte offset."""
        at = self.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        return self.value(f"load {kind}, ptr {at}")

    def word(self, index: int) -> str:
        """A word of the table, as a pointer."""
        return self.load("ptr", "%table", 8 * index)

    # the arguments

    def prologue(self) -> None:
        """Brings the arguments of all calling conventions into %argv and %argc."""
        if self.kind == "function":
            self.add(f"%table = getelementptr i8, ptr %self, i64 {abi.BYTES_VALUE}")
            self.add("%argv = getelementptr i8, ptr %args, i64 0")
            self.add("%argc = add i64 %n, 0")
            return
        self.add("%table = getelementptr i8, ptr @rl_table, i64 0")
        if self.kind == "fastcall":
            self.add("%argc = add i64 %n, 1")
            self.add("%argv = alloca ptr, i64 %argc")
            self.add("%rest = getelementptr ptr, ptr %argv, i64 1")
            self.add("%bytes = mul i64 %n, 8")
            self.add("call void @llvm.memcpy.p0.p0.i64(ptr %rest, ptr %args, i64 %bytes, i1 0)")
        else:
            self.add(f"%argc = add i64 0, {2 if self.kind == 'o' else 1}")
            self.add("%argv = alloca ptr, i64 2")
            self.add("%rest = getelementptr ptr, ptr %argv, i64 1")
            self.add("store ptr %args, ptr %rest")
        self.add("store ptr %self, ptr %argv")

    def arguments(self) -> None:
        """Loads the objects; parameters with "?" at the end may be left out."""
        parameters = self.signature.parameters
        least = len(parameters)
        while least and parameters[least - 1].optional:
            least -= 1
        total = len(parameters)
        if least == total:
            self.check(self.value(f"icmp eq i64 %argc, {total}"))
        else:
            self.check(self.value(f"icmp uge i64 %argc, {least}"))
            self.check(self.value(f"icmp ule i64 %argc, {total}"))
        for i, parameter in enumerate(parameters):
            at = self.value(f"getelementptr ptr, ptr %argv, i64 {i}")
            if i < least:
                self.objects[parameter.name] = self.value(f"load ptr, ptr {at}")
                continue
            given = self.value(f"icmp ugt i64 %argc, {i}")
            source = self.value(f"select i1 {given}, ptr {at}, ptr %nothing")
            self.objects[parameter.name] = self.value(f"load ptr, ptr {source}")

    def guard(self) -> None:
        """Tensors only: nothing intercepts operations; whether gradients are off here."""
        if self.layout is None:
            return
        words = self.word(GUARD)
        self.check(self.value(f"icmp eq i64 {self.value(f'load i64, ptr {words}')}, 0"))
        thread = self.load("i64", words, 8)
        on = self.value(f"icmp eq i64 {thread}, 0")
        ask, ready, origin = self.label("ask"), self.label("ready"), self.block
        self.add(f"br i1 {on}, label %{ready}, label %{ask}")
        self.start(ask)
        mine = self.value("call i64 @PyThread_get_thread_ident()")
        same = self.value(f"icmp eq i64 {mine}, {thread}")
        self.add(f"br label %{ready}")
        self.start(ready)
        self.add(f"%recording.off = phi i1 [ false, %{origin} ], [ {same}, %{ask} ]")

    def tensor(self, tensor: str) -> str:
        """The array in a tensor of a known class that needs no record."""
        assert self.layout is not None
        kind = self.load("ptr", tensor, abi.TYPE)
        known = "false"
        for i in range(MAX_CLASSES):
            same = self.value(f"icmp eq ptr {kind}, {self.word(CLASSES + i)}")
            known = self.value(f"or i1 {known}, {same}")
        self.check(known)
        edge = self.load("ptr", tensor, self.layout.edge)
        none = self.value(f"icmp eq ptr {edge}, @_Py_NoneStruct")
        self.check(self.value(f"or i1 {none}, %recording.off"))
        for offset in self.layout.plain:
            field = self.load("ptr", tensor, offset)
            self.check(self.value(f"icmp eq ptr {field}, @_Py_NoneStruct"))
        array = self.load("ptr", tensor, self.layout.array)
        self.check(self.value(f"icmp ne ptr {array}, null"))
        return array

    def array(self, parameter: Parameter) -> None:
        """Checks one array and binds the names of its dims."""
        array = parameter.array
        assert array is not None
        name = parameter.name
        pointer = self.objects[name]
        skip = join = ""
        if parameter.optional:
            skip, join, given = self.block, self.label("join"), self.label("given")
            none = self.value(f"icmp eq ptr {pointer}, @_Py_NoneStruct")
            self.add(f"br i1 {none}, label %{join}, label %{given}")
            self.start(given)
        if array.tensor:
            pointer = self.tensor(pointer)
        kind = self.load("ptr", pointer, abi.TYPE)
        self.check(self.value(f"icmp eq ptr {kind}, {self.word(NDARRAY)}"))
        descr = self.load("ptr", pointer, abi.DESCR)
        wanted = self.word(DESCRS + DTYPES.index(array.dtype))
        right = self.value(f"icmp eq ptr {descr}, {wanted}")
        mask = abi.ALIGNED | (0 if array.strided else abi.CONTIGUOUS)
        mask |= abi.WRITEABLE if array.written else 0
        flags = self.value(f"and i32 {self.load('i32', pointer, abi.FLAGS)}, {mask}")
        fit = self.value(f"icmp eq i32 {flags}, {mask}")
        self.check(self.value(f"and i1 {right}, {fit}"))
        self.dims(array, pointer, bool(join))
        data = self.load("ptr", pointer, abi.DATA)
        if join:
            end = self.block
            self.add(f"br label %{join}")
            self.start(join)
            data = self.value(f"phi ptr [ {data}, %{end} ], [ null, %{skip} ]")
            pointer = self.value(f"phi ptr [ {pointer}, %{end} ], [ null, %{skip} ]")
        self.arrays[name] = pointer
        self.data[name] = data

    def dims(self, array: Array, pointer: str, optional: bool) -> None:
        """Checks the dims of an array against those known, and binds new names."""
        nd = self.value(f"zext i32 {self.load('i32', pointer, abi.NDIM)} to i64")
        fixed = len(array.dims)
        if fixed or array.group:
            dims = self.load("ptr", pointer, abi.DIMS)
        first: str | int = 0
        if array.group:
            first = self.value(f"sub i64 {nd}, {fixed}")
            self.group(array.group, dims, first, optional)
        else:
            self.check(self.value(f"icmp eq i64 {nd}, {fixed}"))
        for i, dim in enumerate(array.dims):
            index = self.value(f"add i64 {first}, {i}")
            at = self.value(f"getelementptr i64, ptr {dims}, i64 {index}")
            size = self.value(f"load i64, ptr {at}")
            if isinstance(dim, int):
                self.check(self.value(f"icmp eq i64 {size}, {dim}"))
            elif isinstance(dim, str) and dim in self.numbers:
                self.check(self.value(f"icmp eq i64 {size}, {self.numbers[dim]}"))
            elif isinstance(dim, str) and not optional:
                self.check(self.value(f"icmp ne i64 {size}, 0"))
                self.numbers[dim] = size
            else:
                raise self.error(f"{dim!r} must be known from a parameter before")

    def group(self, name: str, dims: str, count: str, optional: bool) -> None:
        """A list of leading dims: bound to its name, or compared with what that means."""
        self.check(self.value(f"icmp sge i64 {count}, 0"))
        known = self.groups.get(name)
        if known is None:
            if optional:
                raise self.error(f"...{name} must be known from a parameter before")
            size = self.value(f"call i64 @product(ptr {dims}, i64 {count}, ptr null)")
            self.check(self.value(f"icmp ne i64 {size}, 0"))
            self.groups[name] = (dims, count)
            self.numbers[name] = size
            return
        self.check(self.value(f"icmp eq i64 {count}, {known[1]}"))
        size = self.value(f"call i64 @product(ptr {dims}, i64 {count}, ptr {known[0]})")
        self.check(self.value(f"icmp ne i64 {size}, -1"))

    def scalar(self, parameter: Parameter) -> None:
        """An int, a float or a bool, of exactly that type (a float may be given as an int)."""
        name, pointer = parameter.name, self.objects[parameter.name]
        if parameter.kind == "bool":
            true = self.value(f"icmp eq ptr {pointer}, @_Py_TrueStruct")
            false = self.value(f"icmp eq ptr {pointer}, @_Py_FalseStruct")
            self.check(self.value(f"or i1 {true}, {false}"))
            self.numbers[name] = self.value(f"zext i1 {true} to i64")
            return
        kind = self.load("ptr", pointer, abi.TYPE)
        if parameter.kind == "int":
            self.check(self.value(f"icmp eq ptr {kind}, @PyLong_Type"))
            number = self.value(f"call i64 @PyLong_AsSsize_t(ptr {pointer})")
            self.converted(self.value(f"icmp ne i64 {number}, -1"))
            self.numbers[name] = number
            return
        real, whole, join = self.label("real"), self.label("whole"), self.label("join")
        exact = self.value(f"icmp eq ptr {kind}, @PyFloat_Type")
        self.add(f"br i1 {exact}, label %{real}, label %{whole}")
        self.start(real)
        direct = self.load("double", pointer, abi.FLOAT_VALUE)
        self.add(f"br label %{join}")
        self.start(whole)
        self.check(self.value(f"icmp eq ptr {kind}, @PyLong_Type"))
        number = self.value(f"call double @PyLong_AsDouble(ptr {pointer})")
        self.converted(self.value(f"fcmp une double {number}, -1.0"))
        end = self.block
        self.add(f"br label %{join}")
        self.start(join)
        self.floats[name] = self.value(f"phi double [ {direct}, %{real} ], [ {number}, %{end} ]")

    def converted(self, sure: str) -> None:
        """After a conversion that gives -1 on failure: clears the error, if any, and falls back."""
        maybe, failed, join = self.label("maybe"), self.label("failed"), self.label("join")
        self.add(f"br i1 {sure}, label %{join}, label %{maybe}")
        self.start(maybe)
        error = self.value("call ptr @PyErr_Occurred()")
        fine = self.value(f"icmp eq ptr {error}, null")
        self.add(f"br i1 {fine}, label %{join}, label %{failed}")
        self.start(failed)
        self.add("call void @PyErr_Clear()")
        self.add("br label %slow")
        self.start(join)

    def overlaps(self) -> None:
        """An array that is written may be another argument itself, but not overlap it in part."""
        arrays = [p for p in self.signature.parameters if p.array is not None]
        for written in arrays:
            assert written.array is not None
            if not written.array.written:
                continue
            if written.optional:
                raise self.error("a written array cannot be optional")
            for other in arrays:
                if other is written or (
                    other.array is not None
                    and other.array.written
                    and arrays.index(other) < arrays.index(written)
                ):
                    continue
                self.disjoint(written, other)

    def disjoint(self, written: Parameter, other: Parameter) -> None:
        """Checks one pair of arrays."""
        assert written.array is not None
        assert other.array is not None
        join = self.label("join")
        if other.optional:
            given = self.label("given")
            none = self.value(f"icmp eq ptr {self.arrays[other.name]}, null")
            self.add(f"br i1 {none}, label %{join}, label %{given}")
            self.start(given)
        ends = []
        for parameter in (written, other):
            assert parameter.array is not None
            item = abi.ITEM_BYTES[parameter.array.dtype]
            pointer = self.arrays[parameter.name]
            pair = self.value(f"call {{ i64, i64 }} @extent(ptr {pointer}, i64 {item})")
            ends.append([self.value(f"extractvalue {{ i64, i64 }} {pair}, {i}") for i in (0, 1)])
        before = self.value(f"icmp ule i64 {ends[0][1]}, {ends[1][0]}")
        behind = self.value(f"icmp ule i64 {ends[1][1]}, {ends[0][0]}")
        fine = self.value(f"or i1 {before}, {behind}")
        plain = not (written.array.strided or other.array.strided or other.array.written)
        if plain and written.array.dtype == other.array.dtype:
            low = self.value(f"icmp eq i64 {ends[0][0]}, {ends[1][0]}")
            high = self.value(f"icmp eq i64 {ends[0][1]}, {ends[1][1]}")
            same = self.value(f"and i1 {low}, {high}")
            fine = self.value(f"or i1 {fine}, {same}")
        self.check(fine)
        self.add(f"br label %{join}")
        self.start(join)

    # numbers

    def error(self, text: str) -> SignatureError:
        """An error in the signature."""
        return SignatureError(f"{self.signature.text!r}: {text}")

    def number(self, expression: Expression) -> str:
        """The value of an expression."""
        if isinstance(expression, int):
            return str(expression)
        if isinstance(expression, str):
            if expression not in self.numbers:
                raise self.error(f"{expression!r} is not a known number")
            return self.numbers[expression]
        operator, left, right = expression
        a, b = self.number(left), self.number(right)
        if operator == "//":
            # Rounds towards zero: a negative numerator ends in the fallback by its use as a dim.
            self.check(self.value(f"icmp sgt i64 {b}, 0"))
        return self.value(f"{_OPERATIONS[operator]} i64 {a}, {b}")

    def conditions(self) -> None:
        """The "if" clauses."""
        for comparison, left, right in self.signature.conditions:
            a, b = self.number(left), self.number(right)
            self.check(self.value(f"icmp {comparison} i64 {a}, {b}"))

    def work(self) -> str:
        """The elements of work: as the signature says, else those of the first array."""
        if self.signature.work is not None:
            return self.number(self.signature.work)
        for parameter in self.signature.parameters:
            if parameter.array is not None and not parameter.optional:
                size = self.numbers[parameter.array.group] if parameter.array.group else "1"
                for dim in parameter.array.dims:
                    size = self.value(f"mul i64 {size}, {self.number(dim)}")
                return size
        return "0"

    # results

    def shape(self, array: Array) -> tuple[str, str]:
        """(pointer to dims, their number) of a new array."""
        group = None
        if array.group:
            if array.group not in self.groups:
                raise self.error(f"...{array.group} is not known")
            group = self.groups[array.group]
        if group and not array.dims:
            return group
        self.count += 1
        buffer = f"%shape{self.count}"
        self.lines.insert(0, f"  {buffer} = alloca i64, i64 {MAX_DIMS}")
        first = "0"
        if group:
            first = group[1]
            total = self.value(f"add i64 {first}, {len(array.dims)}")
            self.check(self.value(f"icmp sle i64 {total}, {MAX_DIMS}"))
            size = self.value(f"mul i64 {first}, 8")
            self.add(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {buffer}, ptr {group[0]}, i64 {size}, i1 0)"
            )
        for i, dim in enumerate(array.dims):
            size = self.number(dim)
            if not isinstance(dim, int):
                self.check(self.value(f"icmp sgt i64 {size}, 0"))
            index = self.value(f"add i64 {first}, {i}")
            at = self.value(f"getelementptr i64, ptr {buffer}, i64 {index}")
            self.add(f"store i64 {size}, ptr {at}")
        return buffer, self.value(f"add i64 {first}, {len(array.dims)}")

    def release(self, made: list[str]) -> None:
        """Gives up arrays that were made."""
        for name in made:
            self.add(f"call void @Py_DecRef(ptr {self.arrays[name]})")

    def unless_null(self, pointer: str, made: list[str]) -> None:
        """On a null pointer, with an exception set: gives up what was made and returns null."""
        failed, fine = self.label("failed"), self.label("made")
        null = self.value(f"icmp eq ptr {pointer}, null")
        self.add(f"br i1 {null}, label %{failed}, label %{fine}")
        self.start(failed)
        self.release(made)
        self.add("ret ptr null")
        self.start(fine)

    def allocate(self) -> None:
        """Makes the new arrays; all checks are done by now."""
        shapes = [(n, a, self.shape(a)) for n, a in self.signature.results if a is not None]
        self.work_value = self.work()
        if shapes:
            self.ensure()
        new, kind = self.word(NEW_FROM_DESCR), self.word(NDARRAY)
        for name, array, (dims, count) in shapes:
            descr = self.word(DESCRS + DTYPES.index(array.dtype))
            self.add(f"call void @Py_IncRef(ptr {descr})")
            nd = self.value(f"trunc i64 {count} to i32")
            made = self.value(
                f"call ptr {new}(ptr {kind}, ptr {descr}, i32 {nd}, ptr {dims}, ptr null, "
                "ptr null, i32 0, ptr null)"
            )
            self.unless_null(made, self.made)
            self.arrays[name] = made
            self.data[name] = self.load("ptr", made, abi.DATA)
            self.made.append(name)

    def ensure(self) -> None:
        """Before a large result: makes the pool the thread's allocator."""
        pool, call, go = self.label("pool"), self.label("call"), self.label("go")
        large = self.value(f"icmp sge i64 {self.work_value}, {POOL_WORK}")
        self.add(f"br i1 {large}, label %{pool}, label %{go}")
        self.start(pool)
        function = self.word(ENSURE)
        known = self.value(f"icmp ne ptr {function}, null")
        self.add(f"br i1 {known}, label %{call}, label %{go}")
        self.start(call)
        self.add(f"call void {function}()")
        self.add(f"br label %{go}")
        self.start(go)

    def kernel_argument(self, kind: str, expression: Expression) -> str:
        """One argument of the kernel, with its type."""
        if kind == "i64":
            return f"i64 {self.number(expression)}"
        name = str(expression)
        if kind in ("float", "f32"):
            if name not in self.floats:
                raise self.error(f"{name!r} is not a float")
            if kind == "float":
                return f"double {self.floats[name]}"
            return f"float {self.value(f'fptrunc double {self.floats[name]} to float')}"
        if name not in self.arrays:
            raise self.error(f"{name!r} is not an array")
        if kind == "data":
            return f"ptr {self.data[name]}"
        parameter = self.signature.parameter(name)
        if parameter is not None and parameter.optional:
            raise self.error(f"the shape of {name!r}, which may be None")
        if kind == "ndim":
            nd = self.load("i32", self.arrays[name], abi.NDIM)
            return f"i64 {self.value(f'zext i32 {nd} to i64')}"
        offset = abi.DIMS if kind == "shape" else abi.STRIDES
        return f"ptr {self.load('ptr', self.arrays[name], offset)}"

    def call(self) -> None:
        """Calls the kernel, without the interpreter's lock if there is much to do."""
        arguments = [self.kernel_argument(k, e) for k, e in self.signature.arguments]
        kernel = self.word(KERNEL)
        unlock, run, origin = self.label("unlock"), self.label("run"), self.block
        large = self.value(f"icmp sge i64 {self.work_value}, {GIL_WORK}")
        self.add(f"br i1 {large}, label %{unlock}, label %{run}")
        self.start(unlock)
        saved = self.value("call ptr @PyEval_SaveThread()")
        self.add(f"br label %{run}")
        self.start(run)
        thread = self.value(f"phi ptr [ null, %{origin} ], [ {saved}, %{unlock} ]")
        text = ", ".join(arguments)
        status = ""
        if self.signature.status:
            status = self.value(f"call i32 {kernel}({text})")
        else:
            self.add(f"call void {kernel}({text})")
        lock, after = self.label("lock"), self.label("after")
        unlocked = self.value(f"icmp ne ptr {thread}, null")
        self.add(f"br i1 {unlocked}, label %{lock}, label %{after}")
        self.start(lock)
        self.add(f"call void @PyEval_RestoreThread(ptr {thread})")
        self.add(f"br label %{after}")
        self.start(after)
        if status:
            refused, done = self.label("refused"), self.label("done")
            fine = self.value(f"icmp eq i32 {status}, 0")
            self.add(f"br i1 {fine}, label %{done}, label %{refused}")
            self.start(refused)
            self.release(self.made)
            self.add("br label %slow")
            self.start(done)

    def wrap(self, name: str, rest: list[str]) -> str:
        """A new tensor around a new array."""
        assert self.layout is not None
        tensor = self.value(f"call ptr @PyType_GenericAlloc(ptr {self.word(CLASSES)}, i64 0)")
        self.unless_null(tensor, [name, *rest])
        for i, offset in enumerate(self.layout.fields):
            value = self.word(FIELDS + i)
            self.add(f"call void @Py_IncRef(ptr {value})")
            at = self.value(f"getelementptr i8, ptr {tensor}, i64 {offset}")
            self.add(f"store ptr {value}, ptr {at}")
        at = self.value(f"getelementptr i8, ptr {tensor}, i64 {self.layout.array}")
        self.add(f"store ptr {self.arrays[name]}, ptr {at}")
        self.arrays[name] = tensor  # what is given up, should a later step fail
        return tensor

    def finish(self) -> None:
        """Returns the result, a tuple of several, or None."""
        values = []
        for name, array in self.signature.results:
            if array is None:
                values.append(self.objects[name])
            elif array.tensor:
                values.append(self.wrap(name, [n for n in self.made if n != name]))
            else:
                values.append(self.arrays[name])
        for name, array in self.signature.results:
            if array is None:
                self.add(f"call void @Py_IncRef(ptr {self.objects[name]})")
        if not values:
            self.add("call void @Py_IncRef(ptr @_Py_NoneStruct)")
            self.add("ret ptr @_Py_NoneStruct")
            return
        if len(values) == 1:
            self.add(f"ret ptr {values[0]}")
            return
        group = self.value(f"call ptr @PyTuple_New(i64 {len(values)})")
        failed, fine = self.label("failed"), self.label("made")
        null = self.value(f"icmp eq ptr {group}, null")
        self.add(f"br i1 {null}, label %{failed}, label %{fine}")
        self.start(failed)
        for value in values:
            self.add(f"call void @Py_DecRef(ptr {value})")
        self.add("ret ptr null")
        self.start(fine)
        for i, value in enumerate(values):
            self.add(f"call i32 @PyTuple_SetItem(ptr {group}, i64 {i}, ptr {value})")
        self.add(f"ret ptr {group}")

    def write(self) -> str:
        """The whole module."""
        self.prologue()
        self.arguments()
        self.guard()
        for parameter in self.signature.parameters:
            if parameter.array is not None:
                self.array(parameter)
            else:
                self.scalar(parameter)
        self.overlaps()
        self.conditions()
        self.allocate()
        self.call()
        self.finish()
        parameters = "ptr %self, ptr %args, i64 %n"
        if self.kind in ("o", "noargs"):
            parameters = "ptr %self, ptr %args"
        table = ""
        if self.kind != "function":
            table = f"@rl_table = global [{TABLE_WORDS} x i64] zeroinitializer, align 64\n"
        body = "\n".join(self.lines)
        text = (
            f"{table}define ptr @rl_entry({parameters}) {{\nentry:\n"
            "  %nothing = alloca ptr\n  store ptr @_Py_NoneStruct, ptr %nothing\n"
            f"{body}\nslow:\n"
            f"  %fallback.at = getelementptr i8, ptr %table, i64 {8 * FALLBACK}\n"
            "  %fallback = load ptr, ptr %fallback.at\n"
            "  %answer = call ptr @PyObject_Vectorcall(ptr %fallback, ptr %argv, i64 %argc, "
            "ptr null)\n  ret ptr %answer\n}\n"
        )
        declarations = _DECLARATIONS
        for field in ("DATA", "NDIM", "DIMS", "STRIDES"):
            declarations = declarations.replace(f"{field}_OFFSET", str(getattr(abi, field)))
        memcpy = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n"
        return declarations + memcpy + text
