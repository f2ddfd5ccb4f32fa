"""LLVM IR for a builtin, first half: from the arguments that Python passed to checked values."""

from rushlight.codegen import numpy_abi as abi
from rushlight.codegen import table
from rushlight.codegen.signature import (
    DTYPES,
    Array,
    Expression,
    Parameter,
    Signature,
    SignatureError,
)

_OPERATIONS = {"+": "add", "-": "sub", "*": "mul", "//": "sdiv"}


class ArgumentWriter:
    """Writes the checks of the arguments."""

    def __init__(
        self,
        signature: Signature,
        kind: str,
        layout: table.Layout | None = None,
        record: bool = False,
    ) -> None:
        self.signature = signature
        self.record = record  # operations on tensors with a history are recorded, not refused
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
        words = self.word(table.GUARD)
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
        """The array in a tensor of a known class, if no history keeps it from being used."""
        assert self.layout is not None
        layout = self.layout
        ignore = "true" if self.record else "%recording.off"
        array = self.value(
            f"call ptr @rl_array_of(ptr {tensor}, ptr %table, i1 {ignore}, "
            f"i64 {layout.edge}, i64 {layout.array})"
        )
        self.check(self.value(f"icmp ne ptr {array}, null"))
        if self.record:
            edge = self.load("ptr", tensor, layout.edge)
            some = self.value(f"icmp ne ptr {edge}, @_Py_NoneStruct")
            so_far = self.value("load i1, ptr %history")
            self.add(f"store i1 {self.value(f'or i1 {so_far}, {some}')}, ptr %history")
        for offset in self.layout.plain:
            field = self.load("ptr", tensor, offset)
            self.check(self.value(f"icmp eq ptr {field}, @_Py_NoneStruct"))
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
        wanted = self.word(table.DESCRS + DTYPES.index(array.dtype))
        mask = abi.ALIGNED | (0 if array.strided else abi.CONTIGUOUS)
        mask |= abi.WRITEABLE if array.written else 0
        self.check(
            self.value(
                f"call i1 @rl_array_fits(ptr {pointer}, ptr {self.word(table.NDARRAY)}, "
                f"ptr {wanted}, i32 {mask})"
            )
        )
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
            size = self.value(f"call i64 @rl_product(ptr {dims}, i64 {count}, ptr null)")
            self.check(self.value(f"icmp ne i64 {size}, 0"))
            self.groups[name] = (dims, count)
            self.numbers[name] = size
            return
        self.check(self.value(f"icmp eq i64 {count}, {known[1]}"))
        size = self.value(f"call i64 @rl_product(ptr {dims}, i64 {count}, ptr {known[0]})")
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
            pair = self.value(f"call {{ i64, i64 }} @rl_extent(ptr {pointer}, i64 {item})")
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
