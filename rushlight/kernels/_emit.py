"""Writes LLVM IR for hand-scheduled kernels: typed values with operators, loops, branches.

Everything is emitted as it is called; integers known while emitting are folded.  Loops carry
values in registers (phi nodes), so the code is good without optimisation passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from struct import pack, unpack
from typing import Any

I64, I32, I1, F32, F64, PTR = "i64", "i32", "i1", "float", "double", "ptr"
_FLOATS = (F32, F64)


def vec(width: int, kind: str = F32) -> str:
    """Return the name of the vector type of ``width`` elements."""
    return f"<{width} x {kind}>"


def lanes_of(kind: str) -> int:
    """Return how many elements a vector type has."""
    return int(kind[1 : kind.index(" ")])


def _element(kind: str) -> str:
    return kind.split(" x ")[1][:-1] if kind[0] == "<" else kind


def _literal(value: float, kind: str) -> str:
    rounded: float = unpack("<f", pack("<f", value))[0] if kind == F32 else value
    return f"0x{unpack('<Q', pack('<d', rounded))[0]:016X}"


def _constant(value: float, kind: str) -> str:
    element = _element(kind)
    text = _literal(value, element) if element in _FLOATS else str(int(value))
    if kind[0] != "<":
        return text
    return f"splat ({element} {text})"


def _align(kind: str) -> int:
    return 8 if _element(kind) in (I64, F64, PTR) else 4


class Value:
    """A typed operand of the function being written."""

    __slots__ = ("fn", "kind", "text")

    def __init__(self, fn: Function, text: str, kind: str) -> None:
        self.fn, self.text, self.kind = fn, text, kind

    def _binary(self, other: Value | float, name: str, swap: bool = False) -> Value:
        fn, kind = self.fn, self.kind
        right = other.text if isinstance(other, Value) else _constant(other, kind)
        left = self.text
        if swap:
            left, right = right, left
        if _element(kind) in _FLOATS:
            return fn.emit(f"f{name} contract {kind} {left}, {right}", kind)
        if name in ("div", "rem"):
            name = "s" + name
        return fn.emit(f"{name} {kind} {left}, {right}", kind)

    def __add__(self, other: Value | float) -> Value:
        if not isinstance(other, Value) and other == 0 and _element(self.kind) not in _FLOATS:
            return self
        return self._binary(other, "add")

    def __sub__(self, other: Value | float) -> Value:
        return self._binary(other, "sub")

    def __mul__(self, other: Value | float) -> Value:
        if not isinstance(other, Value) and other == 1:
            return self
        return self._binary(other, "mul")

    def __rsub__(self, other: float) -> Value:
        return self._binary(other, "sub", swap=True)

    def __floordiv__(self, other: Value | float) -> Value:
        if not isinstance(other, Value) and other == 1:
            return self
        return self._binary(other, "div")

    def __mod__(self, other: Value | float) -> Value:
        return self._binary(other, "rem")

    def __truediv__(self, other: Value | float) -> Value:
        return self._binary(other, "div")

    def __and__(self, other: Value | int) -> Value:
        return self._binary(other, "and")

    def __or__(self, other: Value | int) -> Value:
        return self._binary(other, "or")

    def __xor__(self, other: Value | int) -> Value:
        return self._binary(other, "xor")

    __radd__ = __add__
    __rmul__ = __mul__

    def _compare(self, other: Value | float, name: str) -> Value:
        right = other.text if isinstance(other, Value) else _constant(other, self.kind)
        flag = I1 if self.kind[0] != "<" else self.kind.replace(_element(self.kind), I1)
        if _element(self.kind) in _FLOATS:
            name = {"ne": "une", "uno": "uno"}.get(name, "o" + name)
            return self.fn.emit(f"fcmp {name} {self.kind} {self.text}, {right}", flag)
        name = name if name in ("eq", "ne") else "s" + name
        return self.fn.emit(f"icmp {name} {self.kind} {self.text}, {right}", flag)

    def lt(self, other: Value | float) -> Value:
        """Return whether this is less than ``other``."""
        return self._compare(other, "lt")

    def le(self, other: Value | float) -> Value:
        """Return whether this is at most ``other``."""
        return self._compare(other, "le")

    def gt(self, other: Value | float) -> Value:
        """Return whether this is greater than ``other``."""
        return self._compare(other, "gt")

    def ge(self, other: Value | float) -> Value:
        """Return whether this is at least ``other``."""
        return self._compare(other, "ge")

    def eq(self, other: Value | float) -> Value:
        """Return whether this equals ``other``."""
        return self._compare(other, "eq")

    def ne(self, other: Value | float) -> Value:
        """Return whether this differs from ``other`` (true for NaN)."""
        return self._compare(other, "ne")


class Loop:
    """A loop being written: its counter, its carried values, and after it their last values."""

    __slots__ = ("index", "out", "values")

    def __init__(self, index: Value, values: list[Value]) -> None:
        self.index, self.values = index, values
        self.out: list[Value] = []

    def next(self, *values: Value) -> None:
        """Set the carried values of the next turn."""
        self.values = list(values)


Int = Value | int


class Function:
    """One function of a module.

    Args:
        module: the module it is added to.
        name: its symbol.
        params: pairs of name and type.
        export: whether the symbol is visible outside the module.
    """

    def __init__(
        self, module: Module, name: str, params: Sequence[tuple[str, str]], export: bool = False
    ) -> None:
        self.module, self.name, self.export = module, name, export
        self.params = [Value(self, "%" + n, kind) for n, kind in params]
        self.result = "void"
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._block = "start"
        module.functions.append(self)

    def text(self) -> str:
        """Return the function's IR."""
        linkage = "" if self.export else "internal "
        params = ", ".join(f"{p.kind} {p.text}" for p in self.params)
        head = f"define {linkage}{self.result} @{self.name}({params}) nounwind {{\nentry:"
        body = [*self._entry, "br label %start", "start:", *self._lines, "}"]
        return "\n".join([head, *body])

    # Instructions

    def fresh(self, prefix: str) -> str:
        """Return an unused name for a block."""
        return self._name(prefix)

    def _name(self, prefix: str = "v") -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def emit(self, text: str, kind: str) -> Value:
        """Add an instruction with a result of type ``kind``."""
        name = "%" + self._name()
        self._lines.append(f"{name} = {text}")
        return Value(self, name, kind)

    def do(self, text: str) -> None:
        """Add an instruction without a result."""
        self._lines.append(text)

    def const(self, value: float, kind: str) -> Value:
        """Return a constant, splat over the elements of a vector type."""
        return Value(self, _constant(value, kind), kind)

    def i64(self, value: Int) -> Value:
        """Return an integer as a value."""
        return value if isinstance(value, Value) else Value(self, str(value), I64)

    def alloca(self, kind: str, count: int = 1, align: int = 64) -> Value:
        """Return the address of memory on the stack."""
        name = "%" + self._name("a")
        self._entry.append(f"{name} = alloca {kind}, i64 {count}, align {align}")
        return Value(self, name, PTR)

    def at(self, base: Value, index: Int, kind: str = F32) -> Value:
        """Return the address ``index`` elements of ``kind`` after ``base``."""
        if not isinstance(index, Value) and index == 0:
            return base
        return self.emit(f"getelementptr {kind}, ptr {base.text}, i64 {self.i64(index).text}", PTR)

    def load(self, base: Value, kind: str = F32, index: Int = 0, align: int = 0) -> Value:
        """Return what stands at an address, ``index`` counted in elements of the type."""
        address = self.at(base, index, _element(kind))
        size = align or (8 if _element(kind) in (I64, F64, PTR) else 4)
        return self.emit(f"load {kind}, ptr {address.text}, align {size}", kind)

    def store(self, value: Value, base: Value, index: Int = 0, align: int = 0) -> None:
        """Write a value to an address, ``index`` counted in elements of its type."""
        address = self.at(base, index, _element(value.kind))
        size = align or (8 if _element(value.kind) in (I64, F64, PTR) else 4)
        self.do(f"store {value.kind} {value.text}, ptr {address.text}, align {size}")

    def splat(self, value: Value, width: int) -> Value:
        """Return a vector of ``width`` copies of a scalar."""
        kind = vec(width, value.kind)
        one = self.emit(f"insertelement {kind} poison, {value.kind} {value.text}, i64 0", kind)
        return self.emit(
            f"shufflevector {kind} {one.text}, {kind} poison, <{width} x i32> zeroinitializer",
            kind,
        )

    def shuffle(self, a: Value, b: Value | None, lanes: Sequence[int]) -> Value:
        """Return the chosen elements of two vectors laid end to end; -1 leaves one open."""
        picks = ", ".join("i32 poison" if n < 0 else f"i32 {n}" for n in lanes)
        other = "poison" if b is None else b.text
        return self.emit(
            f"shufflevector {a.kind} {a.text}, {a.kind} {other}, <{len(lanes)} x i32> <{picks}>",
            vec(len(lanes), _element(a.kind)),
        )

    def call(self, name: str, result: str, *args: Value) -> Value:
        """Call a function or intrinsic by symbol and return its result."""
        self.module.declare(name, result, [a.kind for a in args])
        listed = ", ".join(f"{a.kind} {a.text}" for a in args)
        if result == "void":
            self.do(f"call void @{name}({listed})")
            return Value(self, "", "void")
        return self.emit(f"call {result} @{name}({listed})", result)

    def suffix(self, kind: str) -> str:
        """Return an intrinsic's suffix for a type, such as ``v16f32``."""
        element = {F32: "f32", F64: "f64", I64: "i64", I32: "i32"}[_element(kind)]
        return element if kind[0] != "<" else f"v{kind[1:].split(maxsplit=1)[0]}{element}"

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Return ``a * b + c``, fused where the machine can."""
        return self.call(f"llvm.fmuladd.{self.suffix(a.kind)}", a.kind, a, b, c)

    def minimum(self, a: Value, b: Int) -> Value:
        """Return the lesser of two integers."""
        return self.call("llvm.smin.i64", I64, a, self.i64(b))

    def maximum(self, a: Value, b: Int) -> Value:
        """Return the greater of two integers."""
        return self.call("llvm.smax.i64", I64, a, self.i64(b))

    def select(self, flag: Value, a: Value, b: Value) -> Value:
        """Return ``a`` where ``flag``, else ``b``."""
        return self.emit(
            f"select {flag.kind} {flag.text}, {a.kind} {a.text}, {b.kind} {b.text}", a.kind
        )

    def cast(self, name: str, value: Value, kind: str) -> Value:
        """Return ``value`` converted by the named instruction."""
        return self.emit(f"{name} {value.kind} {value.text} to {kind}", kind)

    def masked_load(self, base: Value, mask: Value, kind: str) -> Value:
        """Return the elements where ``mask``, zeros elsewhere; memory there is not touched."""
        name = f"llvm.masked.load.{self.suffix(kind)}.p0"
        self.module.declare(name, kind, [PTR, I32, mask.kind, kind])
        return self.emit(
            f"call {kind} @{name}(ptr {base.text}, i32 {_align(kind)}, {mask.kind} {mask.text}, "
            f"{kind} zeroinitializer)",
            kind,
        )

    def masked_store(self, value: Value, base: Value, mask: Value) -> None:
        """Write the elements where ``mask``."""
        name = f"llvm.masked.store.{self.suffix(value.kind)}.p0"
        self.module.declare(name, "void", [value.kind, PTR, I32, mask.kind])
        self.do(
            f"call void @{name}({value.kind} {value.text}, ptr {base.text}, i32 {_align(value.kind)}, "
            f"{mask.kind} {mask.text})"
        )

    def lanes_below(self, count: Value, width: int) -> Value:
        """Return the mask of the elements whose position is below ``count``."""
        kind = vec(width, I32)
        steps = ", ".join(f"i32 {n}" for n in range(width))
        bound = self.splat(self.cast("trunc", count, I32), width)
        return self.emit(f"icmp slt {kind} <{steps}>, {bound.text}", vec(width, I1))

    def total(self, value: Value) -> Value:
        """Return the sum of a vector's elements, added pairwise."""
        width = lanes_of(value.kind)
        while width > 1:
            width //= 2
            low = self.shuffle(value, None, range(width))
            high = self.shuffle(value, None, range(width, 2 * width))
            value = low + high
        return self.emit(f"extractelement {value.kind} {value.text}, i64 0", _element(value.kind))

    # Control

    def label(self, label: str) -> None:
        """Begin a block."""
        self._lines.append(f"{label}:")
        self._block = label

    @contextmanager
    def loop(
        self, start: Int, stop: Int, step: Int = 1, carry: Sequence[Value] = ()
    ) -> Iterator[Loop]:
        """Write a counted loop; its body is what is written inside the ``with``."""
        first, last, by = self.i64(start), self.i64(stop), self.i64(step)
        body, after, latch = (self._name(n) for n in ("body", "after", "latch"))
        before = self._block
        self.do(f"%{body}.g = icmp slt i64 {first.text}, {last.text}")
        self.do(f"br i1 %{body}.g, label %{body}, label %{after}")
        self.label(body)
        index = Value(self, f"%{body}.i", I64)
        place = len(self._lines)
        values = [Value(self, f"%{body}.c{n}", c.kind) for n, c in enumerate(carry)]
        self._lines.extend([""] * (1 + len(values)))
        loop = Loop(index, list(values))
        yield loop
        self.do(f"br label %{latch}")
        self.label(latch)
        self.do(f"%{body}.n = add nsw i64 {index.text}, {by.text}")
        self.do(f"%{body}.t = icmp slt i64 %{body}.n, {last.text}")
        self.do(f"br i1 %{body}.t, label %{body}, label %{after}")
        self._lines[place] = (
            f"{index.text} = phi i64 [{first.text}, %{before}], [%{body}.n, %{latch}]"
        )
        for n, (c, v) in enumerate(zip(carry, loop.values)):
            self._lines[place + 1 + n] = (
                f"%{body}.c{n} = phi {c.kind} [{c.text}, %{before}], [{v.text}, %{latch}]"
            )
        self.label(after)
        loop.out = [
            self.emit(f"phi {c.kind} [{c.text}, %{before}], [{v.text}, %{latch}]", c.kind)
            for c, v in zip(carry, loop.values)
        ]

    @contextmanager
    def when(self, flag: Value) -> Iterator[None]:
        """Write what happens only if ``flag``."""
        yes, after = self._name("yes"), self._name("after")
        self.do(f"br i1 {flag.text}, label %{yes}, label %{after}")
        self.label(yes)
        yield
        self.do(f"br label %{after}")
        self.label(after)

    def ret(self, value: Value | None = None) -> None:
        """End the function."""
        if value is None:
            self.do("ret void")
        else:
            self.result = value.kind
            self.do(f"ret {value.kind} {value.text}")

    def slots(self, context: Value, names: Sequence[tuple[str, str]]) -> dict[str, Value]:
        """Return the fields of a context of 8-byte slots, loaded, by name."""
        return {
            name: self.load(self.at(context, n, I64), kind) for n, (name, kind) in enumerate(names)
        }


class Module:
    """Functions that are compiled together."""

    def __init__(self) -> None:
        self.functions: list[Function] = []
        self._declared: dict[str, str] = {}

    def declare(self, name: str, result: str, kinds: Sequence[str]) -> None:
        """Make sure a function is declared that is not defined here."""
        self._declared[name] = f"declare {result} @{name}({', '.join(kinds)})"

    def function(
        self, name: str, params: Sequence[tuple[str, str]], export: bool = False
    ) -> Function:
        """Add a function."""
        return Function(self, name, params, export)

    def text(self) -> str:
        """Return the module's IR."""
        defined: set[Any] = {f.name for f in self.functions}
        outside = [d for n, d in self._declared.items() if n not in defined]
        return "\n".join([*outside, *(f.text() for f in self.functions)])
