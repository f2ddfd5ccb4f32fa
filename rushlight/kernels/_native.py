"""How a NumPy function becomes a native kernel: made on its first call, the function its fallback.

    signature = "x: f32[...s] -> y: f32[...s]; call x, y, s; work s"
    relu = native(__name__, "relu", signature, build, reference)

``build(name)`` gives the loop IR; its parameters come in the order of the ``call`` clause (see
``codegen/signature.py``). After the first call the builtin takes the name's place in its module, so
call kernels as ``elementwise.relu(x)``; a name imported on its own works too, a little slower.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.base.quiet import numeric
from rushlight.codegen import (
    builtin,
    cache,
    emit,
    loopir,
    schedule,
    simplify,
    vecmath,
    verify,
    writer,
)
from rushlight.runtime import cpu

Builder = Callable[[str], loopir.Kernel]
Reference = Callable[..., Any]

# Elements of a light pass that one thread takes at a time: about 5 us in cache. Waking another thread
# costs as much as several of these, so loops of up to two grains stay on the calling thread.
GRAIN = 65536
_HEAVY = 12  # operations from which on a formula counts as heavy


def target() -> schedule.Target:
    """This machine's vectors; masks where loads and stores have them (AVX2, AVX-512)."""
    size = cpu.vector_bytes()
    return schedule.Target(size, masked=size >= 32)


def address(name: str, build: Builder, source: str) -> int:
    """The address of the machine code of ``build(name)``; ``source`` is the file that wrote it."""
    emitter = cache.emitter_hash(
        emit, loopir, schedule, simplify, vecmath, verify, writer, __file__, source
    )
    key = f"{name} {target()} {emitter}"
    found = cache.load(name, key, lambda: emit.emit([build(name)], target()), [name])
    return found[name]


REGISTRY: dict[str, "Native"] = {}  # by "module.name": what a name was before its first call


class Native:
    """A kernel that is made on its first call."""

    def __init__(
        self,
        name: str,
        signature: str,
        build: Builder,
        fallback: "Callable[..., Any] | Native",
        variant: str,
        module: str,
        stem: str,
        worth: Callable[..., bool] | None = None,
    ) -> None:
        self.__name__, self.__module__ = name, module
        self.__doc__ = fallback.__doc__
        self.signature, self.build, self.fallback = signature, build, fallback
        self.variant, self.stem, self.worth = variant, stem, worth
        self.made: Callable[..., Any] | None = None
        REGISTRY[f"{module.rpartition('.')[2]}.{name}"] = self

    def reference(self) -> Callable[..., Any]:
        """The plain NumPy function."""
        fallback = self.fallback
        return fallback.reference() if isinstance(fallback, Native) else fallback

    def code(self) -> int:
        """The address of the machine code: ``i64 kernel(...)`` as the signature's ``call`` says."""
        stem = self.stem or self.__name__.removesuffix("_out")  # the twin is the same code
        family = self.__module__.rpartition(".")[2]
        name = "_".join(filter(None, (family, stem, self.variant)))
        return address(name, self.build, str(sys.modules[self.__module__].__file__))

    def make(self) -> Callable[..., Any]:
        """The builtin, or the plain function where generated code cannot run."""
        if self.made is None:
            module = sys.modules[self.__module__]
            if builtin.available():
                self.made = builtin.builtin(self.__name__, self.signature, self.code, self.fallback)
            else:
                self.made = self.reference()
            if vars(module).get(self.__name__) is self:
                setattr(module, self.__name__, self.made)
        return self.made

    def __call__(self, *args: Any) -> Any:
        if self.made is None:
            if self.worth is not None and not self.worth(*args):
                return self.fallback(*args)
            self.make()
        assert self.made is not None
        return self.made(*args)


def native(
    module: str,
    name: str,
    signature: str,
    build: Builder,
    fallback: Callable[..., Any],
    *,
    variant: str = "",
    stem: str = "",
    worth: Callable[..., bool] | None = None,
) -> Native:
    """A kernel; see the head of this file.

    Args:
        module: the caller's ``__name__``.
        name: the module's name for it.
        fallback: the NumPy function, or the kernel of another variant (dtype, broadcast).
        variant: tells the kernels of one name apart.
        stem: the name of the code, where several kernels share it.
        worth: whether the kernel is worth making for a call's arguments; default: for any.
    """
    return Native(name, signature, build, fallback, variant, module, stem, worth)


def arrays_only(reference: Reference) -> Reference:
    """``reference`` returning an array where NumPy makes a scalar of a 0-d result."""

    def call(*args: Any) -> Any:
        return np.asarray(reference(*args))

    call.__doc__ = reference.__doc__
    return call


