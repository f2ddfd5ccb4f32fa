"""The loop IR: what a kernel does, as a small printed grammar that can be hashed, run and compiled.

Note: the grammar
    kernel    ::= name(param, ...) { statement ... }
    param     ::= buffer (in, out, inout; a dtype) or scalar (a dtype)
    statement ::= For | Let | Store | Accum | If | Alloc | At | Return
    expr      ::= const | var | load | neg abs sqrt floor | add sub mul div rem min max
                  | and or xor shl ashr | copysign | fma | lt le gt ge eq ne
                  | select | cast | bitcast
                  | exp log tanh ... (see ``vecmath``, which writes them in the others)

Expressions are interned: equal expressions are one object, so a memo keyed by the object is
common subexpression elimination. ``min`` and ``max`` hand on NaN, as PyTorch's do. An expression
with loads reads memory at the statement that uses it; ``Let`` holds a value.

A loop over ``[begin, end)`` may carry accumulators (``Acc``): ``Accum`` updates one, and after the
loop its name is a value. ``vector`` says that iterations are independent but for the accumulators,
whose order is then free; ``parallel`` (a grain, in iterations) says that chunks may run in other
threads.
"""

from collections.abc import Iterator, Sequence
from math import inf

FLOATS = ("f32", "f64")
INTEGERS = ("i32", "i64", "u8")
DTYPES = (*FLOATS, *INTEGERS, "b1")
BYTES = {"f32": 4, "f64": 8, "i32": 4, "i64": 8, "u8": 1, "b1": 1}

UNARY = ("neg", "abs", "sqrt", "floor")
BINARY = ("add", "sub", "mul", "div", "rem", "min", "max", "copysign")
BITS = ("and", "or", "xor", "shl", "ashr")
COMPARE = ("lt", "le", "gt", "ge", "eq", "ne")
ACCUMULATE = ("add", "max", "min", "top")  # top: the largest but for NaN
MATH = (
    "exp",
    "exp_nonpositive",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "tanh",
    "sigmoid",
    "erf",
    "sin",
    "cos",
    "rsqrt",
    "pow",
    "silu",
    "gelu",
    "normal_cdf",
    "gelu_tanh",
    "softplus",
)


class IRError(ValueError):
    """A kernel that the grammar does not allow."""


class Expr:
    """One node of an expression; make it with the functions of this module or with operators."""

    __slots__ = ("args", "attr", "dtype", "op", "reads", "variables")
    op: str
    dtype: str
    args: "tuple[Expr, ...]"
    attr: object
    reads: bool
    variables: frozenset[str]

    def __add__(self, other: "Expr | float") -> "Expr":
        return binary("add", self, other)

    def __radd__(self, other: "Expr | float") -> "Expr":
        return binary("add", as_expr(other, self.dtype), self)

    def __sub__(self, other: "Expr | float") -> "Expr":
        return binary("sub", self, other)

    def __rsub__(self, other: "Expr | float") -> "Expr":
        return binary("sub", as_expr(other, self.dtype), self)

    def __mul__(self, other: "Expr | float") -> "Expr":
        return binary("mul", self, other)

    def __rmul__(self, other: "Expr | float") -> "Expr":
        return binary("mul", as_expr(other, self.dtype), self)

    def __truediv__(self, other: "Expr | float") -> "Expr":
        return binary("div", self, other)

    def __rtruediv__(self, other: "Expr | float") -> "Expr":
        return binary("div", as_expr(other, self.dtype), self)

    def __floordiv__(self, other: "Expr | int") -> "Expr":
        return binary("div", self, other)

    def __mod__(self, other: "Expr | int") -> "Expr":
        return binary("rem", self, other)

    def __neg__(self) -> "Expr":
        return unary("neg", self)

    def __lt__(self, other: "Expr | float") -> "Expr":
        return compare("lt", self, other)

    def __le__(self, other: "Expr | float") -> "Expr":
        return compare("le", self, other)

    def __gt__(self, other: "Expr | float") -> "Expr":
        return compare("gt", self, other)

    def __ge__(self, other: "Expr | float") -> "Expr":
        return compare("ge", self, other)

    def __and__(self, other: "Expr | int") -> "Expr":
        return binary("and", self, other)

    def __or__(self, other: "Expr | int") -> "Expr":
        return binary("or", self, other)

    def __xor__(self, other: "Expr | int") -> "Expr":
        return binary("xor", self, other)

    def __lshift__(self, other: "Expr | int") -> "Expr":
        return binary("shl", self, other)

    def __rshift__(self, other: "Expr | int") -> "Expr":
        return binary("ashr", self, other)

    def __repr__(self) -> str:
        return text_of(self)


