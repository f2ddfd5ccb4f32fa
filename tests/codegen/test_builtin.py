import contextlib
import ctypes
import gc
import sys
import threading

import numpy as np
import pytest

from rushlight.base.config import config
from rushlight.codegen import builtin as maker
from rushlight.codegen import cache, lowlevel, numpy_abi, signature

IR = """
define void @add(ptr %o, ptr %a, ptr %b, i64 %n) {
entry:
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %i2, %step ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %step, label %end
step:
  %p = getelementptr float, ptr %a, i64 %i
  %q = getelementptr float, ptr %b, i64 %i
  %r = getelementptr float, ptr %o, i64 %i
  %x = load float, ptr %p
  %y = load float, ptr %q
  %z = fadd float %x, %y
  store float %z, ptr %r
  %i2 = add i64 %i, 1
  br label %look
end:
  ret void
}
define void @row_sum(ptr %o, ptr %x, i64 %rows, i64 %n) {
entry:
  br label %rows.look
rows.look:
  %r = phi i64 [ 0, %entry ], [ %r2, %row.end ]
  %more = icmp slt i64 %r, %rows
  br i1 %more, label %row, label %end
row:
  %first = mul i64 %r, %n
  br label %look
look:
  %i = phi i64 [ 0, %row ], [ %i2, %step ]
  %s = phi float [ 0.0, %row ], [ %s2, %step ]
  %go = icmp slt i64 %i, %n
  br i1 %go, label %step, label %row.end
step:
  %k = add i64 %first, %i
  %p = getelementptr float, ptr %x, i64 %k
  %v = load float, ptr %p
  %s2 = fadd float %s, %v
  %i2 = add i64 %i, 1
  br label %look
row.end:
  %q = getelementptr float, ptr %o, i64 %r
  store float %s, ptr %q
  %r2 = add i64 %r, 1
  br label %rows.look
end:
  ret void
}
; Writes its arguments, as doubles, to the first.
define void @list(ptr %o, ptr %w, i64 %a, i64 %b, i64 %c, double %d, float %f) {
  %null = icmp eq ptr %w, null
  %w2 = uitofp i1 %null to double
  store double %w2, ptr %o
  %a2 = sitofp i64 %a to double
  %p1 = getelementptr double, ptr %o, i64 1
  store double %a2, ptr %p1
  %b2 = sitofp i64 %b to double
  %p2 = getelementptr double, ptr %o, i64 2
  store double %b2, ptr %p2
  %c2 = sitofp i64 %c to double
  %p3 = getelementptr double, ptr %o, i64 3
  store double %c2, ptr %p3
  %p4 = getelementptr double, ptr %o, i64 4
  store double %d, ptr %p4
  %f2 = fpext float %f to double
  %p5 = getelementptr double, ptr %o, i64 5
  store double %f2, ptr %p5
  ret void
}
define i32 @status(ptr %o, i64 %n) {
  %t = trunc i64 %n to i32
  ret i32 %t
}
define void @two(ptr %a, ptr %b) {
  store float 1.0, ptr %a
  store float 2.0, ptr %b
  ret void
}
define void @strides(ptr %o, ptr %shape, ptr %strides, i64 %nd) {
  %a = load i64, ptr %shape
  store i64 %a, ptr %o
  %b = load i64, ptr %strides
  %p = getelementptr i64, ptr %o, i64 1
  store i64 %b, ptr %p
  %q = getelementptr i64, ptr %o, i64 2
  store i64 %nd, ptr %q
  ret void
}
define void @nothing(ptr %a) {
  ret void
}
"""
NAMES = ["add", "row_sum", "list", "status", "two", "strides", "nothing"]


def kernel(name: str):
    return lambda: cache.load("test-builtin", IR, lambda: IR, NAMES)[name]


