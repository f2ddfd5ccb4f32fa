"""How a kernel is laid on the machine: lanes, unrolling, and the functions written out."""

from collections.abc import Sequence

from .loopir import (
    Expr,
    For,
    If,
    Kernel,
    Statement,
    Store,
    expressions,
    subexpressions,
    walk,
)
from .simplify import map_body, simplify
from .vecmath import expand


class Target:
    """What the emitter must know of the machine."""

    __slots__ = ("masked", "vector_bytes")

    def __init__(self, vector_bytes: int, masked: bool) -> None:
        self.vector_bytes = vector_bytes
        self.masked = masked  # vector loads and stores with a mask

    def __repr__(self) -> str:
        return f"Target({self.vector_bytes}, masked={self.masked})"


def lanes_of(loop: For, target: Target) -> int:
    """Elements in a vector of ``loop``: as many as its commonest element allows."""
    roots = [e for s in walk(loop.body) for e in expressions(s)]
    kinds = {e.dtype for e in subexpressions(roots) if e.op == "load"}
    kinds |= {s.value.dtype for s in walk(loop.body) if isinstance(s, Store)}
    narrow = kinds & {"f32", "i32", "u8", "b1"}
    return target.vector_bytes // (4 if narrow or not kinds else 8)


def _unroll(loop: For) -> int:
    """Turns at once: several for short bodies, to hide the latency and the cost of the loop."""
    roots = [e for s in walk(loop.body) for e in expressions(s)]
    size = sum(e.op not in ("const", "var") for e in subexpressions(roots))
    if any(isinstance(s, For) for s in loop.body):
        return 1
    if not loop.accs:  # bound by memory: two turns are enough
        return 2 if size <= 12 else 1
    return 4 if size <= 16 else 2 if size <= 24 else 1


def _choose(body: Sequence[Statement]) -> tuple[Statement, ...]:
    chosen: list[Statement] = []
    for s in body:
        if isinstance(s, For):
            s = For(
                s.name,
                s.end,
                _choose(s.body),
                begin=s.begin,
                accs=s.accs,
                vector=s.vector,
                parallel=s.parallel,
                unroll=s.unroll or (_unroll(s) if s.vector else 1),
            )
        elif isinstance(s, If):
            s = If(s.condition, _choose(s.body))
        chosen.append(s)
    return tuple(chosen)


def prepare(kernel: Kernel) -> Kernel:
    """``kernel`` with the functions of ``MATH`` expanded, simplified, and unrolling chosen."""
    memo: dict[Expr, Expr] = {}
    expanded: dict[Expr, Expr] = {}

    def change(e: Expr) -> Expr:
        return simplify(expand(simplify(e, memo), expanded), memo)

    return Kernel(kernel.name, kernel.params, _choose(map_body(kernel.body, change)))
