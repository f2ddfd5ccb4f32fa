import ctypes
import os
import sys
import threading

import numpy as np
import pytest

from rushlight.codegen import cache, heap
from rushlight.runtime import memory

MB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def pool():
    found = heap.get()
    if found is None:
        pytest.skip("no pool of blocks here")
    found.ensure()
    return found


@pytest.fixture(autouse=True)
def emptied():
    memory.empty_cache()
    yield
    memory.empty_cache()


def delta(before: dict[str, int], name: str) -> int:
    return memory.memory_stats()[name] - before[name]


def test_blocks_are_reused():
    before = memory.memory_stats()
    a = np.empty(2 * MB, np.uint8)
    address = a.ctypes.data
    assert address % 64 == 0
    assert delta(before, "live_blocks") == 1
    assert delta(before, "misses") == 1
    del a
    assert delta(before, "live_bytes") == 0
    assert delta(before, "idle_bytes") >= 2 * MB
    b = np.empty(2 * MB - 5000, np.uint8)
    assert b.ctypes.data == address
    assert delta(before, "hits") == 1


def test_views_keep_the_block():
    before = memory.memory_stats()
    view = np.arange(MB, dtype=np.float64)[10:20].reshape(2, 5)
    assert delta(before, "live_blocks") == 1
    assert view[1, 4] == 19
    del view
    assert delta(before, "live_blocks") == 0


def test_small_arrays_are_not_ours():
    before = memory.memory_stats()
    arrays = [np.empty(MB - 1, np.uint8), np.empty(0), np.zeros(100), np.empty((), "f4")]
    assert delta(before, "live_blocks") == 0
    assert len(arrays) == 4


def test_idle_blocks_are_hardly_larger_than_the_arrays_were():
    for size in (MB, MB + 1, 5 * MB // 4, 3 * MB + 17, 100 * MB, 129 * MB):
        memory.empty_cache()
        before = memory.memory_stats()
        a = np.empty(size, np.uint8)
        assert delta(before, "live_bytes") == size
        a[0] = a[-1] = 1
        del a
        assert size <= delta(before, "idle_bytes") + before["idle_bytes"] <= size + (1 << 16)


def test_a_block_that_is_too_small_is_passed_over():
    sizes = [40 * MB, 41 * MB, 42 * MB, 43 * MB]  # one class
    arrays = [np.empty(size, np.uint8) for size in sizes]
    addresses = {size: a.ctypes.data for size, a in zip(sizes, arrays)}
    del arrays
    again = []
    for size in reversed(sizes):
        again.append(np.empty(size, np.uint8))
        assert again[-1].ctypes.data == addresses[size]


def test_zeros_are_zero_in_used_memory():
    a = np.full(3 * MB, 7, np.uint8)
    del a
    before = memory.memory_stats()
    assert not np.zeros(3 * MB, np.uint8).any()
    assert delta(before, "hits") == 1


def test_arrays_that_grow_and_shrink():
    a = np.arange(1000, dtype=np.int64)
    for size in (MB, 2 * MB, 300_000, 4 * MB, 1 * MB, 1000, 200_000, 10):
        kept = min(size, a.size)
        head = a[:kept].copy()
        a.resize(size, refcheck=False)
        assert (a[:kept] == head).all()
    assert (a == np.arange(10)).all()
    assert np.fromiter(range(MB), np.int64)[-1] == MB - 1


def test_empty_cache_gives_all_back():
    arrays = [np.empty(k * MB, np.uint8) for k in range(1, 9)]
    del arrays
    assert memory.memory_stats()["idle_bytes"] >= 36 * MB
    before = memory.memory_stats()
    memory.empty_cache()
    assert memory.memory_stats()["idle_bytes"] == 0
    assert delta(before, "returned_bytes") == before["idle_bytes"]


def test_idle_memory_is_bounded_by_what_was_live():
    # Ever new sizes: without a bound each would stay.
    peak = 0
    for k in range(40):
        a = np.empty((10 + k) * 3 * MB, np.uint8)
        stats = memory.memory_stats()
        peak = max(peak, stats["peak_live_bytes"])
        assert stats["live_bytes"] + stats["idle_bytes"] <= peak * 17 / 16 + 32 * MB
        del a


def test_idle_limit(pool):
    limit = memory.total_bytes() // 4
    try:
        pool.limit_idle(10 * MB)
        arrays = [np.empty(4 * MB, np.uint8) for _ in range(10)]
        del arrays
        assert memory.memory_stats()["idle_bytes"] <= 10 * MB
    finally:
        pool.limit_idle(limit)


def test_memory_that_cannot_be_had():
    before = memory.memory_stats()
    for size in (1 << 45, 1 << 50, 1 << 62):
        with pytest.raises(MemoryError):
            np.empty(size, np.uint8)
    assert delta(before, "live_blocks") == 0


def test_relieve_under_pressure(monkeypatch: pytest.MonkeyPatch):
    a = np.empty(8 * MB, np.uint8)
    del a
    assert not memory.relieve()
    assert memory.memory_stats()["idle_bytes"] >= 8 * MB
    monkeypatch.setattr(memory, "available_bytes", lambda: 10 * MB)
    assert memory.relieve()
    assert memory.memory_stats()["idle_bytes"] == 0


def test_the_interpreter_is_asked_to_look_at_pressure(monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(memory, "relieve", lambda: asked.append(1))
    for k in range(3):
        a = np.empty((90 + 40 * k) * MB, np.uint8)
        for _ in range(100):
            pass  # the request is served between two instructions
        del a
    assert asked


def test_scratch_memory(pool):
    alloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)(pool.functions["rl_alloc"])
    free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(pool.functions["rl_free"])
    before = memory.memory_stats()
    for size in (0, 1, 63, 64, 65, 4096, MB - 1, MB, 3 * MB):
        pointer = alloc(size)
        assert pointer and pointer % 64 == 0
        ctypes.memset(pointer, 1, size)
        free(pointer)
    free(None)
    assert delta(before, "live_blocks") == 0


def test_scratch_memory_in_workers():
    ir = """
declare void @rl_parallel_for(ptr, ptr, i64, i64)
declare ptr @rl_alloc(i64)
declare void @rl_free(ptr)
declare ptr @memset(ptr, i32, i64)
define void @fn(ptr %c, i64 %b, i64 %e) {
  %size = add i64 %b, 1500000
  %p = call ptr @rl_alloc(i64 %size)
  %q = call ptr @memset(ptr %p, i32 7, i64 %size)
  %last = getelementptr i8, ptr %p, i64 %b
  %v = load i8, ptr %last
  call void @rl_free(ptr %p)
  %n = sub i64 %e, %b
  %out = getelementptr i8, ptr %c, i64 %b
  %r = call ptr @memset(ptr %out, i32 7, i64 %n)
  ret void
}
define void @go(ptr %c, i64 %n) {
  call void @rl_parallel_for(ptr @fn, ptr %c, i64 %n, i64 1000)
  ret void
}
"""
    address = cache.load("test-scratch", ir, lambda: ir, ["go"])["go"]
    go = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)
    before = memory.memory_stats()
    for _ in range(200):
        out = np.zeros(16_000, np.uint8)
        go(out.ctypes.data, out.size)
        assert (out == 7).all()
    assert delta(before, "live_blocks") == 0