class Fallback:
    """Remembers the calls it gets."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __call__(self, *args):
        self.calls.append(args)
        return "fallback"


@pytest.fixture
def fallback() -> Fallback:
    return Fallback()


def make(text: str, name: str, fallback, **options):
    return maker.builtin(name, text, kernel(name), fallback, **options)


ADD = "a: f32[...s], b: f32[...s] -> out: f32[...s]; call out, a, b, s"
F = np.float32


@pytest.mark.parametrize("shape", [(), (1,), (4, 4), (2, 3, 5), (1,) * 32, (100_000,)])
def test_elementwise(shape: tuple[int, ...], fallback: Fallback):
    add = make(ADD, "add", fallback)
    a = np.random.default_rng(0).standard_normal(shape).astype(F).reshape(shape)
    b = np.random.default_rng(1).standard_normal(shape).astype(F).reshape(shape)
    out = add(a, b)
    assert type(out) is np.ndarray and out.dtype == F and out.shape == shape
    assert np.array_equal(out, a + b)
    assert out.flags.owndata and out.flags.writeable and out.flags.c_contiguous
    assert not fallback.calls


def test_it_is_a_builtin(fallback: Fallback):
    add = make(ADD, "add", fallback)
    assert type(add) is type(len)
    assert add.__name__ == "add"
    with pytest.raises(TypeError, match="keyword"):
        add(a=1, b=2)


def test_reduction(fallback: Fallback):
    text = "x: f32[...r, n] -> out: f32[...r]; call out, x, r, n"
    row_sum = make(text, "row_sum", fallback)
    x = np.arange(24, dtype=F).reshape(2, 3, 4)
    assert np.array_equal(row_sum(x), x.sum(-1))
    assert np.array_equal(row_sum(x[0, 0]), x[0, 0].sum())
    assert row_sum(x[0, 0]).shape == ()
    assert not fallback.calls
    assert row_sum(F(3)) == row_sum(np.float32(3).reshape(())) == "fallback"


class Sub(np.ndarray):
    pass


def unusual():
    a = np.ones((4, 6), F)
    misaligned = np.frombuffer(b"\0" * 97, np.uint8)[1:].view(F).reshape(4, 6)
    others = [
        a.astype(np.float64),
        a.astype(np.int32),
        a.astype(">f4"),
        np.ones((4, 12), F)[:, ::2],
        np.asfortranarray(a),
        a[:3],
        a[None],
        a[0],
        a.view(Sub),
        np.ma.masked_array(a),
        misaligned,
        a.tolist(),
        None,
        1.0,
        "x",
        F(1),
        object(),
    ]
    for other in others:
        yield a, other
        yield other, a
    yield ()
    yield (a,)
    yield a, a, a
    yield np.ones((0, 3), F), np.ones((0, 3), F)


def test_anything_unusual_goes_to_the_fallback(fallback: Fallback):
    add = make(ADD, "add", fallback)
    for args in unusual():
        before = [sys.getrefcount(x) for x in args]
        assert add(*args) == "fallback"
        got = fallback.calls.pop()
        assert len(got) == len(args) and all(x is y for x, y in zip(got, args))
        del got
        assert [sys.getrefcount(x) for x in args] == before


def test_errors_of_the_fallback_arrive():
    def fail(*args):
        raise LookupError("from the fallback")

    with pytest.raises(LookupError, match="from the fallback"):
        make(ADD, "add", fail)(1, 2)


def test_no_references_are_lost(fallback: Fallback):
    add = make(ADD, "add", fallback)
    a, b = np.ones((3, 4), F), np.ones((3, 4), F)
    objects = (a, b, np.dtype(F), None, np.ndarray, a.dtype)
    fresh = np.ones(3)
    add(a, b)
    gc.collect()
    before = [sys.getrefcount(x) for x in objects]
    blocks = sys.getallocatedblocks()
    for _ in range(1000):
        add(a, b)
        out = add(a, b)
        assert sys.getrefcount(out) == sys.getrefcount(fresh)
    del out
    for count, old in zip([sys.getrefcount(x) for x in objects], before):
        assert abs(count - old) < 100  # others count on None as well
    assert abs(sys.getallocatedblocks() - blocks) < 50


def test_scalars_and_optional_arrays(fallback: Fallback):
    text = (
        "x: f32[...r, k], eps: float, n: int, flag: bool, w: f32[3, k]? "
        "-> out: f64[6]; call out, w, r, k, n + flag, eps, f32(eps)"
    )
    f = make(text, "list", fallback)
    x, w = np.ones((2, 4, 5), F), np.ones((3, 5), F)
    small = float(F(0.1))
    assert f(x, 0.1, 7, False, w).tolist() == [0, 8, 5, 7, 0.1, small]
    assert f(x, 0.1, -7, True, None).tolist() == [1, 8, 5, -6, 0.1, small]
    assert f(x, 0.1, -1, False).tolist() == [1, 8, 5, -1, 0.1, small]
    assert f(x, -1, 2**62, False).tolist() == [1, 8, 5, 2**62, -1, -1]
    assert f(x, 3, 0, True).tolist() == [1, 8, 5, 1, 3, 3]
    assert not fallback.calls
    for bad in (
        (x, 0.1),
        (x, 0.1, 7, False, w, None),
        (x, True, 7, False),
        (x, "1", 7, False),
        (x, np.float64(1), 7, False),
        (x, 2**2000, 7, False),
        (x, 0.1, 7.0, False),
        (x, 0.1, True, False),
        (x, 0.1, np.int64(7), False),
        (x, 0.1, 2**63, False),
        (x, 0.1, 7, 0),
        (x, 0.1, 7, None),
        (x, 0.1, 7, False, w[:2]),
        (x, 0.1, 7, False, w[:, :4].copy()),
        (x, 0.1, 7, False, 5),
        (None, 0.1, 7, False),
    ):
        assert f(*bad) == "fallback", bad[1:]


def test_several_results_and_arguments_handed_back(fallback: Fallback):
    text = "x: f32[...s] -> a: f32[...s], b: f32[...s, 3], x; call a, b"
    two = make(text, "two", fallback)
    x = np.zeros((2, 3), F)
    before = sys.getrefcount(x)
    a, b, same = two(x)
    assert same is x and a.shape == (2, 3) and b.shape == (2, 3, 3)
    assert a[0, 0] == 1 and b[0, 0, 0] == 2
    del a, b, same
    assert sys.getrefcount(x) == before


def test_shapes_from_expressions_and_conditions(fallback: Fallback):
    text = (
        "x: f32[n, c, h, w], k: int, p: int, s: int -> "
        "y: f32[n, (h + 2*p - k)//s + 1, (w + 2*p - k)//s + 1, 2]; call y; if c >= 2, k <= h"
    )
    f = make(text, "nothing", fallback)
    x = np.ones((2, 3, 8, 9), F)
    assert f(x, 3, 1, 2).shape == (2, 4, 5, 2)
    assert f(x, 8, 0, 1).shape == (2, 1, 2, 2)
    assert not fallback.calls
    for bad in ((x, 3, 1, 0), (x, 3, 1, -1), (x, 9, 0, 1), (x, 3, -5, 1), (x[:, :1], 3, 1, 1)):
        assert f(*bad) == "fallback"


def test_constant_dims(fallback: Fallback):
    f = make("x: f32[n, 3], y: f32[3] -> out: f32[n]; call out", "nothing", fallback)
    assert f(np.ones((4, 3), F), np.ones(3, F)).shape == (4,)
    assert f(np.ones((4, 2), F), np.ones(3, F)) == "fallback"
    assert f(np.ones((4, 3), F), np.ones(4, F)) == "fallback"


def test_status_leads_to_the_fallback(fallback: Fallback):
    f = make("n: int -> out: f32[2]; call out, n; status", "status", fallback)
    assert f(0).shape == (2,)
    assert f(1) == "fallback"
    assert fallback.calls == [(1,)]


def test_written_arrays(fallback: Fallback):
    text = "x: f32[...s]!, y: f32[...s], z: f32[...s]? -> x; call x"
    f = make(text, "nothing", fallback)
    memory = np.zeros(100, F)
    x, y = memory[:40], memory[40:80]
    assert f(x, y) is x
    assert f(x, x) is x
    assert f(x, y, x) is x
    assert f(x, y, None) is x
    assert not fallback.calls
    assert f(memory[:40], memory[30:70]) == "fallback"
    assert f(memory[30:70], memory[:40]) == "fallback"
    assert f(x, y, memory[1:41]) == "fallback"
    frozen = y.copy()
    frozen.flags.writeable = False
    assert f(x, frozen) is x
    assert f(frozen, x) == "fallback"


def test_two_written_arrays_must_differ(fallback: Fallback):
    f = make("x: f32[n]!, y: f32[n]! -> None; call x", "nothing", fallback)
    x, y = np.zeros(4, F), np.zeros(4, F)
    assert f(x, y) is None
    assert f(x, x) == "fallback"


def test_strided_arrays(fallback: Fallback):
    text = "o: i64[3]!, x: f32[a, b]~ -> None; call o, x.shape, x.strides, x.ndim"
    f = make(text, "strides", fallback)
    o = np.zeros(3, np.int64)
    x = np.zeros((6, 10), F)[::2, ::-1].T
    assert f(o, x) is None
    assert o.tolist() == [10, -4, 2]
    whole = np.zeros(12, np.int64)
    inside = whole.view(F).reshape(4, 6)[:, ::2]
    assert f(whole[:3], inside) == "fallback"


def test_failing_allocation_goes_to_the_fallback(fallback: Fallback):
    f = make("n: int -> a: f32[3], out: f64[n, n]; call a", "nothing", fallback)
    assert f(2**22) == "fallback"
    assert f(2**40) == "fallback"
    assert len(f(2)) == 2


def test_every_dtype(fallback: Fallback):
    for name in signature.DTYPES:
        f = make(f"x: {name}[n] -> y: {name}[n]; call y", "nothing", fallback)
        x = np.zeros(3, numpy_abi.NUMPY_NAMES[name])
        assert f(x).dtype is x.dtype
    assert not fallback.calls


def test_the_lock_is_released_for_large_work(fallback: Fallback):
    # A kernel that waits for another Python thread can only end if that thread can run.
    ir = """