_interned: dict[tuple[object, ...], Expr] = {}


def _make(op: str, dtype: str, args: tuple[Expr, ...] = (), attr: object = None) -> Expr:
    # repr tells 0.0 from -0.0 and makes NaN equal to itself
    key = (op, dtype, args, repr(attr))
    found = _interned.get(key)
    if found is None:
        found = Expr()
        found.op, found.dtype, found.args, found.attr = op, dtype, args, attr
        found.reads = op == "load" or any(a.reads for a in args)
        names = frozenset((str(attr),)) if op == "var" else frozenset()
        found.variables = names.union(*(a.variables for a in args))
        # dict.setdefault is atomic: two threads that build one expression get one object
        found = _interned.setdefault(key, found)
    return found


def const(value: float, dtype: str) -> Expr:
    """A constant. For ``f32`` the value is rounded when it is used."""
    if dtype not in DTYPES:
        raise IRError(f"unknown dtype {dtype!r}")
    if dtype in INTEGERS:
        bits = 8 * BYTES[dtype]
        least = 0 if dtype == "u8" else -(1 << (bits - 1))
        if not least <= value < least + (1 << bits):
            raise IRError(f"{value} is no {dtype}")
    return _make("const", dtype, (), float(value) if dtype in FLOATS else int(value))


def var(name: str, dtype: str) -> Expr:
    """A loop variable, a scalar parameter, a ``Let``, or an accumulator after its loop."""
    return _make("var", dtype, (), name)


def as_expr(value: "Expr | float", dtype: str) -> Expr:
    """``value``, a number becoming a constant of ``dtype``."""
    return value if isinstance(value, Expr) else const(value, dtype)


def load(buffer: str, index: "Expr | int", dtype: str) -> Expr:
    """The element of ``buffer`` at ``index`` (in elements)."""
    return _make("load", dtype, (as_expr(index, "i64"),), buffer)


def unary(op: str, x: Expr) -> Expr:
    """``neg``, ``abs``, ``sqrt`` or ``floor``."""
    if op not in UNARY or (op in ("sqrt", "floor") and x.dtype not in FLOATS):
        raise IRError(f"{op} of {x.dtype}")
    return _make(op, x.dtype, (x,))


def binary(op: str, x: Expr, y: "Expr | float") -> Expr:
    """Arithmetic, ``min``/``max`` (NaN wins), ``copysign`` and bit operations."""
    y = as_expr(y, x.dtype)
    if x.dtype != y.dtype:
        raise IRError(f"{op} of {x.dtype} and {y.dtype}")
    if op in BITS:
        if x.dtype in FLOATS:
            raise IRError(f"{op} of {x.dtype}")
    elif op not in BINARY or x.dtype == "b1" or (op == "copysign" and x.dtype not in FLOATS):
        raise IRError(f"{op} of {x.dtype}")
    return _make(op, x.dtype, (x, y))


def maximum(x: Expr, y: "Expr | float") -> Expr:
    """The larger of the two; NaN when either is."""
    return binary("max", x, y)


def minimum(x: Expr, y: "Expr | float") -> Expr:
    """The smaller of the two; NaN when either is."""
    return binary("min", x, y)


def compare(op: str, x: Expr, y: "Expr | float") -> Expr:
    """A ``b1``. As in IEEE 754, NaN compares unequal to everything."""
    y = as_expr(y, x.dtype)
    if op not in COMPARE or x.dtype != y.dtype:
        raise IRError(f"{op} of {x.dtype} and {y.dtype}")
    return _make(op, "b1", (x, y))


def select(condition: Expr, x: "Expr | float", y: "Expr | float") -> Expr:
    """``x`` where ``condition`` holds, else ``y``."""
    if not isinstance(x, Expr):
        if not isinstance(y, Expr):
            raise IRError("select needs an expression")
        x = const(x, y.dtype)
    y = as_expr(y, x.dtype)
    if condition.dtype != "b1" or x.dtype != y.dtype:
        raise IRError(f"select of {condition.dtype}, {x.dtype} and {y.dtype}")
    return _make("select", x.dtype, (condition, x, y))


def cast(x: Expr, dtype: str) -> Expr:
    """Conversion of the value, as C's; to ``b1``: whether it is not zero."""
    if dtype not in DTYPES:
        raise IRError(f"unknown dtype {dtype!r}")
    return x if x.dtype == dtype else _make("cast", dtype, (x,))


def bitcast(x: Expr, dtype: str) -> Expr:
    """The same bits, read as another dtype of the same width."""
    if BYTES[x.dtype] != BYTES[dtype]:
        raise IRError(f"bitcast of {x.dtype} to {dtype}")
    return x if x.dtype == dtype else _make("bitcast", dtype, (x,))


