"""Functions over machine words: a small part of Python, compiled to LLVM IR.

What touches the interpreter's own objects is written as ordinary functions over integers:

    def first(pair: int) -> int:
        item = word(pair, at.tuple_items)
        c.Py_IncRef(item)
        return item

and whole files are compiled by ``compile_files``. They are never run as Python; they import each
other only for the checkers. That keeps the code checked by the usual tools and readable.

Note: the language
    Every value is a 64-bit word; comparisons are signed. There are assignments to local names,
    ``if``, ``while``, ``break``, ``continue``, ``return``, calls, ``and``/``or``/``not``, chains of
    comparison of two, ``+ - * // & | << >>``, and

    c.NAME(...)      calls a C function (of CPython's API, or one that ``cache`` provides)
    c.NAME           the address of a C variable, such as ``c._Py_NoneStruct``
    at.NAME          a number given to ``compile_files``: the offset of a field
    known.NAME       a word of the table ``rl_known``, filled in before the first call
    word(p, o)       the word at byte ``o`` of ``p``; ``half`` (signed 32 bits) and ``byte`` as well
    put(p, o, v)     stores a word there; ``put_half`` its lower 32 bits
    room(n)          the address of n words on the stack, n a number; the same ones at each pass
    invoke(f, ...)   calls the C function at the address f
    NAME             a number from the file's top level
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_INT_RESULT = {"PyType_IsSubtype", "PyObject_IsTrue", "PyList_SetItem", "PyTuple_SetItem",
               "PyObject_RichCompareBool", "PyObject_SetAttr", "PySet_Add",
               "PySet_Discard"}  # fmt: skip
_NO_RESULT = {
    "Py_IncRef",
    "Py_DecRef",
    "PyErr_Clear",
    "PyErr_Fetch",
    "PyErr_Restore",
    "PyErr_SetNone",
    "PyMem_Free",
}
_BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "sdiv", ast.BitAnd: "and",
    ast.BitOr: "or", ast.LShift: "shl", ast.RShift: "ashr",
}  # fmt: skip
_COMPARE = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge",
}  # fmt: skip


class Names:
    """What ``c``, ``at`` and ``known`` are to the checkers; there is nothing behind it."""

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"{name}: code for the machine, not for the interpreter")


c: Any = Names()
at: Any = Names()
known: Any = Names()
word: Callable[..., int] = c
half: Callable[..., int] = c
byte: Callable[..., int] = c
put: Callable[..., None] = c
put_half: Callable[..., None] = c
room: Callable[[int], int] = c
invoke: Callable[..., int] = c


class _Function:
    """Translates one function."""

    def __init__(self, unit: "_Unit", tree: ast.FunctionDef) -> None:
        self.unit = unit
        self.tree = tree
        self.lines: list[str] = []
        self.locals: dict[str, str] = {}
        self.entry: list[str] = []
        self.count = 0
        self.loops: list[tuple[str, str]] = []  # (where to continue, where to go after)
        self.open = True  # whether the current block still wants an end

    def fail(self, node: Any, text: str) -> SyntaxError:
        return SyntaxError(f"{self.tree.name}, line {node.lineno}: {text}")

    def value(self, instruction: str) -> str:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {instruction}")
        return f"%v{self.count}"

    def add(self, line: str) -> None:
        self.lines.append(f"  {line}")

    def label(self, hint: str) -> str:
        self.count += 1
        return f"{hint}{self.count}"

    def start(self, label: str) -> None:
        if self.open:
            self.add(f"br label %{label}")
        self.lines.append(f"{label}:")
        self.open = True

    def end(self, line: str) -> None:
        """Ends the block; what follows it in the same block of Python is never reached."""
        if self.open:
            self.add(line)
        self.open = False

    def local(self, name: str) -> str:
        if name not in self.locals:
            self.locals[name] = f"%{name}.at"
            self.entry.append(f"  %{name}.at = alloca i64")
        return self.locals[name]

    def pointer(self, base: ast.expr, offset: ast.expr | None) -> str:
        start = self.expression(base)
        if offset is not None:
            start = self.value(f"add i64 {start}, {self.expression(offset)}")
        return self.value(f"inttoptr i64 {start} to ptr")

    # expressions

    def expression(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return str(int(node.value))
        if isinstance(node, ast.Name):
            if node.id in self.locals:
                return self.value(f"load i64, ptr {self.locals[node.id]}")
            if node.id in self.unit.constants:
                return str(self.unit.constants[node.id])
            raise self.fail(node, f"{node.id} is not known")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self.attribute(node.value.id, node)
        if isinstance(node, ast.BinOp):
            operation = _BINARY[type(node.op)]
            left, right = self.expression(node.left), self.expression(node.right)
            return self.value(f"{operation} i64 {left}, {right}")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.value(f"sub i64 0, {self.expression(node.operand)}")
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
            return self.truth_value(node)
        raise self.fail(node, f"{type(node).__name__} is not in the language")

    def attribute(self, group: str, node: ast.Attribute) -> str:
        if group == "at":
            return str(self.unit.offsets[node.attr])
        if group == "known":
            place = 8 * self.unit.known.index(node.attr)
            where = self.value(f"getelementptr i8, ptr @rl_known, i64 {place}")
            return self.value(f"load i64, ptr {where}")
        if group == "c":
            self.unit.variables.add(node.attr)
            return self.value(f"ptrtoint ptr @{node.attr} to i64")
        raise self.fail(node, f"{group} is not known")

    def truth_value(self, node: ast.expr) -> str:
        yes, no, join = self.label("yes"), self.label("no"), self.label("join")
        self.condition(node, yes, no)
        for label in (yes, no):
            self.start(label)
            self.end(f"br label %{join}")
        self.start(join)
        return self.value(f"phi i64 [ 1, %{yes} ], [ 0, %{no} ]")

    def call(self, node: ast.Call) -> str:
        function = node.func
        if isinstance(function, ast.Name):
            name = function.id
            if name in ("word", "half", "byte"):
                where = self.pointer(node.args[0], node.args[1] if node.args[1:] else None)
                if name == "word":
                    return self.value(f"load i64, ptr {where}")
                kind, widen = ("i32", "sext") if name == "half" else ("i8", "zext")
                return self.value(
                    f"{widen} {kind} {self.value(f'load {kind}, ptr {where}')} to i64"
                )
            if name in ("put", "put_half"):
                where = self.pointer(node.args[0], node.args[1])
                stored, kind = self.expression(node.args[2]), "i64"
                if name == "put_half":
                    stored, kind = self.value(f"trunc i64 {stored} to i32"), "i32"
                self.add(f"store {kind} {stored}, ptr {where}")
                return "0"
            if name == "room":
                self.count += 1
                size = self.expression(node.args[0])
                self.entry.append(f"  %room{self.count} = alloca i64, i64 {size}")
                return self.value(f"ptrtoint ptr %room{self.count} to i64")
            arguments = [f"i64 {self.expression(a)}" for a in node.args]
            if name == "invoke":
                target = self.value(f"inttoptr {arguments[0]} to ptr")
                return self.value(f"call i64 {target}({', '.join(arguments[1:])})")
            if name in self.unit.functions:
                return self.value(f"call i64 @{name}({', '.join(arguments)})")
            raise self.fail(node, f"no function {name}")
        assert isinstance(function, ast.Attribute)
        name = function.attr
        arguments = [f"i64 {self.expression(a)}" for a in node.args]
        result = "void" if name in _NO_RESULT else "i32" if name in _INT_RESULT else "i64"
        self.unit.externals[name] = (
            f"declare {result} @{name}({', '.join(['i64'] * len(arguments))})"
        )
        text = f"call {result} @{name}({', '.join(arguments)})"
        if result == "void":
            self.add(text)
            return "0"
        found = self.value(text)
        return self.value(f"sext i32 {found} to i64") if result == "i32" else found

    def condition(self, node: ast.expr, yes: str, no: str) -> None:
        """Jumps to one of two labels."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.condition(node.operand, no, yes)
            return
        if isinstance(node, ast.BoolOp):
            for part in node.values[:-1]:
                further = self.label("and")
                if isinstance(node.op, ast.And):
                    self.condition(part, further, no)
                else:
                    self.condition(part, yes, further)
                self.start(further)
            self.condition(node.values[-1], yes, no)
            return
        if isinstance(node, ast.Compare):
            if len(node.ops) != 1:
                raise self.fail(node, "a chain of comparisons")
            left, right = self.expression(node.left), self.expression(node.comparators[0])
            test = self.value(f"icmp {_COMPARE[type(node.ops[0])]} i64 {left}, {right}")
        else:
            test = self.value(f"icmp ne i64 {self.expression(node)}, 0")
        self.end(f"br i1 {test}, label %{yes}, label %{no}")

    # statements

    def block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign):
            result = self.expression(node.value)
            for target in node.targets:
                if not isinstance(target, ast.Name):
                    raise self.fail(node, "only names can be assigned to")
                self.add(f"store i64 {result}, ptr {self.local(target.id)}")
        elif isinstance(node, ast.AugAssign):
            assert isinstance(node.target, ast.Name)
            old = self.expression(ast.copy_location(ast.Name(node.target.id, ast.Load()), node))
            new = self.value(f"{_BINARY[type(node.op)]} i64 {old}, {self.expression(node.value)}")
            self.add(f"store i64 {new}, ptr {self.local(node.target.id)}")
        elif isinstance(node, ast.Expr):
            if not isinstance(node.value, ast.Constant):  # a docstring
                self.expression(node.value)
        elif isinstance(node, ast.If):
            self.branch(node)
        elif isinstance(node, ast.While):
            self.loop(node)
        elif isinstance(node, ast.Return):
            self.end(f"ret i64 {self.expression(node.value) if node.value else 0}")
        elif isinstance(node, ast.Break):
            self.end(f"br label %{self.loops[-1][1]}")
        elif isinstance(node, ast.Continue):
            self.end(f"br label %{self.loops[-1][0]}")
        else:
            raise self.fail(node, f"{type(node).__name__} is not in the language")

    def branch(self, node: ast.If) -> None:
        yes, no, join = self.label("then"), self.label("else"), self.label("end")
        self.condition(node.test, yes, no if node.orelse else join)
        self.start(yes)
        self.block(node.body)
        if node.orelse:
            self.end(f"br label %{join}")
            self.start(no)
            self.block(node.orelse)
        self.start(join)

    def loop(self, node: ast.While) -> None:
        test, body, after = self.label("while"), self.label("body"), self.label("after")
        self.start(test)
        self.condition(node.test, body, after)
        self.start(body)
        self.loops.append((test, after))
        self.block(node.body)
        self.loops.pop()
        self.end(f"br label %{test}")
        self.start(after)

    def write(self) -> str:
        names = [a.arg for a in self.tree.args.args]
        for name in names:
            self.add(f"store i64 %{name}, ptr {self.local(name)}")
        self.block(self.tree.body)
        self.end("ret i64 0")
        head = ", ".join(f"i64 %{name}" for name in names)
        linkage = "" if self.tree.name in self.unit.exports else "internal "
        body = "\n".join((*self.entry, *self.lines))
        return f"define {linkage}i64 @{self.tree.name}({head}) {{\nentry:\n{body}\n}}\n"


