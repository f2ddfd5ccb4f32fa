"""LLVM IR text from a loop-IR kernel.

Note: vector loops
    The main loop takes ``lanes * unroll`` elements a turn; the rest is done by a loop with masked
    loads and stores, or one element at a time where the machine has none. A parallel loop becomes a
    function of its own, which the kernel calls itself when the work fits into two grains.
"""

from collections.abc import Sequence

from .loopir import (
    FLOATS,
    Acc,
    Accum,
    Alloc,
    At,
    For,
    If,
    IRError,
    Kernel,
    Let,
    Return,
    Statement,
    Store,
    expressions,
    subexpressions,
    walk,
)
from .schedule import Target, lanes_of, prepare
from .verify import verify
from .writer import LLVM, Value, Writer, constant

PARALLEL_FOR = "rl_parallel_for"


def _neutral(acc: Acc) -> str:
    return constant(Acc("", acc.op, acc.dtype).init.attr, acc.dtype)


class _Function(Writer):
    """Writes the statements of one LLVM function."""

    def __init__(self, module: "_Module", label: str) -> None:
        super().__init__(module.declarations, label)
        self.module = module
        self.accumulators: dict[str, tuple[Acc, Value]] = {}
        self.masked: frozenset[str] = frozenset()  # accumulators of the vector loop
        self.allocated: list[Alloc] = []

    def block_of(self, body: Sequence[Statement]) -> None:
        for s in body:
            if isinstance(s, Let):
                self.scopes[-1].names[s.name] = self.value(s.value)
            elif isinstance(s, Store):
                self.store(s)
            elif isinstance(s, Accum):
                self.accumulate(s)
            elif isinstance(s, For):
                self.loop(s)
            elif isinstance(s, If):
                self.branch(s)
            elif isinstance(s, Alloc):
                self.buffers[s.name] = f"%{s.name}.buffer"
                self.entry.append(
                    f"  %{s.name}.buffer = alloca [{s.count} x {LLVM[s.dtype]}], align 64"
                )
            elif isinstance(s, At):
                self.buffers[s.name] = self.new(f"inttoptr i64 {self.scalar(s.address)} to ptr")
            elif isinstance(s, Return):
                self.line(f"ret i64 {self.scalar(s.value)}")

    def branch(self, s: If) -> None:
        condition = self.scalar(s.condition)
        then, after = self.name("then"), self.name("after")
        with self.scope() as inner:
            self.label(then)
            self.block_of(s.body)
            self.line(f"br label {after}")
        self.line(f"br i1 {condition}, label {then}, label {after}")
        self.scopes[-1].lines += inner.lines
        self.label(after)

    # accumulators -----------------------------------------------------------------------------

    def accumulate(self, s: Accum) -> None:
        acc, old = self.accumulators[s.name]
        wide = self.lanes > 1
        value = self.vector(s.value)
        t = self.type_of(acc.dtype, wide)
        if self.mask and s.name in self.masked:
            neutral = f"splat ({LLVM[acc.dtype]} {_neutral(acc)})"
            value = self.new(f"select <{self.lanes} x i1> {self.mask}, {t} {value}, {t} {neutral}")
        self.accumulators[s.name] = (acc, Value(self.combine(acc, old.text, value, t), wide))

    def combine(self, acc: Acc, a: str, b: str, t: str) -> str:
        if acc.op == "add":
            return self.new(f"{'fadd' if acc.dtype in FLOATS else 'add'} {t} {a}, {b}")
        if acc.op == "top":  # b replaces a only when larger: NaN never does
            return self.new(self.extreme("max", a, b, t, acc.dtype, True))
        return self.new(self.extreme(acc.op, a, b, t, acc.dtype, False))

    def join(self, accs: Sequence[Acc], sums: dict[str, Value], unroll: int) -> dict[str, Value]:
        """One vector of each accumulator from the unrolled loop's several."""
        joined = {}
        for a in accs:
            parts = [sums[f"{a.name}.{u}"].text for u in range(unroll)]
            t = self.type_of(a.dtype, True)
            while len(parts) > 1:
                parts = [self.combine(a, x, y, t) for x, y in zip(parts[::2], parts[1::2])]
            joined[f"{a.name}.0"] = Value(parts[0], True)
        return joined

    def across(
        self, accs: Sequence[Acc], sums: dict[str, Value], start: dict[str, str]
    ) -> dict[str, Value]:
        """The lanes of every accumulator combined, by halves, with its first value."""
        result = {}
        for a in accs:
            text, width = sums[f"{a.name}.0"].text, self.lanes
            while width > 1:
                half = width // 2
                t, h = f"<{width} x {LLVM[a.dtype]}>", f"<{half} x {LLVM[a.dtype]}>"
                parts = []
                for first in (0, half):
                    order = ", ".join(f"i32 {k}" for k in range(first, first + half))
                    shuffle = f"shufflevector {t} {text}, {t} poison, <{half} x i32> <{order}>"
                    parts.append(self.new(shuffle))
                text = self.combine(a, parts[0], parts[1], h)
                width = half
            text = self.new(f"extractelement <1 x {LLVM[a.dtype]}> {text}, i32 0")
            result[f"{a.name}.0"] = Value(self.combine(a, start[a.name], text, LLVM[a.dtype]))
        self.lanes, self.lane_variable = 1, ""
        return result

    # loops ------------------------------------------------------------------------------------

    def loop(self, s: For) -> None:
        if s.parallel is not None:
            self.parallel_loop(s)
            return
        begin, end = self.scalar(s.begin), self.scalar(s.end)
        if s.vector:
            result = self.vector_loop(s, begin, end)
        else:
            first = {f"{a.name}.0": Value(self.vector(a.init), self.lanes > 1) for a in s.accs}
            result, _ = self.counted(s, begin, end, first)
        for a in s.accs:
            self.scopes[-1].names[a.name] = result[f"{a.name}.0"]

    def vector_loop(self, s: For, begin: str, end: str) -> dict[str, Value]:
        if self.lanes > 1:
            raise IRError("a vector loop inside a vector loop")
        target = self.module.target
        lanes, unroll = lanes_of(s, target), s.unroll or 1
        start = {a.name: self.scalar(a.init) for a in s.accs}
        length = self.new(f"sub i64 {end}, {begin}")
        whole = self.new(f"and i64 {length}, {-lanes * unroll}")
        middle = self.new(f"add i64 {begin}, {whole}")
        self.lanes, self.lane_variable = lanes, s.name
        first = {
            f"{a.name}.{u}": Value(f"splat ({LLVM[a.dtype]} {_neutral(a)})", True)
            for u in range(unroll)
            for a in s.accs
        }
        sums, i = self.counted(s, begin, middle, first, lanes, unroll)
        sums = self.join(s.accs, sums, unroll)
        if target.masked:
            self.masked = frozenset(a.name for a in s.accs)
            sums, _ = self.counted(s, i, end, sums, lanes, 1, masked=True)
            self.masked = frozenset()
            return self.across(s.accs, sums, start)
        return self.counted(s, i, end, self.across(s.accs, sums, start))[0]

    def counted(
        self,
        s: For,
        begin: str,
        end: str,
        first: dict[str, Value],
        step: int = 1,
        unroll: int = 1,
        masked: bool = False,
    ) -> tuple[dict[str, Value], str]:
        """A loop from ``begin`` while below ``end``; its accumulators and counter at the end.

        ``first`` holds ``unroll`` values for each accumulator: name.0, name.1, ...
        """
        head, body, after = self.name("head"), self.name("body"), self.name("after")
        i, next_i = self.name("i"), self.name("i")
        before = self.block
        accs = {a.name: a for a in s.accs}
        phi = {key: self.name("a") for key in first}
        last: dict[str, str] = {}
        outer = self.accumulators
        with self.scope() as inner:
            self.label(body)
            for u in range(unroll):
                self.accumulators = outer | {
                    n: (a, Value(phi[f"{n}.{u}"], first[f"{n}.{u}"].vector))
                    for n, a in accs.items()
                }
                self.turn(s, i, u * step, end if masked else "")
                last |= {f"{n}.{u}": self.accumulators[n][1].text for n in accs}
            self.line(f"{next_i} = add i64 {i}, {step * unroll}")
            self.line(f"br label {head}")
            latch = self.block
        self.accumulators = outer
        self.line(f"br label {head}")
        self.label(head)
        self.line(f"{i} = phi i64 [ {begin}, {before} ], [ {next_i}, {latch} ]")
        for key, value in first.items():
            t = self.type_of(accs[key.split(".")[0]].dtype, value.vector)
            self.line(f"{phi[key]} = phi {t} [ {value.text}, {before} ], [ {last[key]}, {latch} ]")
        c = self.new(f"icmp slt i64 {i}, {end}")
        self.line(f"br i1 {c}, label {body}, label {after}")
        self.scopes[-1].lines += inner.lines
        self.label(after)
        return {key: Value(phi[key], value.vector) for key, value in first.items()}, i

    def turn(self, s: For, i: str, offset: int, masked_end: str) -> None:
        """One pass through the body, with the loop variable at ``i + offset`` (in lane 0)."""
        with self.scope() as inner:
            start = self.new(f"add i64 {i}, {offset}") if offset else i
            inner.names[s.name] = Value(start)
            if self.lanes > 1 and self.lane_variable == s.name:
                inner.names[f"{s.name}@0"] = Value(start)
                inner.names[s.name] = Value(self.count_lanes(start, "i64", "add"), True)
                if masked_end:
                    left = self.new(f"sub i64 {masked_end}, {start}")
                    self.mask = self.count_lanes(
                        self.new(f"trunc i64 {left} to i32"), "i32", "icmp sgt"
                    )
            self.block_of(s.body)
            if masked_end:
                self.mask = ""
        self.scopes[-1].lines += inner.lines

    def count_lanes(self, text: str, dtype: str, op: str) -> str:
        """``op`` on ``text`` in every lane and the lane's number."""
        numbers = ", ".join(f"{LLVM[dtype]} {k}" for k in range(self.lanes))
        return self.new(
            f"{op} <{self.lanes} x {LLVM[dtype]}> {self.splat(text, dtype)}, <{numbers}>"
        )

    def parallel_loop(self, s: For) -> None:
        """A function for the loop's chunks, and its call."""
        captured = self.captured(s)
        name = f"{self.module.kernel.name}.{self.module.count()}"
        context = f"%context{self.module.count()}"
        self.entry.append(f"  {context} = alloca [{max(len(captured), 1)} x i64], align 16")
        for slot, (_, t, text) in enumerate(captured):
            p = self.new(f"getelementptr i64, ptr {context}, i64 {slot}")
            self.line(f"store {t} {text}, ptr {p}")
        assert s.parallel is not None
        n, grain = self.scalar(s.end), self.scalar(s.parallel)
        here, there, after = self.name("here"), self.name("there"), self.name("after")
        inline = self.new(f"shl i64 {grain}, 1")  # two grains are not worth waking a thread
        small = self.new(f"icmp sle i64 {n}, {inline}")
        self.line(f"br i1 {small}, label {here}, label {there}")
        self.label(here)
        self.line(f"call void @{name}(ptr {context}, i64 0, i64 {n})")
        self.line(f"br label {after}")
        self.label(there)
        self.declarations.add(f"declare void @{PARALLEL_FOR}(ptr, ptr, i64, i64)")
        self.line(f"call void @{PARALLEL_FOR}(ptr @{name}, ptr {context}, i64 {n}, i64 {grain})")
        self.line(f"br label {after}")
        self.label(after)
        for scope in self.scopes:
            scope.forget_reads()
        self.module.chunk_function(name, s, captured)

    def captured(self, s: For) -> list[tuple[str, str, str]]:
        """(name, LLVM type, operand) of what the loop's body uses from outside."""
        inside = [e for each in walk(s.body) for e in expressions(each)]
        nodes = subexpressions(inside)
        buffers = {str(e.attr) for e in nodes if e.op == "load"}
        buffers |= {each.buffer for each in walk(s.body) if isinstance(each, Store)}
        found = [(b, "ptr", self.buffers[b]) for b in sorted(buffers & self.buffers.keys())]
        kinds = {str(e.attr): e.dtype for e in nodes if e.op == "var"}
        for name in sorted(kinds):
            if any(name in scope.names for scope in self.scopes):
                value = self.lookup(name)
                found.append((name, LLVM[kinds[name]], value.text))
        return found


