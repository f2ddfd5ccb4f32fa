"""Expressions and memory as LLVM IR text; ``emit`` adds the statements.

Note: how code is placed
    Every loop opens a scope with its own lines; when it closes, they are appended to the scope
    around it. An expression is written in the innermost scope that defines one of its variables, so
    what does not change in a loop lands before the loop (LLVM's own passes do not run). Expressions
    that read memory stay where they are used and are forgotten at the next store.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from .loopir import BYTES, FLOATS, Expr, IRError, Store, rebuild, var

LLVM = {"f32": "float", "f64": "double", "i32": "i32", "i64": "i64", "u8": "i8", "b1": "i1"}
MEMORY = LLVM | {"b1": "i8"}
_FLOAT_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "rem": "frem"}
_INT_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "div": "sdiv", "rem": "srem"} | {
    name: name for name in ("and", "or", "xor", "shl", "ashr")
}
_FLOAT_COMPARE = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_INT_COMPARE = {"lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge", "eq": "eq", "ne": "ne"}
_INTRINSIC = {"neg": "", "abs": "fabs", "sqrt": "sqrt", "floor": "floor", "copysign": "copysign"}


def constant(value: object, dtype: str) -> str:
    """A literal of LLVM's assembly language."""
    if dtype in FLOATS:
        number = float(value)  # type: ignore[arg-type]
        if dtype == "f32":
            number = struct.unpack("f", struct.pack("f", number))[0]
        return f"0x{struct.unpack('Q', struct.pack('d', number))[0]:016X}"
    if dtype == "b1":
        return "true" if value else "false"
    return str(value)


class Value:
    """An operand: its text, and whether it has one element for each lane."""

    __slots__ = ("text", "vector")

    def __init__(self, text: str, vector: bool = False) -> None:
        self.text, self.vector = text, vector


class Scope:
    """The lines of one block of code, and the names of values that it has computed."""

    __slots__ = ("lines", "memo", "names")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.memo: dict[object, Value] = {}
        self.names: dict[str, Value] = {}

    def forget_reads(self) -> None:
        self.memo = {
            k: v
            for k, v in self.memo.items()
            if not (k[0] if isinstance(k, tuple) else k).reads  # type: ignore[union-attr]
        }