def fma(x: Expr, y: "Expr | float", z: "Expr | float") -> Expr:
    """``x * y + z``, rounded once where the machine can."""
    y, z = as_expr(y, x.dtype), as_expr(z, x.dtype)
    if x.dtype not in FLOATS or x.dtype != y.dtype or x.dtype != z.dtype:
        raise IRError(f"fma of {x.dtype}, {y.dtype} and {z.dtype}")
    return _make("fma", x.dtype, (x, y, z))


def math(function: str, *args: Expr) -> Expr:
    """A function of ``MATH``; ``vecmath.expand`` rewrites it."""
    if function not in MATH or any(a.dtype not in FLOATS or a.dtype != args[0].dtype for a in args):
        raise IRError(f"{function} of {', '.join(a.dtype for a in args)}")
    return _make(function, args[0].dtype, args)


def rebuild(e: Expr, args: tuple[Expr, ...]) -> Expr:
    """``e`` with other arguments of the same dtypes."""
    return e if args == e.args else _make(e.op, e.dtype, args, e.attr)


class Statement:
    """The base of all statements."""

    __slots__ = ()


class Acc:
    """An accumulator of a loop: its operation, dtype and first value."""

    __slots__ = ("dtype", "init", "name", "op")

    def __init__(self, name: str, op: str, dtype: str, init: Expr | None = None) -> None:
        identity = {"add": 0.0, "max": -inf, "min": inf, "top": -inf}[op]
        if dtype in INTEGERS:
            extreme = (1 << (8 * BYTES[dtype] - 1)) - 1
            identity = {"add": 0, "min": extreme}.get(op, -extreme - 1)
        self.name, self.op, self.dtype = name, op, dtype
        self.init = const(identity, dtype) if init is None else init

    def value(self) -> Expr:
        """The accumulated value, for use after the loop."""
        return var(self.name, self.dtype)


class Let(Statement):
    """``name = value``, once, in this block and the blocks inside it."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Expr) -> None:
        self.name, self.value = name, value

    def var(self) -> Expr:
        """The value, for use below."""
        return var(self.name, self.value.dtype)


class Store(Statement):
    """``buffer[index] = value``."""

    __slots__ = ("buffer", "index", "value")

    def __init__(self, buffer: str, index: "Expr | int", value: Expr) -> None:
        self.buffer, self.index, self.value = buffer, as_expr(index, "i64"), value


class Accum(Statement):
    """Add ``value`` to an accumulator of an enclosing loop (by its operation)."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Expr) -> None:
        self.name, self.value = name, value


class If(Statement):
    """``body`` when ``condition`` holds. Not inside vector loops: use ``select`` there."""

    __slots__ = ("body", "condition")

    def __init__(self, condition: Expr, body: Sequence[Statement]) -> None:
        self.condition, self.body = condition, tuple(body)


class Alloc(Statement):
    """A small scratch buffer of the kernel: ``count`` elements, a constant."""

    __slots__ = ("count", "dtype", "name")

    def __init__(self, name: str, dtype: str, count: int) -> None:
        self.name, self.dtype, self.count = name, dtype, count


class At(Statement):
    """``name``: a buffer at an address (an ``i64``), for tables of pointers. The caller must know."""

    __slots__ = ("address", "dtype", "name")

    def __init__(self, name: str, dtype: str, address: Expr) -> None:
        self.name, self.dtype, self.address = name, dtype, address

    def __getitem__(self, index: "Expr | int") -> Expr:
        return load(self.name, index, self.dtype)


class Return(Statement):
    """The kernel's result code, an ``i64``; the last statement. Without it a kernel returns 0."""

    __slots__ = ("value",)

    def __init__(self, value: Expr) -> None:
        self.value = value


class For(Statement):
    """``for name in [begin, end)``; see the Note at the head of this file."""

    __slots__ = ("accs", "begin", "body", "end", "name", "parallel", "unroll", "vector")

    def __init__(
        self,
        name: str,
        end: "Expr | int",
        body: Sequence[Statement],
        *,
        begin: "Expr | int" = 0,
        accs: Sequence[Acc] = (),
        vector: bool = False,
        parallel: "Expr | int | None" = None,
        unroll: int = 0,
    ) -> None:
        self.name, self.begin, self.end = name, as_expr(begin, "i64"), as_expr(end, "i64")
        self.body, self.accs, self.vector = tuple(body), tuple(accs), vector
        self.parallel = None if parallel is None else as_expr(parallel, "i64")
        self.unroll = unroll