def array(text: str, dtype: str = "f32", role: str = "in") -> loopir.Param:
    """A buffer from "name" or "name:dtype"."""
    name, _, kind = text.partition(":")
    return loopir.Param(name, kind or dtype, role)


def size(name: str) -> loopir.Param:
    """An ``i64`` parameter."""
    return loopir.Param(name, "i64", "scalar")


def index(name: str) -> loopir.Expr:
    """A loop variable, or another ``i64`` by name."""
    return loopir.var(name, "i64")


def flat(
    inputs: Sequence[str],
    formula: Callable[..., loopir.Expr],
    scalars: Sequence[str] = (),
    output: str = "f32",
    dtype: str = "f32",
) -> Builder:
    """``out[i] = formula(inputs[0][i], ..., scalars...)``; parameters: inputs, out, n, scalars.

    Args:
        inputs: names with an optional dtype: "x" or "mask:b1".
        output: the output's dtype.
        scalars: names of numbers of ``dtype``.
        dtype: of the inputs that name none.
    """

    def build(name: str) -> loopir.Kernel:
        arrays = [array(each, dtype) for each in inputs]
        numbers = [loopir.Param(each, dtype, "scalar") for each in scalars]
        n, i = size("n"), index("i")
        value = formula(*(a[i] for a in arrays), *(s.var() for s in numbers))
        store = loopir.Store("out", i, value)
        work = len(loopir.subexpressions([vecmath.expand(value, {})]))
        grain = GRAIN if work < _HEAVY else GRAIN // 4
        loop = loopir.For("i", n.var(), [store], vector=True, parallel=grain)
        out = loopir.Param("out", output, "out")
        return loopir.Kernel(name, [*arrays, out, n, *numbers], [loop])

    return build


_CHAIN = 2048  # terms that are summed in float32 before they go to float64


def long_sum(
    name: str,
    count: loopir.Expr,
    term: loopir.Expr,
    variable: str,
    before: Sequence[loopir.Statement] = (),
) -> tuple[loopir.Expr, list[loopir.Statement]]:
    """The sum of float32 ``term`` for ``variable`` in [0, count), in float64, and its statements.

    ``before`` are run for each element too.

    Blocks are summed in float32, which is as accurate as pairwise summation and twice as fast as
    float64 throughout.
    """
    part = loopir.Acc(f"{name}_part", "add", "f32")
    total = loopir.Acc(name, "add", "f64")
    begin = loopir.var(f"{name}_block", "i64") * _CHAIN
    block = loopir.For(
        variable,
        loopir.minimum(begin + _CHAIN, count),
        [*before, loopir.Accum(part.name, term)],
        begin=begin,
        accs=[part],
        vector=True,
    )
    body = [block, loopir.Accum(name, loopir.cast(part.value(), "f64"))]
    blocks = (count + (_CHAIN - 1)) // _CHAIN
    return total.value(), [loopir.For(f"{name}_block", blocks, body, accs=[total])]


def grain_of_rows(columns: loopir.Expr) -> loopir.Expr:
    """Rows that hold about ``GRAIN`` elements, at least one."""
    per = loopir.const(GRAIN, "i64") // loopir.maximum(columns, 1)
    return loopir.maximum(per, 1)


def twins(
    module: str,
    name: str,
    inputs: Sequence[str],
    formula: Callable[..., loopir.Expr],
    reference: Reference,
    scalars: Sequence[str] = (),
    output: str = "f32",
) -> tuple[Native, Native]:
    """The kernel ``name`` and its twin ``name_out``, float32."""
    reference = numeric(reference)

    def write(*args: Any) -> Any:
        np.copyto(args[-1], reference(*args[:-1]), casting="same_kind")
        return args[-1]

    reference = arrays_only(reference)
    # one set of names for all, so that kernels with one form share their checking code
    kinds = {"b1": "bool", "": "f32"}
    names = "xyz"[: len(inputs)]
    arrays = ", ".join(
        f"{n}: {kinds[each.partition(':')[2]]}[...s]" for n, each in zip(names, inputs)
    )
    numbers = "".join(f", {each}: float" for each in "ab"[: len(scalars)])
    passed = "".join(f", f32({each})" for each in "ab"[: len(scalars)])
    result = kinds.get(output, output)
    rest = f"; call {', '.join(names)}, out, s{passed}; work s"
    build = flat(inputs, formula, scalars, output)
    write.__doc__ = f"``{name}`` into its last argument, which is returned."
    return (
        native(module, name, f"{arrays}{numbers} -> out: {result}[...s]{rest}", build, reference),
        native(
            module,
            f"{name}_out",
            f"{arrays}{numbers}, out: {result}[...s]! -> out{rest}",
            build,
            write,
        ),
    )
