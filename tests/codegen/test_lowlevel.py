"""Functions over words: what they compute, and what is refused."""

import ctypes

import pytest

from rushlight.codegen import cache, lowlevel

pytestmark = pytest.mark.skipif(not cache.native_supported(), reason="no machine code")


def build(text: str, name: str, count: int, offsets=None, known=()):
    """The function ``name`` of ``count`` words, and the table ``rl_known``."""
    exports = [name, "rl_known"]
    found = cache.load(
        "lowlevel",
        f"{text} {name} {offsets} {known}",
        lambda: lowlevel.compile_files([text], offsets or {}, list(known), exports),
        exports,
        opt=True,
    )
    kind = ctypes.PYFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)
    words = (ctypes.c_int64 * len(known)).from_address(found["rl_known"])
    return kind(found[name]), words


def test_arithmetic_and_loops():
    text = """
LIMIT = 1000

def collatz(n):
    '''How many steps to one.'''
    steps = 0
    while n != 1:
        if n & 1:
            n = 3 * n + 1
        else:
            n = n >> 1
        steps += 1
        if steps > LIMIT:
            return -1
    return steps
"""
    collatz, _ = build(text, "collatz", 1)
    assert [collatz(n) for n in (1, 2, 3, 27)] == [0, 1, 7, 111]


def test_breaks_and_calls():
    text = """
def is_prime(n):
    d = 2
    while d * d <= n:
        if n - n // d * d == 0:
            return 0
        d += 1
    return n >= 2

def primes(limit):
    count = 0
    n = 0
    while 1:
        n += 1
        if n > limit:
            break
        if not is_prime(n):
            continue
        count += 1
    return count
"""
    primes, _ = build(text, "primes", 1)
    assert [primes(n) for n in (0, 1, 2, 10, 100)] == [0, 0, 1, 4, 25]


def test_conditions_stop_early():
    text = """
def safe(p, q):
    if p and word(p) == 7 or q and half(q, 4) == -1:
        return 1
    return (p == 0 and q == 0) + 10 * (not p)
"""
    safe, _ = build(text, "safe", 2)
    seven, minus = ctypes.c_int64(7), (ctypes.c_int32 * 2)(0, -1)
    p, q = ctypes.addressof(seven), ctypes.addressof(minus)
    assert safe(p, 0) == 1 and safe(0, q) == 1 and safe(p, q) == 1
    assert safe(0, 0) == 11 and safe(q, 0) == 0


def test_memory():
    text = """
def copy(source, target, n):
    kept = room(4)
    i = 0
    while i < n:
        put(kept, 8 * i, word(source, 8 * i))
        i += 1
    while i > 0:
        i -= 1
        put(target, 8 * i, word(kept, 8 * (n - 1 - i)))
    put_half(target, at.field, -2)
    return byte(target, at.field) + known.number
"""
    copy, words = build(text, "copy", 3, {"field": 4}, ("other", "number"))
    words[1] = 1000
    source, target = (ctypes.c_int64 * 3)(1, 2, 3), (ctypes.c_int64 * 3)()
    assert copy(ctypes.addressof(source), ctypes.addressof(target), 3) == 1254
    assert target[0] == 3 - (2 << 32) and target[1:] == [2, 1]


def test_the_interpreter():
    text = """
def pair(o):
    group = c.PyTuple_New(2)
    if group == 0:
        return 0
    c.Py_IncRef(o)
    put(group, at.items, o)
    c.Py_IncRef(c._Py_NoneStruct)
    put(group, at.items + 8, c._Py_NoneStruct)
    return group

def twice(f, o):
    return invoke(f, o) == invoke(f, o)
"""
    pair, _ = build(text, "pair", 1, {"items": tuple.__basicsize__})
    something = object()
    address = pair(id(something))
    found = ctypes.cast(address, ctypes.py_object).value
    assert found == (something, None)
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(found))
    twice, _ = build(text, "twice", 2, {"items": tuple.__basicsize__})
    assert twice(ctypes.cast(ctypes.pythonapi.PyLong_FromSsize_t, ctypes.c_void_p).value, 5) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return unknown", "unknown is not known"),
        ("return missing(1)", "no function missing"),
        ("for i in n: pass", "For is not in the language"),
        ("a, b = n", "only names"),
        ("return 0 < n < 3", "chain of comparisons"),
        ("return other.x", "other is not known"),
        ("return [n]", "List is not in the language"),
    ],
)
def test_refusals(body, message):
    with pytest.raises(SyntaxError, match=f"f, line 2: .*{message}"):
        lowlevel.compile_files([f"def f(n):\n    {body}\n"], {}, [], ["f"])


def test_nothing_runs_as_python():
    with pytest.raises(NotImplementedError, match="for the machine"):
        lowlevel.c.Py_IncRef(1)