define void @wait(ptr %flag) {
entry:
  br label %look
look:
  %v = load atomic i64, ptr %flag acquire, align 8
  %set = icmp ne i64 %v, 0
  br i1 %set, label %end, label %look
end:
  ret void
}
"""
    address = cache.load("test-wait", ir, lambda: ir, ["wait"])["wait"]
    wait = maker.builtin("wait", "x: i64[n] -> None; call x", address, fallback)
    flag = np.zeros(20_000, np.int64)
    timer = threading.Timer(0.05, lambda: flag.__setitem__(0, 1))
    timer.start()
    assert wait(flag) is None
    timer.join()
    assert flag[0] == 1


def test_signatures_that_cannot_be_compiled(fallback: Fallback):
    for text in (
        "x: f32[n] -> y: f32[m]; call y",
        "x: f32[n]? -> None; call x",
        "x: f32[n] -> None; call x, q",
        "x: f32[n] -> y: f32[...s]; call y",
        "x: f32[n]!?, y: f32[2] -> None; call x",
    ):
        with pytest.raises(signature.SignatureError):
            make(text, "nothing", fallback)


def test_without_native_code_it_is_the_fallback(
    fallback: Fallback, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(config, "native", False)
    assert make(ADD, "add", fallback) is fallback
    assert maker.method("m", ADD, 0, fallback, None) is fallback


def test_unknown_structs_mean_no_native_code(fallback: Fallback, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(numpy_abi, "check", lambda: False)
    assert make(ADD, "add", fallback) is fallback


def test_environment_variable(run):
    script = """