def churn(seed: int, count: int = 1000) -> None:
    chance = np.random.default_rng(seed)
    live: list[tuple[np.ndarray, int]] = []
    for i in range(count):
        a = np.empty(int(chance.integers(MB // 4, 4 * MB)), np.uint8)
        a[::4096] = i % 251
        live.append((a, i % 251))
        if len(live) > 10:
            a, value = live.pop(int(chance.integers(0, 10)))
            assert (a[::4096] == value).all()


def test_threads_and_fork(pool):
    wrong = []

    def work(seed: int) -> None:
        try:
            pool.ensure()
            churn(seed)
        except BaseException as error:
            wrong.append(error)

    running = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in running:
        thread.start()
    churn(10)
    for thread in running:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork(run):
    script = """
import os, warnings
import numpy as np
from rushlight.codegen import cache, heap
from rushlight.runtime import memory
heap.get().ensure()
a = np.ones(3_000_000, np.uint8)
b = np.ones(5_000_000, np.uint8)
del b
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        c = np.zeros(5_000_000, np.uint8)
        assert not c.any() and a.all()
        a[:] = 2
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert (a == 1).all()
print("done")
"""
    assert run(script) == "done\n"


def test_other_threads_get_the_pool_with_their_first_large_result():
    from numpy._core.multiarray import get_handler_name

    names = []

    def work() -> None:
        names.append(get_handler_name(np.empty(2 * MB, np.uint8)))
        memory.empty(3)
        names.append(get_handler_name(np.empty(2 * MB, np.uint8)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert names[1] == "rushlight"
    if sys.version_info < (3, 14):  # threads start with an empty context
        assert names[0] == "default_allocator"


def test_arrays_outlive_the_interpreter(run):
    # Freed after the modules are gone: the handler must still be there.
    script = """
import builtins
import numpy as np
from rushlight.codegen import cache, heap
heap.get().ensure()
class Late:
    def __init__(self): self.array = np.ones((1500, 1500))
    def __del__(self): self.array = None
builtins.late = Late()
late_again = [np.ones((1500, 1500)), Late()]
print("done")
"""
    assert run(script) == "done\n"
