"""LLVM IR for a builtin: from a signature to `PyObject *entry(self, args, n)`.

The entry runs straight through checks, allocation, kernel, result. Every check that fails jumps
to one place which calls the fallback with the arguments as they came.
"""

from rushlight.codegen import numpy_abi as abi
from rushlight.codegen import support, table
from rushlight.codegen.arguments import ArgumentWriter
from rushlight.codegen.signature import DTYPES, Array, Expression


class Writer(ArgumentWriter):
    """Writes one entry function."""

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
        self.lines.insert(0, f"  {buffer} = alloca i64, i64 {table.MAX_DIMS}")
        first = "0"
        if group:
            first = group[1]
            total = self.value(f"add i64 {first}, {len(array.dims)}")
            self.check(self.value(f"icmp sle i64 {total}, {table.MAX_DIMS}"))
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

    def unless_refused(self, array: str) -> None:
        """Without memory for an array the fallback says what is wrong, in its own words."""
        refused, fine = self.label("refused"), self.label("made")
        null = self.value(f"icmp eq ptr {array}, null")
        self.add(f"br i1 {null}, label %{refused}, label %{fine}")
        self.start(refused)
        self.release(self.made)
        self.add("call void @PyErr_Clear()")
        self.add("br label %slow")
        self.start(fine)

    def allocate(self) -> None:
        """Makes the new arrays; all checks are done by now."""
        shapes = [(n, a, self.shape(a)) for n, a in self.signature.results if a is not None]
        self.work_value = self.work()
        if shapes:
            self.ensure()
        for name, array, (dims, count) in shapes:
            descr = self.word(table.DESCRS + DTYPES.index(array.dtype))
            made = self.value(
                f"call ptr @rl_new_array(ptr %table, ptr {descr}, i64 {count}, ptr {dims})"
            )
            self.unless_refused(made)
            self.arrays[name] = made
            self.data[name] = self.load("ptr", made, abi.DATA)
            self.made.append(name)

    def ensure(self) -> None:
        """Before a large result: makes the pool the thread's allocator."""
        pool, call, go = self.label("pool"), self.label("call"), self.label("go")
        large = self.value(f"icmp sge i64 {self.work_value}, {table.POOL_WORK}")
        self.add(f"br i1 {large}, label %{pool}, label %{go}")
        self.start(pool)
        function = self.word(table.ENSURE)
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
        kernel = self.word(table.KERNEL)
        unlock, run, origin = self.label("unlock"), self.label("run"), self.block
        large = self.value(f"icmp sge i64 {self.work_value}, {table.GIL_WORK}")
        self.add(f"br i1 {large}, label %{unlock}, label %{run}")
        self.start(unlock)
        # meanwhile another thread may give a tensor another array
        held = [p.name for p in self.signature.parameters if p.array is not None and p.array.tensor]
        for name in held:
            self.add(f"call void @Py_IncRef(ptr {self.arrays[name]})")
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
        for name in held:
            self.add(f"call void @Py_DecRef(ptr {self.arrays[name]})")
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
        tensor = self.value(f"call ptr @PyType_GenericAlloc(ptr {self.word(table.CLASS)}, i64 0)")
        self.unless_null(tensor, [name, *rest])
        for i, offset in enumerate(self.layout.fields):
            value = self.word(table.FIELDS + i)
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
            self.leave("@_Py_NoneStruct")
            return
        if len(values) == 1:
            self.leave(values[0])
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
        self.leave(group)

    def leave(self, result: str) -> None:
        """Returns the result, recorded first if there is a history."""
        if not self.record:
            self.add(f"ret ptr {result}")
            return
        record, plain = self.label("record"), self.label("plain")
        history = self.value("load i1, ptr %history")
        on = self.value("xor i1 %recording.off, true")
        needed = self.value(f"and i1 {history}, {on}")
        self.add(f"br i1 {needed}, label %{record}, label %{plain}")
        self.start(plain)
        self.add(f"ret ptr {result}")
        self.start(record)
        answer = self.value(
            f"call ptr {self.word(table.RECORDER)}(ptr {self.word(table.RECORD)}, ptr %argv, "
            f"i64 %argc, ptr {result})"
        )
        self.add(f"ret ptr {answer}")

    def write(self) -> str:
        """The whole module."""
        if self.record and self.layout is None:
            raise self.error("without tensors there is nothing to record")
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
        constants = ""
        if self.kind != "function":
            constants = (
                f"@rl_table = global [{table.TABLE_WORDS} x i64] zeroinitializer, align 64\n"
            )
        body = "\n".join(self.lines)
        text = (
            f"{constants}define ptr @rl_entry({parameters}) {{\nentry:\n"
            "  %nothing = alloca ptr\n  store ptr @_Py_NoneStruct, ptr %nothing\n"
            "  %history = alloca i1\n  store i1 false, ptr %history\n"
            f"{body}\nslow:\n"
            f"  %fallback.at = getelementptr i8, ptr %table, i64 {8 * table.FALLBACK}\n"
            "  %fallback = load ptr, ptr %fallback.at\n"
            "  %answer = call ptr @PyObject_Vectorcall(ptr %fallback, ptr %argv, i64 %argc, "
            "ptr null)\n  ret ptr %answer\n}\n"
        )
        return f"{support.DECLARATIONS}{text}"
