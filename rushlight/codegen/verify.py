"""Whether a kernel keeps the rules of the grammar; run before anything is emitted."""

from collections.abc import Sequence

from .loopir import (
    Accum,
    Alloc,
    At,
    Expr,
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
)


class _Checker:
    def __init__(self, kernel: Kernel) -> None:
        self.names: dict[str, str] = {}
        self.buffers: dict[str, tuple[str, bool]] = {}
        self.vector = False
        for p in kernel.params:
            self.fresh(p.name)
            if p.role == "scalar":
                self.names[p.name] = p.dtype
            elif p.role in ("in", "out", "inout"):
                self.buffers[p.name] = (p.dtype, p.role != "in")
            else:
                raise IRError(f"{p.name}: unknown role {p.role!r}")

    def fresh(self, name: str) -> None:
        if name in self.names or name in self.buffers:
            raise IRError(f"{name} is defined twice")

    def expression(self, root: Expr) -> None:
        for e in subexpressions((root,)):
            if e.op == "var" and self.names.get(str(e.attr)) != e.dtype:
                raise IRError(f"{e.attr}: {e.dtype} is not defined here")
            if e.op == "load":
                if self.buffers.get(str(e.attr), ("", False))[0] != e.dtype:
                    raise IRError(f"{e.attr} is no buffer of {e.dtype}")
                if e.args[0].dtype != "i64":
                    raise IRError(f"{e}: an index must be i64")

    def block(self, body: Sequence[Statement], accs: dict[str, str]) -> None:
        """``accs``: the accumulators that statements of this very block may update."""
        outside = dict(self.names)
        for s in body:
            for e in expressions(s):
                self.expression(e)
            if isinstance(s, Let):
                self.fresh(s.name)
                self.names[s.name] = s.value.dtype
            elif isinstance(s, Store):
                dtype, writable = self.buffers.get(s.buffer, ("", False))
                if dtype != s.value.dtype or not writable or s.index.dtype != "i64":
                    raise IRError(f"store of {s.value.dtype} to {s.buffer}")
            elif isinstance(s, Accum):
                if accs.get(s.name) != s.value.dtype:
                    raise IRError(f"{s.name} is no accumulator of {s.value.dtype} in this block")
            elif isinstance(s, At):
                self.fresh(s.name)
                if s.address.dtype != "i64" or self.vector:
                    raise IRError(f"{s.name}: an address is an i64, outside vector loops")
                self.buffers[s.name] = (s.dtype, True)
            elif isinstance(s, Alloc):
                self.fresh(s.name)
                self.buffers[s.name] = (s.dtype, True)
            elif isinstance(s, If):
                if self.vector or s.condition.dtype != "b1":
                    raise IRError("If needs a b1 and no vector loop around it")
                self.block(s.body, {})
            elif isinstance(s, For):
                self.loop(s)
            elif isinstance(s, Return) and (s is not body[-1] or s.value.dtype != "i64"):
                raise IRError("Return comes last, with an i64")
        self.names = outside

    def loop(self, s: For) -> None:
        if s.begin.dtype != "i64" or s.end.dtype != "i64":
            raise IRError(f"the bounds of {s.name} must be i64")
        if s.vector and self.vector:
            raise IRError("a vector loop inside a vector loop")
        if s.parallel is not None and (
            s.accs or self.vector or s.begin.op != "const" or s.begin.attr != 0
        ):
            raise IRError("a parallel loop starts at 0 and has no accumulators")
        self.fresh(s.name)
        for a in s.accs:
            self.fresh(a.name)
        before, self.vector = self.vector, self.vector or s.vector
        self.names[s.name] = "i64"
        self.block(s.body, {a.name: a.dtype for a in s.accs})
        del self.names[s.name]
        self.vector = before
        self.names |= {a.name: a.dtype for a in s.accs}


def verify(kernel: Kernel) -> None:
    """Raise ``IRError`` unless every name, dtype and loop of ``kernel`` is in order."""
    _Checker(kernel).block(kernel.body, {})
