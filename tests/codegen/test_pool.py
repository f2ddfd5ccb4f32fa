import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from rushlight.codegen import cache, pool
from rushlight.runtime import threads

# Adds 1 to each element of its range; `mark` writes the thread and the range it was called with.
IR = """
declare void @rl_parallel_for(ptr, ptr, i64, i64)
define void @increase(ptr %c, i64 %b, i64 %e) {
entry:
  br label %loop
loop:
  %i = phi i64 [ %b, %entry ], [ %i2, %loop ]
  %p = getelementptr i64, ptr %c, i64 %i
  %v = load i64, ptr %p
  %w = add i64 %v, 1
  store i64 %w, ptr %p
  %i2 = add i64 %i, 1
  %more = icmp slt i64 %i2, %e
  br i1 %more, label %loop, label %end
end:
  ret void
}
define void @mark(ptr %c, i64 %b, i64 %e) {
  %p = getelementptr i64, ptr %c, i64 %b
  store i64 %e, ptr %p
  ret void
}
define void @nested(ptr %c, i64 %b, i64 %e) {
  %p = getelementptr i64, ptr %c, i64 %b
  %n = sub i64 %e, %b
  call void @rl_parallel_for(ptr @increase, ptr %p, i64 %n, i64 1)
  ret void
}
define void @repeat(ptr %fn, ptr %c, i64 %n, i64 %grain, i64 %times) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i2, %step ]
  %more = icmp slt i64 %i, %times
  br i1 %more, label %step, label %end
step:
  call void @rl_parallel_for(ptr %fn, ptr %c, i64 %n, i64 %grain)
  %i2 = add i64 %i, 1
  br label %loop
end:
  ret void
}
"""
I64 = ctypes.c_int64


@pytest.fixture(scope="module")
def code():
    return cache.load("test-pool", IR, lambda: IR, ["increase", "mark", "nested", "repeat"])


@pytest.fixture(scope="module")
def repeat(code):
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, I64, I64, I64)(
        code["repeat"]
    )

    def repeat(array: np.ndarray, grain: int, times: int = 1, name: str = "increase") -> None:
        function(code[name], array.ctypes.data, array.size, grain, times)

    return repeat


@pytest.fixture(autouse=True)
def same_number_of_threads():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_every_element_once(repeat, number: int):
    threads.set_num_threads(number)
    for size in (1, 2, 3, 15, 16, 17, 1000, 99_991):
        for grain in (0, 1, 2, 7, 64, 1000, 99_990, 99_991, 1 << 40):
            array = np.zeros(size, np.int64)
            repeat(array, grain, 3)
            assert (array == 3).all(), (size, grain)


def test_nothing_to_do(repeat):
    empty = np.zeros(0, np.int64)
    repeat(empty, 1)
    repeat(empty, 0)


@pytest.mark.parametrize("grain", [1, 16, 100])
def test_ranges_begin_at_multiples_of_the_grain(repeat, grain: int):
    threads.set_num_threads(2)
    array = np.zeros(10_007, np.int64)
    repeat(array, grain, 1, "mark")
    begins = np.flatnonzero(array)
    assert (begins % grain == 0).all()
    assert array[begins].tolist() == [*begins[1:].tolist(), array.size]
    assert len(begins) <= 2 * pool.CHUNKS_PER_THREAD


def test_one_call_where_one_grain_is_enough(repeat):
    array = np.zeros(100, np.int64)
    repeat(array, 100, 1, "mark")
    assert np.flatnonzero(array).tolist() == [0]


def test_a_job_inside_a_job(repeat):
    threads.set_num_threads(2)
    array = np.zeros(5000, np.int64)
    repeat(array, 10, 50, "nested")
    assert (array == 50).all()


@pytest.mark.skipif(not pool.parallel(), reason="no workers on this platform")
def test_workers_start_with_the_first_job(repeat):
    threads.set_num_threads(3)
    assert threads.worker_count() == 0
    repeat(np.zeros(100, np.int64), 1)
    assert threads.worker_count() == 2
    threads.set_num_threads(1)
    assert threads.worker_count() == 0


def test_many_small_jobs_with_pauses(repeat):
    # Workers fall asleep between the batches: none of the wake-ups may be lost.
    threads.set_num_threads(2)
    array = np.zeros(64, np.int64)
    for i in range(200):
        repeat(array, 1, 5)
        time.sleep(0.0001 * (i % 7))
    assert (array == 1000).all()