class _Unit:
    """Translates files."""

    def __init__(
        self,
        texts: Sequence[str],
        offsets: Mapping[str, int],
        known: Sequence[str],
        exports: Sequence[str],
    ) -> None:
        body = [statement for text in texts for statement in ast.parse(text).body]
        self.offsets, self.known, self.exports = offsets, known, exports
        self.functions = {n.name: n for n in body if isinstance(n, ast.FunctionDef)}
        self.constants: dict[str, int] = {}
        for node in body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                number = ast.literal_eval(node.value)
                if isinstance(number, int):
                    self.constants[node.targets[0].id] = number
        self.variables: set[str] = set()
        self.externals: dict[str, str] = {}

    def write(self) -> str:
        bodies = [_Function(self, tree).write() for tree in self.functions.values()]
        head = [f"@rl_known = global [{len(self.known) or 1} x i64] zeroinitializer"]
        head += [f"@{name} = external global i8" for name in sorted(self.variables)]
        head += self.externals.values()
        return "\n".join((*head, *bodies))


def compile_files(
    texts: Sequence[str], offsets: Mapping[str, int], known: Sequence[str], exports: Sequence[str]
) -> str:
    """The LLVM IR of all functions in some files, which share their names.

    Args:
        texts: the files.
        offsets: the values of ``at.NAME``.
        known: the names of the words of the table ``rl_known``, in order.
        exports: the functions that others call.

    Raises:
        SyntaxError: for what is not in the language.
    """
    return _Unit(texts, offsets, known, exports).write()