import sys
import numpy as np
from rushlight.codegen import builtin
f = builtin.builtin("f", "x: f32[n] -> None; call x", lambda: 1 / 0, np.exp)
assert f is np.exp and "llvmlite" not in sys.modules
from rushlight.runtime import memory
assert memory.memory_stats()["live_blocks"] == 0
print("done")
"""
    assert run(script, RUSHLIGHT_NATIVE="0") == "done\n"


def test_without_llvmlite(run, tmp_path):
    script = """
import sys
sys.modules["llvmlite"] = None
import numpy as np
from rushlight.codegen import builtin, cache
assert cache.native_supported()
f = builtin.builtin("f", "x: f32[n] -> None; call x", 0, np.exp)
assert f is np.exp
assert not cache.native_supported()
print("done")
"""
    assert run(script, RUSHLIGHT_CACHE=str(tmp_path)) == "done\n"


def test_lazy(fallback: Fallback):
    made = []

    def address() -> int:
        made.append(1)
        return kernel("add")()

    namespace: dict = {}
    stand_in = maker.lazy_builtin(namespace, "add", ADD, address, fallback)
    namespace["add"] = stand_in
    assert not made
    a = np.ones(3, F)
    assert np.array_equal(namespace["add"](a, a), a + a)
    assert type(namespace["add"]) is type(len)
    assert np.array_equal(stand_in(a, a), a + a)
    assert made == [1]


def test_wrapper_code_is_shared(fallback: Fallback):
    make(ADD, "add", fallback)
    before = cache.statistics()
    other = maker.builtin("other", ADD, kernel("add"), fallback)
    assert cache.statistics() == before
    assert np.array_equal(other(np.ones(2, F), np.ones(2, F)), [2, 2])


# on tensors


class Tensor:
    __slots__ = ("__dict__", "__weakref__", "_array", "_edge", "_grad", "_index", "_meta")

    def __init__(self, array, edge=None, meta=None):
        self._array, self._edge, self._meta = array, edge, meta
        self._grad, self._index = None, 0


class Parameter(Tensor):
    __slots__ = ()


METHOD = "a: @f32[...s], b: @f32[...s] -> out: @f32[...s]; call out, a, b, s"


RECORDER = """
def recorder(record, args, n, result):
    values = room(8)
    put(values, 0, result)
    i = 0
    while i < n:
        put(values, 8 * i + 8, word(args, 8 * i))
        i += 1
    answer = c.PyObject_Vectorcall(record, values, n + 1, 0)
    c.Py_DecRef(result)
    return answer
