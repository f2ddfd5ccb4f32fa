from math import inf, nan

import pytest

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import const, load, select, var
from rushlight.codegen.simplify import simplify

X = load("x", var("i", "i64"), "f32")
I = var("i", "i64")  # noqa: E741


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (I + 0, I),
        (I * 1, I),
        (I * 0, const(0, "i64")),
        ((I + 2) + 3, I + 5),
        (X * 1.0, X),
        (X - 0.0, X),
        (X / 1.0, X),
        (ir.unary("neg", -X), X),
        (select(X > 0.0, X, X), X),
        (select(const(1, "b1"), X, 2.0), X),
        (const(2.0, "f32") * 3.0, const(6.0, "f32")),
        (ir.cast(const(300, "i64"), "u8"), const(44, "u8")),
        (ir.bitcast(const(1.0, "f32"), "i32"), const(0x3F800000, "i32")),
        (ir.maximum(const(1.0, "f32"), X), ir.maximum(X, 1.0)),
        (const(7, "i64") // 2, const(3, "i64")),
    ],
)
def test_rewrites(before, after):
    assert simplify(before, {}) is after


@pytest.mark.parametrize(
    "kept",
    [
        X + 0.0,  # -0.0 + 0.0 is 0.0
        X * 0.0,  # NaN, infinity, -0.0
        X - X,
        ir.maximum(const(nan, "f32"), X),
        const(7, "i64") // 0,
        ir.fma(const(1.0, "f32"), 2.0, 3.0),
    ],
)
def test_what_would_change_a_value_stays(kept):
    assert simplify(kept, {}) is kept


def test_folding_rounds_as_the_machine_does():
    third = simplify(const(1.0, "f32") / 3.0, {})
    assert third.attr == 0.3333333432674408
    assert simplify(const(3e38, "f32") * 10.0, {}).attr == inf