class Writer:
    """Writes expressions, loads and stores of one LLVM function."""

    def __init__(self, declarations: set[str], label: str) -> None:
        self.declarations = declarations
        self.scopes = [Scope()]
        self.buffers: dict[str, str] = {}
        self.entry: list[str] = []  # allocas
        self.count = 0
        self.block = label
        self.lanes = 1
        self.lane_variable = ""
        self.mask = ""

    # text -------------------------------------------------------------------------------------

    def line(self, text: str, scope: Scope | None = None) -> None:
        (self.scopes[-1] if scope is None else scope).lines.append("  " + text)

    def name(self, stem: str = "t") -> str:
        self.count += 1
        return f"%{stem}{self.count}"

    def new(self, text: str, scope: Scope | None = None) -> str:
        result = self.name()
        self.line(f"{result} = {text}", scope)
        return result

    def label(self, name: str) -> None:
        self.scopes[-1].lines.append(f"{name[1:]}:")
        self.block = name

    def type_of(self, dtype: str, vector: bool) -> str:
        return f"<{self.lanes} x {LLVM[dtype]}>" if vector else LLVM[dtype]

    def intrinsic(self, name: str, result: str, *arguments: str) -> str:
        """``call`` of an intrinsic of LLVM on arguments written as ``type operand``."""
        types = ", ".join(
            a.rsplit(" ", 1)[0] if "splat" not in a else a.split(" splat")[0] for a in arguments
        )
        self.declarations.add(f"declare {result} @{name}({types})")
        return f"call {result} @{name}({', '.join(arguments)})"

    @contextmanager
    def scope(self) -> Iterator[Scope]:
        inner = Scope()
        self.scopes.append(inner)
        yield inner
        self.scopes.pop()
        self.scopes[-1].forget_reads()

    # expressions ------------------------------------------------------------------------------

    def home(self, e: Expr) -> Scope:
        """The scope in which ``e`` is written."""
        if not e.reads:
            for scope in reversed(self.scopes[1:]):
                if any(v in scope.names for v in e.variables):
                    return scope
            return self.scopes[0]
        return self.scopes[-1]

    def lookup(self, name: str) -> Value:
        for scope in reversed(self.scopes):
            if name in scope.names:
                return scope.names[name]
        raise IRError(f"{name} is not defined")

    def value(self, e: Expr) -> Value:
        if e.op == "const":
            return Value(constant(e.attr, e.dtype))
        if e.op == "var":
            return self.lookup(str(e.attr))
        home = self.home(e)
        found = home.memo.get(e)
        if found is None:
            found = self.load(e, home) if e.op == "load" else self.compute(e, home)
            home.memo[e] = found
        return found

    def scalar(self, e: Expr) -> str:
        value = self.value(e)
        if value.vector:
            raise IRError(f"{e} differs between lanes")
        return value.text

    def widen(self, e: Expr, value: Value) -> str:
        """The text of ``value`` with one element for each lane."""
        if value.vector or self.lanes == 1:
            return value.text
        if e.op == "const":
            return f"splat ({LLVM[e.dtype]} {value.text})"
        home = self.home(e)
        key = (e, "lanes")
        if key not in home.memo:
            home.memo[key] = Value(self.splat(value.text, e.dtype, home), True)
        return home.memo[key].text

    def splat(self, text: str, dtype: str, scope: Scope | None = None) -> str:
        t = self.type_of(dtype, True)
        one = self.new(f"insertelement {t} poison, {LLVM[dtype]} {text}, i32 0", scope)
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.new(f"shufflevector {t} {one}, {t} poison, {zeros}", scope)

    def vector(self, e: Expr) -> str:
        return self.widen(e, self.value(e))

    def compute(self, e: Expr, home: Scope) -> Value:
        values = [self.value(a) for a in e.args]
        vector = self.lanes > 1 and any(v.vector for v in values)
        x = [self.widen(a, v) if vector else v.text for a, v in zip(e.args, values)]
        source = e.args[0].dtype
        t = self.type_of(source, vector)
        is_float = source in FLOATS
        if e.op in ("min", "max"):
            text = self.extreme(e.op, x[0], x[1], t, e.dtype, e.args[1].op == "const", home)
        elif e.op in _INT_COMPARE:
            kind = f"fcmp {_FLOAT_COMPARE[e.op]}" if is_float else f"icmp {_INT_COMPARE[e.op]}"
            text = f"{kind} {t} {x[0]}, {x[1]}"
        elif e.op in _INT_BINARY:
            text = f"{(_FLOAT_BINARY if is_float else _INT_BINARY)[e.op]} {t} {x[0]}, {x[1]}"
        elif e.op == "select":
            r = self.type_of(e.dtype, vector)
            text = f"select {t} {x[0]}, {r} {x[1]}, {r} {x[2]}"
        elif e.op == "neg":
            text = f"fneg {t} {x[0]}" if is_float else f"sub {t} zeroinitializer, {x[0]}"
        elif e.op == "abs" and not is_float:
            text = self.intrinsic(
                f"llvm.abs.{self.suffix(source, vector)}", t, f"{t} {x[0]}", "i1 0"
            )
        elif e.op in _INTRINSIC:
            name = f"llvm.{_INTRINSIC[e.op]}.{self.suffix(source, vector)}"
            text = self.intrinsic(name, t, *(f"{t} {a}" for a in x))
        elif e.op == "fma":
            # fused where the machine has it: never a call into the C library
            name = f"llvm.fmuladd.{self.suffix(source, vector)}"
            text = self.intrinsic(name, t, *(f"{t} {a}" for a in x))
        elif e.op == "bitcast":
            text = f"bitcast {t} {x[0]} to {self.type_of(e.dtype, vector)}"
        elif e.op == "cast":
            text = self.cast(x[0], source, e.dtype, vector)
        else:
            raise IRError(f"cannot emit {e.op}")
        return Value(self.new(text, home), vector)

    def suffix(self, dtype: str, vector: bool) -> str:
        return (f"v{self.lanes}" if vector else "") + dtype

    def extreme(
        self, op: str, a: str, b: str, t: str, dtype: str, number: bool, home: Scope | None = None
    ) -> str:
        """min or max of a and b; ``number``: b is known not to be NaN."""
        mask = t.replace(LLVM[dtype], "i1")
        greater = "gt" if op == "max" else "lt"
        if dtype not in FLOATS:
            c = self.new(f"icmp s{greater} {t} {a}, {b}", home)
            return f"select {mask} {c}, {t} {a}, {t} {b}"
        if number:  # the form of the machine's own instruction; a, when it is NaN, stays
            c = self.new(f"fcmp o{greater} {t} {b}, {a}", home)
            return f"select {mask} {c}, {t} {b}, {t} {a}"
        c = self.new(f"fcmp o{greater} {t} {a}, {b}", home)
        m = self.new(f"select {mask} {c}, {t} {a}, {t} {b}", home)
        c = self.new(f"fcmp uno {t} {a}, {a}", home)
        return f"select {mask} {c}, {t} {a}, {t} {m}"

    def cast(self, x: str, source: str, target: str, vector: bool) -> str:
        s, t = self.type_of(source, vector), self.type_of(target, vector)
        if target == "b1":
            kind = "fcmp une" if source in FLOATS else "icmp ne"
            return f"{kind} {s} {x}, zeroinitializer"
        unsigned = source in ("u8", "b1")
        if source in FLOATS and target in FLOATS:
            op = "fpext" if target == "f64" else "fptrunc"
        elif source in FLOATS:
            op = "fptoui" if target == "u8" else "fptosi"
        elif target in FLOATS:
            op = "uitofp" if unsigned else "sitofp"
        elif BYTES[target] > BYTES[source] or source == "b1":
            op = "zext" if unsigned else "sext"
        else:
            op = "trunc"
        return f"{op} {s} {x} to {t}"

    # memory -----------------------------------------------------------------------------------

    def stride(self, index: Expr) -> int | None:
        """By how much ``index`` grows from lane to lane; None when not by a constant."""
        if self.lanes == 1 or not self.depends(index):
            return 0
        if index.op == "var":
            return 1 if index.attr == self.lane_variable else None
        if index.op in ("add", "sub"):
            a, b = (self.stride(x) for x in index.args)
            return None if a is None or b is None else a + b if index.op == "add" else a - b
        return None

    def depends(self, e: Expr) -> bool:
        """Whether ``e`` may differ between lanes."""
        return any(v == self.lane_variable or self.lookup(v).vector for v in e.variables)

    def first_lane(self, e: Expr) -> Expr:
        """``e`` for lane 0."""
        if self.lane_variable not in e.variables:
            return e
        if e.op == "var":
            return var(f"{self.lane_variable}@0", "i64")
        return rebuild(e, tuple(self.first_lane(a) for a in e.args))

    def address(self, buffer: str, dtype: str, index: Expr, home: Scope) -> str:
        where = self.scalar(self.first_lane(index))
        return self.new(
            f"getelementptr {MEMORY[dtype]}, ptr {self.buffers[buffer]}, i64 {where}", home
        )

    def load(self, e: Expr, home: Scope) -> Value:
        buffer, dtype = str(e.attr), e.dtype
        stride = self.stride(e.args[0])
        memory, align = MEMORY[dtype], min(BYTES[dtype], 8)
        if stride == 0:
            p = self.address(buffer, dtype, e.args[0], home)
            text = self.new(f"load {memory}, ptr {p}, align {align}", home)
            if dtype == "b1":
                text = self.new(f"icmp ne i8 {text}, 0", home)
            return Value(text)
        t = f"<{self.lanes} x {memory}>"
        mask_type = f"<{self.lanes} x i1>"
        if stride == 1:
            p = self.address(buffer, dtype, e.args[0], home)
            if self.mask:
                name = f"llvm.masked.load.v{self.lanes}{self.bits(dtype)}.p0"
                text = self.intrinsic(
                    name,
                    t,
                    f"ptr {p}",
                    f"i32 {align}",
                    f"{mask_type} {self.mask}",
                    f"{t} zeroinitializer",
                )
            else:
                text = f"load {t}, ptr {p}, align {align}"
        else:
            index = self.vector(e.args[0])
            p = self.new(
                f"getelementptr {memory}, ptr {self.buffers[buffer]}, <{self.lanes} x i64> {index}",
                home,
            )
            mask = self.mask or "splat (i1 true)"
            name = f"llvm.masked.gather.v{self.lanes}{self.bits(dtype)}.v{self.lanes}p0"
            text = self.intrinsic(
                name,
                t,
                f"<{self.lanes} x ptr> {p}",
                f"i32 {align}",
                f"{mask_type} {mask}",
                f"{t} zeroinitializer",
            )
        result = self.new(text, home)
        if dtype == "b1":
            result = self.new(f"icmp ne {t} {result}, zeroinitializer", home)
        return Value(result, True)

    @staticmethod
    def bits(dtype: str) -> str:
        return {"u8": "i8", "b1": "i8"}.get(dtype, dtype)

    def store(self, s: Store) -> None:
        dtype = s.value.dtype
        stride = self.stride(s.index)
        scope = self.scopes[-1]
        if self.lanes > 1 and stride != 1:
            raise IRError(
                f"store to {s.buffer}[{s.index}] in a vector loop: lanes must be neighbours"
            )
        value = self.vector(s.value)
        if dtype == "b1":
            wide = self.lanes > 1
            t = f"<{self.lanes} x i8>" if wide else "i8"
            value = self.new(f"zext {self.type_of('b1', wide)} {value} to {t}")
        p = self.address(s.buffer, dtype, s.index, scope)
        memory, align = MEMORY[dtype], min(BYTES[dtype], 8)
        if self.lanes == 1:
            self.line(f"store {memory} {value}, ptr {p}, align {align}")
        elif not self.mask:
            self.line(f"store <{self.lanes} x {memory}> {value}, ptr {p}, align {align}")
        else:
            t = f"<{self.lanes} x {memory}>"
            name = f"llvm.masked.store.v{self.lanes}{self.bits(dtype)}.p0"
            self.line(
                self.intrinsic(
                    name,
                    "void",
                    f"{t} {value}",
                    f"ptr {p}",
                    f"i32 {align}",
                    f"<{self.lanes} x i1> {self.mask}",
                )
            )
        for each in self.scopes:
            each.forget_reads()
