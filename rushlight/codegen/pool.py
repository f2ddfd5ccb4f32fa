"""The thread pool that generated code calls; its workers never see Python.

    void rl_parallel_for(ptr fn, ptr ctx, i64 n, i64 grain)

calls `void fn(ptr ctx, i64 begin, i64 end)` so that the ranges cover 0..n exactly once, each
`begin` a multiple of `grain`. It may be called with or without the interpreter's lock, from any
thread; `fn` must not need that lock.

Note: how work is shared
    A job is a number of chunks, at most eight per thread. One word, `range`, holds the first
    and the last + 1 chunk that nobody owns; whoever shortens it by one (compare and exchange)
    owns that chunk. The caller shortens it in front, workers at the back: neighbouring chunks
    stay with one core, and so does their data from one kernel to the next. The caller takes
    part, so a worker that is asleep or not scheduled costs nothing: the others do its share.
    The caller leaves when as many chunks are finished as there were. Nothing about a job is
    read before a chunk of it is owned, and the job cannot end while a chunk is owned, so a
    late worker can never mix two jobs.

Note: sleeping
    An idle worker looks for work for about 0.1 ms, then sleeps in a futex. It counts itself
    among the sleepers before it looks a last time, and the caller publishes the job before it
    looks at that count, so one of the two sees the other.

Note: fork, and changes of the number of threads
    `rl_pool_pause` takes the pool's own lock and ends all workers; `rl_pool_resume` gives it
    back; workers start again with the next job. The pool is paused while the process forks. A
    call that finds the pool taken (another Python thread, or a job inside a job) or wanted by
    somebody who pauses it runs alone: threads that never rest could keep a fork waiting for ever.
"""

import ctypes
import os
import sys

from rushlight.codegen import cache
from rushlight.runtime import cpu, threads

CHUNKS_PER_THREAD = 8
MAX_WORKERS = 255
WORKER_SPINS = 4000  # pauses of 10 to 45 ns each, then sleep
CALLER_SPINS = 100  # then the caller yields its core between looks

# Byte offsets in the state; what different threads write sits on lines of its own.
_RANGE, _DONE, _BUSY, _JOB, _SLEEPERS, _EPOCH, _WANTED, _THREADS, _STARTED, _IDS = (
    0,
    64,
    128,
    192,
    256,
    260,
    264,
    320,
    328,
    384,
)
_STATE_BYTES = _IDS + 8 * MAX_WORKERS
_FUTEX = {"x86_64": 202, "aarch64": 98}
_PAUSE = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}

_SERIAL = """
@rl_pool_state = global [%(state_bytes)d x i8] zeroinitializer, align 64
define void @rl_parallel_for(ptr %%fn, ptr %%ctx, i64 %%n, i64 %%grain) {
  %%some = icmp sgt i64 %%n, 0
  br i1 %%some, label %%run, label %%end
run:
  call void %%fn(ptr %%ctx, i64 0, i64 %%n)
  br label %%end
end:
  ret void
}
define void @rl_pool_pause() { ret void }
define void @rl_pool_resume() { ret void }
"""