class Param:
    """A parameter of a kernel: a buffer (``role`` in, out or inout) or a ``scalar``."""

    __slots__ = ("dtype", "name", "role")

    def __init__(self, name: str, dtype: str, role: str) -> None:
        self.name, self.dtype, self.role = name, dtype, role

    def __getitem__(self, index: "Expr | int") -> Expr:
        return load(self.name, index, self.dtype)

    def var(self) -> Expr:
        """The scalar's value."""
        return var(self.name, self.dtype)


class Kernel:
    """A function on buffers: parameters and statements."""

    __slots__ = ("body", "name", "params")

    def __init__(self, name: str, params: Sequence[Param], body: Sequence[Statement]) -> None:
        self.name, self.params, self.body = name, tuple(params), tuple(body)

    def text(self) -> str:
        """The printed form. Kernels with one text are one kernel."""
        roles = ", ".join(f"{p.role} {p.name}: {p.dtype}" for p in self.params)
        return "\n".join([f"{self.name}({roles})", *_lines(self.body, "  ")])

    def __repr__(self) -> str:
        return self.text()

    def __hash__(self) -> int:
        return hash(self.text())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kernel) and self.text() == other.text()


_INFIX = dict(zip(("add", "sub", "mul", "div", "rem"), "+-*/%", strict=True)) | {
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "and": "&",
    "or": "|",
    "xor": "^",
    "shl": "<<",
    "ashr": ">>",
}


def text_of(e: Expr) -> str:
    """The printed form of an expression."""
    if e.op == "const":
        return f"{e.attr}:{e.dtype}"
    if e.op == "var":
        return str(e.attr)
    args = [text_of(a) for a in e.args]
    if e.op == "load":
        return f"{e.attr}[{args[0]}]"
    if e.op in _INFIX:
        return f"({args[0]} {_INFIX[e.op]} {args[1]})"
    name = f"{e.dtype}" if e.op == "cast" else f"bits_{e.dtype}" if e.op == "bitcast" else e.op
    return f"{name}({', '.join(args)})"


def _lines(body: Sequence[Statement], indent: str) -> Iterator[str]:
    for s in body:
        if isinstance(s, For):
            flags = " vector" if s.vector else ""
            flags += f" parallel({s.parallel})" if s.parallel is not None else ""
            flags += f" unroll({s.unroll})" if s.unroll else ""
            flags += "".join(f" {a.name}: {a.dtype} = {a.op} from {a.init}" for a in s.accs)
            yield f"{indent}for {s.name} in [{s.begin}, {s.end}){flags}:"
            yield from _lines(s.body, indent + "  ")
        elif isinstance(s, If):
            yield f"{indent}if {s.condition}:"
            yield from _lines(s.body, indent + "  ")
        elif isinstance(s, Let):
            yield f"{indent}{s.name} = {s.value}"
        elif isinstance(s, Store):
            yield f"{indent}{s.buffer}[{s.index}] = {s.value}"
        elif isinstance(s, Accum):
            yield f"{indent}{s.name} <- {s.value}"
        elif isinstance(s, Alloc):
            yield f"{indent}{s.name} = alloc {s.dtype} x {s.count}"
        elif isinstance(s, At):
            yield f"{indent}{s.name} = {s.dtype} at {s.address}"
        elif isinstance(s, Return):
            yield f"{indent}return {s.value}"
        else:
            raise IRError(f"unknown statement {type(s).__name__}")


def children(s: Statement) -> tuple[Statement, ...]:
    """The statements inside ``s``."""
    return s.body if isinstance(s, (For, If)) else ()


def expressions(s: Statement) -> tuple[Expr, ...]:
    """The expressions of ``s`` itself, not of the statements inside it."""
    if isinstance(s, For):
        grain = () if s.parallel is None else (s.parallel,)
        return (s.begin, s.end, *grain, *(a.init for a in s.accs))
    if isinstance(s, Store):
        return (s.index, s.value)
    if isinstance(s, If):
        return (s.condition,)
    if isinstance(s, At):
        return (s.address,)
    if isinstance(s, (Let, Accum, Return)):
        return (s.value,)
    return ()


def walk(body: Sequence[Statement]) -> Iterator[Statement]:
    """Every statement, outer before inner."""
    for s in body:
        yield s
        yield from walk(children(s))


def subexpressions(roots: Sequence[Expr]) -> list[Expr]:
    """Every distinct node below ``roots``, arguments first."""
    seen: set[Expr] = set()
    found: list[Expr] = []

    def visit(e: Expr) -> None:
        if e not in seen:
            seen.add(e)
            for a in e.args:
                visit(a)
            found.append(e)

    for root in roots:
        visit(root)
    return found
