import pytest

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import (
    Acc,
    Accum,
    Alloc,
    At,
    For,
    If,
    IRError,
    Kernel,
    Let,
    Param,
    Return,
    Store,
    load,
    var,
)
from rushlight.codegen.verify import verify

X, Y, N = Param("x", "f32", "in"), Param("y", "f32", "out"), Param("n", "i64", "scalar")
I = var("i", "i64")  # noqa: E741


def test_equal_expressions_are_one_object():
    assert X[I] + 1.0 is X[I] + 1.0
    assert ir.const(0.0, "f32") is not ir.const(-0.0, "f32")
    assert ir.const(float("nan"), "f32") is ir.const(float("nan"), "f32")
    assert ir.const(1, "i64") is not ir.const(1.0, "f64")


def test_printed_form_and_hash():
    total = Acc("total", "add", "f64")
    body = [
        For("i", N.var(), [Accum("total", ir.cast(X[I], "f64"))], accs=[total], vector=True),
        Store("y", 0, ir.cast(total.value(), "f32")),
    ]
    kernel = Kernel("sum", [X, Y, N], body)
    assert kernel.text() == (
        "sum(in x: f32, out y: f32, scalar n: i64)\n"
        "  for i in [0:i64, n) vector total: f64 = add from 0.0:f64:\n"
        "    total <- f64(x[i])\n"
        "  y[0:i64] = f32(total)"
    )
    again = Kernel("sum", [X, Y, N], body)
    assert kernel == again and hash(kernel) == hash(again)
    assert kernel != Kernel("sum2", [X, Y, N], body)


def test_every_statement_prints():
    body = [
        Alloc("held", "i64", 4),
        Let("a", N.var() + 1),
        If(var("a", "i64") > 3, [Store("held", 0, var("a", "i64"))]),
        At("far", "f32", var("a", "i64")),
        For("i", 3, [Store("y", I, load("far", I, "f32"))], parallel=1),
        Return(load("held", 0, "i64")),
    ]
    text = Kernel("k", [Y, N], body).text()
    for part in ("alloc i64 x 4", "if (a > 3:i64):", "far = f32 at a", "parallel(1:i64)", "return"):
        assert part in text


@pytest.mark.parametrize(
    "make",
    [
        lambda: X[I] + ir.const(1, "i64"),
        lambda: ir.binary("and", X[I], X[I]),
        lambda: ir.unary("sqrt", I),
        lambda: ir.select(I, 1, I),
        lambda: ir.bitcast(X[I], "f64"),
        lambda: ir.math("exp", I),
        lambda: ir.const(1, "f16"),
        lambda: ir.compare("lt", X[I], I),
    ],
)
def test_wrong_dtypes_raise(make):
    with pytest.raises(IRError):
        make()


STORE = Store("y", I, X[I])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([STORE], "i: i64 is not defined"),
        ([For("i", N.var(), [Store("x", I, X[I])])], "store of f32 to x"),
        ([For("i", N.var(), [Store("y", I, I)])], "store of i64 to y"),
        ([For("i", N.var(), [Accum("t", X[I])])], "no accumulator"),
        ([For("i", 4, [For("i", 4, [STORE])])], "defined twice"),
        ([For("j", 4, [For("i", 4, [STORE], vector=True)], vector=True)], "vector loop inside"),
        ([For("i", 4, [STORE], parallel=1, begin=1)], "parallel loop starts at 0"),
        ([For("i", 4, [If(X[I] > 0.0, [STORE])], vector=True)], "If needs"),
        ([Return(ir.const(0, "i64")), Let("a", N.var())], "Return comes last"),
        ([Let("n", N.var())], "defined twice"),
        ([Store("y", 0, load("z", 0, "f32"))], "z is no buffer"),
        ([For("i", 4, [For("j", 4, [Accum("t", X[I])])], accs=[Acc("t", "add", "f32")])], "no acc"),
    ],
)
def test_verify_rejects(body, message):
    with pytest.raises(IRError, match=message):
        verify(Kernel("k", [X, Y, N], body))


def test_an_accumulator_is_a_value_only_after_its_loop():
    acc = Acc("t", "add", "f32")
    loop = For("i", N.var(), [Accum("t", X[I])], accs=[acc])
    verify(Kernel("k", [X, Y, N], [loop, Store("y", 0, acc.value())]))
    with pytest.raises(IRError, match="not defined"):
        verify(Kernel("k", [X, Y, N], [Store("y", 0, acc.value()), loop]))