# fn, ctx, n and chunk lie at _JOB. Signals other than those of a fault are left to the threads
# of Python (the mask's open bits: ILL 4, TRAP 5, ABRT 6, BUS 7, FPE 8, SEGV 11).
_PARALLEL = """
declare i64 @syscall(i64, ptr, i32, i32, ptr, ptr, i32)
declare i32 @sched_yield()
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
%(declare_pause)s
@rl_pool_state = global [%(state_bytes)d x i8] zeroinitializer, align 64
@range = internal alias i64, ptr @rl_pool_state
@done = internal alias i64, getelementptr (i8, ptr @rl_pool_state, i64 %(done)d)
@busy = internal alias i32, getelementptr (i8, ptr @rl_pool_state, i64 %(busy)d)
@job = internal alias ptr, getelementptr (i8, ptr @rl_pool_state, i64 %(job)d)
@sleepers = internal alias i32, getelementptr (i8, ptr @rl_pool_state, i64 %(sleepers)d)
@epoch = internal alias i32, getelementptr (i8, ptr @rl_pool_state, i64 %(epoch)d)
@wanted = internal alias i32, getelementptr (i8, ptr @rl_pool_state, i64 %(wanted)d)
@threads = internal alias i64, getelementptr (i8, ptr @rl_pool_state, i64 %(threads)d)
@started = internal alias i64, getelementptr (i8, ptr @rl_pool_state, i64 %(started)d)
@ids = internal alias i64, getelementptr (i8, ptr @rl_pool_state, i64 %(ids)d)
@mask = internal constant <{ i64, [15 x i64] }> <{ i64 -1273, [15 x i64] [%(ones)s] }>, align 8

define internal i64 @futex(i32 %%operation, i32 %%value) alwaysinline {
  %%result = call i64 @syscall(i64 %(futex)d, ptr @epoch, i32 %%operation, i32 %%value,
    ptr null, ptr null, i32 0)
  ret i64 %%result
}

; The number of chunks that nobody owns yet (0 as well when the workers are to end).
define internal i64 @unclaimed(i64 %%range) alwaysinline {
  %%last = lshr i64 %%range, 32
  %%first = and i64 %%range, 4294967295
  %%left = sub i64 %%last, %%first
  ret i64 %%left
}

; Do chunks of the current job until none is left; the number done. The caller takes them from
; the front (step 1), workers from the back (step -1 << 32).
define internal i64 @work(i64 %%step) noinline {
entry:
  %%front = icmp eq i64 %%step, 1
  br label %%look
look:
  %%count = phi i64 [ 0, %%entry ], [ %%count, %%lost ], [ %%count2, %%run ]
  %%range = load atomic i64, ptr @range acquire, align 8
  %%left = call i64 @unclaimed(i64 %%range)
  %%some = icmp sgt i64 %%left, 0
  br i1 %%some, label %%claim, label %%end
claim:
  %%less = add i64 %%range, %%step
  %%pair = cmpxchg ptr @range, i64 %%range, i64 %%less acq_rel acquire, align 8
  %%won = extractvalue { i64, i1 } %%pair, 1
  br i1 %%won, label %%run, label %%lost
lost:
  %(pause)s
  br label %%look
run:
  %%fn = load ptr, ptr @job
  %%ctx = load ptr, ptr getelementptr (i8, ptr @job, i64 8)
  %%n = load i64, ptr getelementptr (i8, ptr @job, i64 16)
  %%chunk = load i64, ptr getelementptr (i8, ptr @job, i64 24)
  %%first = and i64 %%range, 4294967295
  %%last = lshr i64 %%less, 32
  %%index = select i1 %%front, i64 %%first, i64 %%last
  %%begin = mul i64 %%index, %%chunk
  %%stop = add i64 %%begin, %%chunk
  %%over = icmp sgt i64 %%stop, %%n
  %%end_at = select i1 %%over, i64 %%n, i64 %%stop
  call void %%fn(ptr %%ctx, i64 %%begin, i64 %%end_at)
  %%count2 = add i64 %%count, 1
  br label %%look
end:
  ret i64 %%count
}

define internal ptr @worker(ptr %%unused) {
entry:
  %%masked = call i32 @pthread_sigmask(i32 0, ptr @mask, ptr null)
  br label %%fresh
fresh:
  br label %%spin
spin:
  %%spins = phi i64 [ 0, %%fresh ], [ %%spins2, %%again ]
  %%range = load atomic i64, ptr @range acquire, align 8
  %%left = call i64 @unclaimed(i64 %%range)
  %%work = icmp ne i64 %%left, 0
  br i1 %%work, label %%help, label %%idle
idle:
  %%stopping = icmp slt i64 %%range, 0
  br i1 %%stopping, label %%exit, label %%again
again:
  %(pause)s
  %%spins2 = add i64 %%spins, 1
  %%tired = icmp ugt i64 %%spins2, %(worker_spins)d
  br i1 %%tired, label %%doze, label %%spin
doze:
  %%seen = load atomic i32, ptr @epoch seq_cst, align 4
  %%up = atomicrmw add ptr @sleepers, i32 1 seq_cst
  %%range2 = load atomic i64, ptr @range seq_cst, align 8
  %%same = icmp eq i64 %%range2, %%range
  br i1 %%same, label %%sleep, label %%wake
sleep:
  %%slept = call i64 @futex(i32 128, i32 %%seen)
  br label %%wake
wake:
  %%down = atomicrmw sub ptr @sleepers, i32 1 seq_cst
  br label %%fresh
help:
  %%mine = call i64 @work(i64 -4294967296)
  %%any = icmp ne i64 %%mine, 0
  br i1 %%any, label %%report, label %%fresh
report:
  %%total = atomicrmw add ptr @done, i64 %%mine release
  br label %%fresh
exit:
  ret ptr null
}

; Start threads - 1 workers; the number that could be started.
define internal i64 @start() noinline {
entry:
  %%threads = load i64, ptr @threads
  %%wanted = sub i64 %%threads, 1
  br label %%next
next:
  %%i = phi i64 [ 0, %%entry ], [ %%i2, %%made ]
  %%more = icmp slt i64 %%i, %%wanted
  br i1 %%more, label %%create, label %%end
create:
  %%id = getelementptr i64, ptr @ids, i64 %%i
  %%status = call i32 @pthread_create(ptr %%id, ptr null, ptr @worker, ptr null)
  %%ok = icmp eq i32 %%status, 0
  br i1 %%ok, label %%made, label %%end
made:
  %%i2 = add i64 %%i, 1
  br label %%next
end:
  store i64 %%i, ptr @started
  ret i64 %%i
}

define void @rl_parallel_for(ptr %%fn, ptr %%ctx, i64 %%n, i64 %%grain0) {
entry:
  %%low = icmp slt i64 %%grain0, 1
  %%grain = select i1 %%low, i64 1, i64 %%grain0
  %%small = icmp sle i64 %%n, %%grain
  br i1 %%small, label %%alone, label %%large
large:
  %%threads = load i64, ptr @threads
  %%single = icmp slt i64 %%threads, 2
  br i1 %%single, label %%alone, label %%polite
polite:
  %%others_want = load atomic i32, ptr @wanted monotonic, align 4
  %%yields = icmp ne i32 %%others_want, 0
  br i1 %%yields, label %%alone, label %%try
try:
  %%pair = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic, align 4
  %%got = extractvalue { i32, i1 } %%pair, 1
  br i1 %%got, label %%locked, label %%alone
locked:
  %%threads1 = load i64, ptr @threads
  %%running = load i64, ptr @started
  %%none = icmp eq i64 %%running, 0
  br i1 %%none, label %%begin, label %%ready
begin:
  %%created = call i64 @start()
  %%failed = icmp eq i64 %%created, 0
  br i1 %%failed, label %%give_up, label %%ready
give_up:
  store atomic i32 0, ptr @busy release, align 4
  br label %%alone
alone:
  %%some = icmp sgt i64 %%n, 0
  br i1 %%some, label %%inline, label %%end
inline:
  call void %%fn(ptr %%ctx, i64 0, i64 %%n)
  br label %%end
ready:
  %%grain1 = sub i64 %%grain, 1
  %%n1 = add i64 %%n, %%grain1
  %%units = sdiv i64 %%n1, %%grain
  %%parts = mul i64 %%threads1, %(chunks_per_thread)d
  %%parts1 = sub i64 %%parts, 1
  %%units1 = add i64 %%units, %%parts1
  %%each = sdiv i64 %%units1, %%parts
  %%chunk = mul i64 %%each, %%grain
  %%chunk1 = sub i64 %%chunk, 1
  %%n2 = add i64 %%n, %%chunk1
  %%chunks = sdiv i64 %%n2, %%chunk
  store ptr %%fn, ptr @job
  store ptr %%ctx, ptr getelementptr (i8, ptr @job, i64 8)
  store i64 %%n, ptr getelementptr (i8, ptr @job, i64 16)
  store i64 %%chunk, ptr getelementptr (i8, ptr @job, i64 24)
  %%all = shl i64 %%chunks, 32
  store atomic i64 0, ptr @done monotonic, align 8
  store atomic i64 %%all, ptr @range seq_cst, align 8
  %%asleep = load atomic i32, ptr @sleepers seq_cst, align 4
  %%sleeping = icmp sgt i32 %%asleep, 0
  br i1 %%sleeping, label %%rouse, label %%share
rouse:
  %%others64 = sub i64 %%chunks, 1
  %%others = trunc i64 %%others64 to i32
  %%epoch2 = atomicrmw add ptr @epoch, i32 1 seq_cst
  %%woken = call i64 @futex(i32 129, i32 %%others)
  br label %%share
share:
  %%mine = call i64 @work(i64 1)
  %%before = atomicrmw add ptr @done, i64 %%mine acq_rel
  br label %%wait
wait:
  %%looks = phi i64 [ 0, %%share ], [ %%looks2, %%rest ], [ %%looks2, %%yield ]
  %%finished = load atomic i64, ptr @done acquire, align 8
  %%complete = icmp eq i64 %%finished, %%chunks
  br i1 %%complete, label %%release, label %%patience
patience:
  %%looks2 = add i64 %%looks, 1
  %%long = icmp ugt i64 %%looks2, %(caller_spins)d
  br i1 %%long, label %%yield, label %%rest
rest:
  %(pause)s
  br label %%wait
yield:
  %%yielded = call i32 @sched_yield()
  br label %%wait
release:
  store atomic i32 0, ptr @busy release, align 4
  br label %%end
end:
  ret void
}

define void @rl_pool_pause() {
entry:
  %%want = atomicrmw add ptr @wanted, i32 1 monotonic
  br label %%try
try:
  %%pair = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic, align 4
  %%got = extractvalue { i32, i1 } %%pair, 1
  br i1 %%got, label %%locked, label %%yield
yield:
  %%yielded = call i32 @sched_yield()
  br label %%try
locked:
  %%have = atomicrmw sub ptr @wanted, i32 1 monotonic
  %%running = load i64, ptr @started
  store atomic i64 -1, ptr @range seq_cst, align 8
  %%epoch2 = atomicrmw add ptr @epoch, i32 1 seq_cst
  %%woken = call i64 @futex(i32 129, i32 2147483647)
  br label %%next
next:
  %%i = phi i64 [ 0, %%locked ], [ %%i2, %%join ]
  %%more = icmp slt i64 %%i, %%running
  br i1 %%more, label %%join, label %%end
join:
  %%place = getelementptr i64, ptr @ids, i64 %%i
  %%id = load i64, ptr %%place
  %%joined = call i32 @pthread_join(i64 %%id, ptr null)
  %%i2 = add i64 %%i, 1
  br label %%next
end:
  store i64 0, ptr @started
  store atomic i32 0, ptr @sleepers seq_cst, align 4
  store atomic i64 0, ptr @range seq_cst, align 8
  ret void
}

define void @rl_pool_resume() {
  store atomic i32 0, ptr @busy release, align 4
  ret void
}
"""


