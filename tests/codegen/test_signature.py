import pytest

from rushlight.codegen import signature


def test_parts():
    s = signature.parse(
        "x: f32[...r, n], w: @f32[m, n]~?, p: int, f: float, b: bool, o: f64[3]! "
        "-> y: f32[...r, m + 2*p], o; call y, x, w, f32(f), f, m, p*2 - 1, x.strides; "
        "if m >= 2, n == 4; work r*m; status"
    )
    x, w, p, f, b, o = s.parameters
    assert [q.kind for q in s.parameters] == ["array", "array", "int", "float", "bool", "array"]
    assert (x.array.dtype, x.array.group, x.array.dims) == ("f32", "r", ["n"])
    assert w.optional and w.array.tensor and w.array.strided and not w.array.written
    assert o.array.written and o.array.dims == [3] and not o.optional
    assert s.results[0][1].dims == [("+", "m", ("*", 2, "p"))]
    assert s.results[1] == ("o", None)
    kinds = ["data", "data", "data", "f32", "float", "i64", "i64", "strides"]
    assert [kind for kind, _ in s.arguments] == kinds
    assert s.arguments[6][1] == ("-", ("*", "p", 2), 1)
    assert s.conditions == [("sge", "m", 2), ("eq", "n", 4)]
    assert s.work == ("*", "r", "m") and s.status
    assert (p.name, f.name, b.name) == ("p", "f", "b")


def test_precedence():
    s = signature.parse("a: int, b: int -> y: f32[a + b // 2 * 3 - (a - 1)]; call y")
    assert s.results[0][1].dims == [("-", ("+", "a", ("*", ("//", "b", 2), 3)), ("-", "a", 1))]


def test_no_parameters_and_no_results():
    assert signature.parse("-> y: f32[3]; call y").parameters == []
    assert signature.parse("x: f32[] -> None; call x").results == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: f32[n]", "'->' expected"),
        ("x: f32[n] -> None", "no call clause"),
        ("x: f33[n] -> None; call x", "unknown dtype"),
        ("x: f32[n, x: f32[n] -> None; call x", "expected"),
        ("x: f32[n], x: f32[n] -> None; call x", "two parameters"),
        ("x: f32[n+1] -> None; call x", "a name or a number"),
        ("x: f32[n] -> y; call x", "not an array"),
        ("x: f32[n]? -> x; call x", "not an array"),
        ("x: f32[n] -> None; shout x", "unknown clause"),
        ("x: f32[n] -> None; call x.size", "shape, strides or ndim"),
        ("x: f32[n] -> None; call x; if n", "a comparison"),
        ("x: f32[n] -> None; call x; if n > 2 3", "the end"),
        ("x: f32[n] $ -> None", "unexpected '$'"),
    ],
)
def test_errors_say_what_is_wrong(text: str, message: str):
    with pytest.raises(signature.SignatureError, match=message.replace("$", r"\$")):
        signature.parse(text)