def test_several_python_threads(repeat):
    wrong = []

    def work() -> None:
        array = np.zeros(20_000, np.int64)
        for _ in range(20):
            repeat(array, 100, 20)
        if not (array == 400).all():
            wrong.append(array)

    running = [threading.Thread(target=work) for _ in range(4)]
    for thread in running:
        thread.start()
    for i in range(40):
        threads.set_num_threads(1 + i % 4)
    for thread in running:
        thread.join()
    assert not wrong


def test_a_busy_machine(repeat):
    threads.set_num_threads(2)
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        array = np.zeros(50_000, np.int64)
        for _ in range(300):
            repeat(array, 500, 10)
            time.sleep(0.0005)
        assert (array == 3000).all()
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork(run):
    script = f"""
import ctypes, os, threading
import numpy as np
from rushlight.codegen import cache
from rushlight.runtime import threads
threads.set_num_threads(2)
ir = {IR!r}
code = cache.load("test-pool", ir, lambda: ir, ["increase", "repeat"])
I64 = ctypes.c_int64
f = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, I64, I64, I64)(code["repeat"])
def work(times):
    a = np.zeros(10_000, np.int64)
    f(code["increase"], a.ctypes.data, a.size, 100, times)
    assert (a == times).all()
def check(depth):
    for _ in range(6):
        work(10)
        pid = os.fork()
        if pid == 0:
            assert threads.worker_count() == 0
            work(50)
            assert threads.worker_count() == 1
            if depth:
                check(depth - 1)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
check(1)
# fork while other threads keep the pool busy
stop = []
def busy():
    while not stop:
        work(20)
others = [threading.Thread(target=busy) for _ in range(2)]
for t in others: t.start()
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
check(0)
stop.append(1)
for t in others: t.join()
print("done")
"""
    assert run(script) == "done\n"


def test_fork_while_other_threads_keep_the_pool_busy(run):
    script = f"""
import ctypes, os, threading, time
import numpy as np
from rushlight.codegen import cache, pool
from rushlight.runtime import threads
threads.set_num_threads(2)
ir = {IR!r}
code = cache.load("test-pool", ir, lambda: ir, ["increase", "repeat"])
I64 = ctypes.c_int64
f = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, I64, I64, I64)(code["repeat"])
stop = False
def busy():
    a = np.zeros(10_000, np.int64)
    while not stop:
        f(code["increase"], a.ctypes.data, a.size, 100, 10_000)
workers = [threading.Thread(target=busy) for _ in range(2)]
[w.start() for w in workers]
a = np.zeros(10_000, np.int64)
for _ in range(10):
    child = os.fork()
    if not child:
        f(code["increase"], a.ctypes.data, a.size, 100, 10)
        os._exit(0 if (a == 10).all() and pool.get().workers() == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    threads.set_num_threads(2)
stop = True
[w.join() for w in workers]
print("done")
"""
    assert run(script) == "done\n"


def test_interrupt_and_exit(run):
    script = f"""
import ctypes, os, signal, threading, time
import numpy as np
from rushlight.codegen import cache
from rushlight.runtime import threads
threads.set_num_threads(2)
ir = {IR!r}
code = cache.load("test-pool", ir, lambda: ir, ["increase", "repeat"])
I64 = ctypes.c_int64
f = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, I64, I64, I64)(code["repeat"])
a = np.zeros(10_000, np.int64)
caught = 0
for i in range(20):
    try:
        threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGINT)).start()
        end = time.time() + 5
        while time.time() < end:
            f(code["increase"], a.ctypes.data, a.size, 100, 10)
    except KeyboardInterrupt:
        caught += 1
f(code["increase"], a.ctypes.data, a.size, 100, 10)
assert caught == 20 and (a == a[0]).all() and a[0] % 10 == 0
ctypes.pythonapi.Py_IncRef(ctypes.py_object(a))  # outlives the thread that is cut off
arguments = (code["increase"], a.ctypes.data, a.size, 100, 10**7)
threading.Thread(target=f, args=arguments, daemon=True).start()
time.sleep(0.05)
print("done")  # the process ends while the pool works
"""
    assert run(script) == "done\n"


def test_platforms_without_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "parallel", lambda: False)
    exports = ["rl_parallel_for", "rl_pool_pause", "rl_pool_resume", "rl_pool_state"]
    found = cache.load("pool-serial", "test", pool.make_ir, exports)
    seen = []
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, I64, I64)(
        lambda c, b, e: seen.append((b, e))
    )
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, I64, I64)
    for n in (0, 1, 1000):
        call(found["rl_parallel_for"])(ctypes.cast(function, ctypes.c_void_p), None, n, 10)
    assert seen == [(0, 1), (0, 1000)]