def parallel() -> bool:
    """Whether this platform has native workers (futexes and a pause instruction we know)."""
    return sys.platform.startswith("linux") and cpu.architecture() in _FUTEX


def make_ir() -> str:
    """The LLVM IR of the pool for this platform."""
    if not parallel():
        return _SERIAL % {"state_bytes": _STATE_BYTES}
    declare, pause = _PAUSE[cpu.architecture()]
    return _PARALLEL % {
        "state_bytes": _STATE_BYTES,
        "done": _DONE,
        "busy": _BUSY,
        "job": _JOB,
        "sleepers": _SLEEPERS,
        "epoch": _EPOCH,
        "wanted": _WANTED,
        "threads": _THREADS,
        "started": _STARTED,
        "ids": _IDS,
        "ones": ", ".join(["i64 -1"] * 15),
        "futex": _FUTEX[cpu.architecture()],
        "declare_pause": declare,
        "pause": pause,
        "worker_spins": WORKER_SPINS,
        "caller_spins": CALLER_SPINS,
        "chunks_per_thread": CHUNKS_PER_THREAD,
    }


class Pool:
    """The loaded pool: its functions, and the words of its state that Python reads or sets."""

    def __init__(self) -> None:
        exports = ("rl_parallel_for", "rl_pool_pause", "rl_pool_resume", "rl_pool_state")
        found = cache.load("pool", cache.emitter_hash(__file__), make_ir, exports)
        self.parallel_for = found["rl_parallel_for"]
        self.state = found["rl_pool_state"]
        # CFUNCTYPE calls release the interpreter's lock: pausing may wait for a running job.
        self.pause = ctypes.CFUNCTYPE(None)(found["rl_pool_pause"])
        self.resume = ctypes.CFUNCTYPE(None)(found["rl_pool_resume"])
        self.wanted = ctypes.c_int32.from_address(self.state + _WANTED)
        self.threads = ctypes.c_int64.from_address(self.state + _THREADS)
        self.started = ctypes.c_int64.from_address(self.state + _STARTED)

    def set_threads(self, number: int) -> None:
        """End the workers; the next job starts `number` - 1 new ones."""
        self.pause()
        try:
            self.threads.value = min(number, MAX_WORKERS + 1)
        finally:
            self.resume()

    def workers(self) -> int:
        """The number of workers running now: 0 before the first parallel call."""
        return self.started.value


_pools: list[Pool] = []


def get() -> Pool:
    """The process's pool, loaded on first use and handed to `runtime.threads`."""
    if not _pools:
        with cache.lock:
            if not _pools:
                pool = Pool()
                threads.install(pool)
                _pools.append(pool)  # from here on forks pause it
    return _pools[0]


def _pause() -> None:
    """Before a fork: no job runs and no worker lives."""
    for pool in _pools:
        pool.pause()


def _resume() -> None:
    for pool in _pools:
        pool.resume()


def _resume_in_child() -> None:
    for pool in _pools:
        pool.wanted.value = 0  # the threads that wanted it stayed behind
    _resume()


def address() -> int:
    """The address of `rl_parallel_for`."""
    return get().parallel_for


cache.provide("rl_parallel_for", address)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pause, after_in_parent=_resume, after_in_child=_resume_in_child)
