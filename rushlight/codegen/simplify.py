"""Rewrites that keep every value: constant folding, and identities that hold for NaN and -0 too."""

from collections.abc import Callable, Sequence

import numpy as np

from .interpret import DTYPE, apply
from .loopir import (
    FLOATS,
    Acc,
    Accum,
    At,
    Expr,
    For,
    If,
    Let,
    Return,
    Statement,
    Store,
    const,
    rebuild,
)


def simplify(e: Expr, memo: dict[Expr, Expr]) -> Expr:
    """A cheaper expression with the same value; ``memo`` is kept by the caller."""
    found = memo.get(e)
    if found is None:
        found = _rewrite(rebuild(e, tuple(simplify(a, memo) for a in e.args)))
        memo[e] = found
    return found


def _is(e: Expr, value: float) -> bool:
    """Whether ``e`` is that constant; -0.0 is not 0.0."""
    return e.op == "const" and e.attr == value and str(e.attr)[0] != "-"


def _rewrite(e: Expr) -> Expr:
    if e.op in ("const", "var", "load", "fma"):  # fma: NumPy would round twice
        return e
    if all(a.op == "const" for a in e.args):
        return _fold(e)
    if e.op == "select":
        condition, x, y = e.args
        if condition.op == "const":
            return x if condition.attr else y
        return x if x is y else e
    if e.op == "neg" and e.args[0].op == "neg":
        return e.args[0].args[0]
    return _binary(e, *e.args) if len(e.args) == 2 else e


def _binary(e: Expr, x: Expr, y: Expr) -> Expr:
    integer = x.dtype not in FLOATS
    if (e.op == "sub" and _is(y, 0)) or (e.op in ("mul", "div") and _is(y, 1)):
        return x
    if e.op == "mul":
        if _is(x, 1):
            return y
        if integer and (_is(x, 0) or _is(y, 0)):
            return const(0, x.dtype)
    if e.op == "add" and integer:
        if _is(y, 0):
            return x
        if _is(x, 0):
            return y
        if y.op == "const" and x.op == "add" and x.args[1].op == "const":
            return rebuild(x, (x.args[0], _fold(x.args[1] + y)))
    if e.op in ("min", "max") and x.op == "const" and x.attr == x.attr:
        return rebuild(e, (y, x))  # a number goes second: the emitter has a shorter form for that
    return e


def _fold(e: Expr) -> Expr:
    values = [np.asarray(a.attr, DTYPE[a.dtype])[()] for a in e.args]
    if e.op in ("div", "rem") and e.dtype not in FLOATS and not values[1]:
        return e
    with np.errstate(all="ignore"):
        result = apply(e, values)
    return const(np.asarray(result)[()].item(), e.dtype)


def map_body(body: Sequence[Statement], change: Callable[[Expr], Expr]) -> tuple[Statement, ...]:
    """``body`` with ``change`` applied to every expression."""
    return tuple(_map(s, change) for s in body)


def _map(s: Statement, change: Callable[[Expr], Expr]) -> Statement:
    if isinstance(s, For):
        return For(
            s.name,
            change(s.end),
            map_body(s.body, change),
            begin=change(s.begin),
            accs=[Acc(a.name, a.op, a.dtype, change(a.init)) for a in s.accs],
            vector=s.vector,
            parallel=None if s.parallel is None else change(s.parallel),
            unroll=s.unroll,
        )
    if isinstance(s, If):
        return If(change(s.condition), map_body(s.body, change))
    if isinstance(s, Store):
        return Store(s.buffer, change(s.index), change(s.value))
    if isinstance(s, Let):
        return Let(s.name, change(s.value))
    if isinstance(s, Accum):
        return Accum(s.name, change(s.value))
    if isinstance(s, At):
        return At(s.name, s.dtype, change(s.address))
    if isinstance(s, Return):
        return Return(change(s.value))
    return s