class _Module:
    def __init__(self, kernel: Kernel, target: Target) -> None:
        self.kernel, self.target = kernel, target
        self.declarations: set[str] = set()
        self.functions: list[str] = []
        self._count = 0

    def count(self) -> int:
        self._count += 1
        return self._count

    def finish(self, f: _Function, head: str, end: str) -> None:
        lines = [f"define {head} {{", "entry:", *f.entry, *f.scopes[0].lines, end, "}"]
        self.functions.append("\n".join(lines))

    def kernel_function(self) -> None:
        f = _Function(self, "%entry")
        arguments = []
        for p in self.kernel.params:
            text = f"%{p.name}.p"
            arguments.append(f"{'ptr' if p.role != 'scalar' else LLVM[p.dtype]} {text}")
            if p.role == "scalar":
                f.scopes[0].names[p.name] = Value(text)
            else:
                f.buffers[p.name] = text
        f.block_of(self.kernel.body)
        returns = self.kernel.body and isinstance(self.kernel.body[-1], Return)
        head = f"i64 @{self.kernel.name}({', '.join(arguments)})"
        self.finish(f, head, "" if returns else "  ret i64 0")

    def chunk_function(self, name: str, s: For, captured: list[tuple[str, str, str]]) -> None:
        f = _Function(self, "%entry")
        for slot, (each, t, _) in enumerate(captured):
            p = f.new(f"getelementptr i64, ptr %context, i64 {slot}")
            text = f.new(f"load {t}, ptr {p}")
            if t == "ptr":
                f.buffers[each] = text
            else:
                f.scopes[0].names[each] = Value(text)
        if s.vector:
            f.vector_loop(s, "%begin", "%end")
        else:
            f.counted(s, "%begin", "%end", {})
        self.finish(f, f"internal void @{name}(ptr %context, i64 %begin, i64 %end)", "  ret void")


def emit(kernels: Sequence[Kernel], target: Target) -> str:
    """LLVM IR of functions ``i64 name(params...)``: pointers for buffers, numbers for scalars.

    Args:
        kernels: verified and prepared here; their names are the functions' names.
        target: the machine's vectors.
    """
    declarations: set[str] = set()
    functions: list[str] = []
    for kernel in kernels:
        verify(kernel)
        module = _Module(prepare(kernel), target)
        module.kernel_function()
        declarations |= module.declarations
        functions += module.functions
    return "\n".join([*sorted(declarations), *functions, ""])