"""


@pytest.fixture(scope="module")
def tensors() -> maker.TensorClass:
    found = cache.load(
        "recorder",
        RECORDER,
        lambda: lowlevel.compile_files([RECORDER], {}, (), ["recorder"]),
        ["recorder"],
    )
    return maker.TensorClass(
        Tensor,
        plain=("_meta",),
        fields={"_edge": None, "_grad": None, "_index": 0, "_meta": None},
        recorder=found["recorder"],
    )


@pytest.fixture
def plus(tensors: maker.TensorClass, fallback: Fallback):
    Tensor.__add__ = maker.method("__add__", METHOD, kernel("add"), fallback, tensors, kind="o")
    yield
    del Tensor.__add__


def test_method(plus, fallback: Fallback):
    a, b = np.ones((4, 4), F), np.full((4, 4), 2, F)
    x, y = Tensor(a), Parameter(b)
    for out in (x + y, y + x, x + x):
        assert type(out) is Tensor
        assert (out._edge, out._grad, out._index, out._meta) == (None, None, 0, None)
        assert out.__dict__ == {}
        assert gc.is_tracked(out)
    assert np.array_equal((x + y)._array, a + b)
    assert not fallback.calls
    array, fresh = (x + y)._array, np.ones(3)
    assert sys.getrefcount(array) == sys.getrefcount(fresh)


def test_method_falls_back(plus, fallback: Fallback, tensors: maker.TensorClass):
    a = np.ones((4, 4), F)
    x = Tensor(a)
    for other in (
        1.0,
        a,
        None,
        Tensor(a, edge="node"),
        Tensor(a, meta=()),
        Tensor(a[:2]),
    ):
        assert x + other == "fallback"
        self, got = fallback.calls.pop()
        assert self is x and got is other
    assert Tensor(a, edge="node") + x == "fallback"
    unset = Tensor.__new__(Tensor)
    assert x + unset == "fallback"
    unset._edge = unset._meta = None
    assert x + unset == "fallback"
    tensors.guard.intercept = 1
    assert x + x == "fallback"
    tensors.guard.intercept = 0
    assert type(x + x) is Tensor


def test_gradients_off_in_this_thread(plus, fallback: Fallback, tensors: maker.TensorClass):
    x = Tensor(np.ones(4, F), edge="node")
    tensors.guard.grad_off_thread = threading.get_ident()
    try:
        assert type(x + x) is Tensor and (x + x)._edge is None
        found = []
        thread = threading.Thread(target=lambda: found.append(x + x))
        thread.start()
        thread.join()
        assert found == ["fallback"]
    finally:
        tensors.guard.grad_off_thread = 0
    assert x + x == "fallback"


def test_recording(tensors: maker.TensorClass, fallback: Fallback):
    recorded = []

    def record(out, *args):
        recorded.append(args)
        out._edge = "node"
        return out

    text = "a: @f32[...s], b: @f32[...s]? -> out: @f32[...s]; call out, a, a, s"
    Tensor.plus = maker.method("plus", text, kernel("add"), fallback, tensors, record=record)
    plus = make(text, "add", fallback, tensors=tensors, record=record)
    x, leaf = Tensor(np.ones(4, F)), Parameter(np.ones(4, F), edge="leaf")
    for args in ((x,), (x, x), (x, None)):
        assert plus(*args)._edge is None and Tensor.plus(*args)._edge is None
    assert not recorded
    for args in ((leaf,), (leaf, x), (x, leaf), (leaf, None)):
        for function in (plus, Tensor.plus):
            out = function(*args)
            assert type(out) is Tensor and out._edge == "node"
            assert np.array_equal(out._array, args[0]._array * 2)
            assert recorded.pop() == args
    tensors.guard.grad_off_thread = threading.get_ident()
    try:
        assert plus(leaf)._edge is None
    finally:
        tensors.guard.grad_off_thread = 0
    assert plus(leaf, Tensor(np.ones(3, F))) == "fallback"
    assert not recorded
    out = plus(leaf)
    fresh = Tensor(out._array)
    assert sys.getrefcount(out) == sys.getrefcount(fresh)
    del Tensor.plus


def test_errors_while_recording(tensors: maker.TensorClass, fallback: Fallback):
    def record(out, *args):
        raise LookupError("while recording")

    text = "a: @f32[...s] -> out: @f32[...s], b: @f32[...s]; call out, a, a, s"
    f = make(text, "add", fallback, tensors=tensors, record=record)
    leaf = Tensor(np.ones(4, F), edge="leaf")
    with pytest.raises(LookupError, match="while recording"):
        f(leaf)
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(200):
        with contextlib.suppress(LookupError):
            f(leaf)
    gc.collect()
    assert abs(sys.getallocatedblocks() - blocks) < 50
    with pytest.raises(signature.SignatureError, match="nothing to record"):
        make("x: f32[n] -> None; call x", "nothing", fallback, record=record)


def test_methods_keep_counts(plus):
    x = Tensor(np.ones((4, 4), F))
    x + x
    gc.collect()
    blocks, types = sys.getallocatedblocks(), sys.getrefcount(Tensor)
    for _ in range(1000):
        x + x
    assert abs(sys.getallocatedblocks() - blocks) < 50
    assert sys.getrefcount(Tensor) == types


def test_other_kinds_of_methods(tensors: maker.TensorClass, fallback: Fallback):
    one = "a: @f32[...s] -> out: @f32[...s]; call out"
    Tensor.one = maker.method("one", one, kernel("nothing"), fallback, tensors, kind="noargs")
    three = "a: @f32[...s], n: int, b: @f32[...s]? -> out: @f32[...s, n]; call out"
    Tensor.three = maker.method("three", three, kernel("nothing"), fallback, tensors)
    x = Tensor(np.ones(4, F))
    assert x.one()._array.shape == (4,)
    assert x.three(2)._array.shape == x.three(2, x)._array.shape == (4, 2)
    assert Tensor.three(x, 3, None)._array.shape == (4, 3)
    assert not fallback.calls
    args = tuple(range(20))
    assert x.three(*args) == "fallback"
    assert fallback.calls == [(x, *args)]
    with pytest.raises(TypeError):
        Tensor.one(5)
    del Tensor.one, Tensor.three


def test_functions_on_tensors(tensors: maker.TensorClass, fallback: Fallback):
    f = make(METHOD, "add", fallback, tensors=tensors)
    x = Tensor(np.ones(4, F))
    assert type(f(x, x)) is Tensor
    assert f(x, x._array) == "fallback"


def test_slots_must_exist():
    with pytest.raises(TypeError, match="no slot '_nothing'"):
        maker.TensorClass(Tensor, array="_nothing", fields={})


def test_offsets_match_ctypes():
    x = Tensor(np.ones(4, F))
    offset = numpy_abi.slot_offset(Tensor, "_array")
    assert ctypes.c_size_t.from_address(id(x) + offset).value == id(x._array)
    assert numpy_abi.check()
