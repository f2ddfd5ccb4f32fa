"""LLVM IR of the pool of large blocks (see `heap.py`).

Note: blocks
    Idle blocks are kept by size in four classes per power of two. A block of the class that is
    large enough or one of the next two is reused, last in first out; one of the next five, when
    memory is to grow no more. The 64 bytes in front of the data hold the block's
    description. A pointer is one of ours if it stands 64 bytes into a page and the word there
    is the pointer xor a random number; other pointers go back to where they came from.
"""

SMALLEST = 1 << 20
NOTIFY_BYTES = 64 << 20
SLACK_BYTES = 32 << 20
WIDEST = 6  # classes, from the one wanted up, that serve when memory is to grow no more
HUGE_BYTES = 4 << 20  # from here on transparent huge pages are asked for
STEP_BYTES = 1 << 16  # sizes are rounded up to multiples of this
WALK = 16  # blocks of the class that are looked at
_CLASSES = 128

_NAMES = (
    "live_bytes idle_bytes peak_live_bytes peak_bytes hits misses returned_bytes live_blocks "
    "idle_limit fresh_bytes secret tick default notify our_capsule default_capsule "
    "get_handler set_handler live_capacity"
)
WORDS = {name: 64 + 8 * i for i, name in enumerate(_NAMES.split())}
_HEADS = 256
_TICKS = _HEADS + 8 * _CLASSES
_STATE_BYTES = _TICKS + 8 * _CLASSES

_IR = """
@rl_heap = global [%(state_bytes)d x i8] zeroinitializer, align 64
@heads = internal alias i64, getelementptr (i8, ptr @rl_heap, i64 %(heads)d)
@ticks = internal alias i64, getelementptr (i8, ptr @rl_heap, i64 %(ticks)d)
%(aliases)s
declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @munmap(ptr, i64)
declare i32 @madvise(ptr, i64, i32)
declare ptr @aligned_alloc(i64, i64)
declare void @free(ptr)
declare ptr @memset(ptr, i32, i64)
declare ptr @memcpy(ptr, ptr, i64)
declare i32 @sched_yield()
declare i32 @Py_AddPendingCall(ptr, ptr)
declare void @Py_DecRef(ptr)
declare i64 @llvm.ctlz.i64(i64, i1)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)

define internal void @lock() {
entry:
  br label %%try
try:
  %%pair = cmpxchg ptr @rl_heap, i32 0, i32 1 acquire monotonic, align 4
  %%got = extractvalue { i32, i1 } %%pair, 1
  br i1 %%got, label %%done, label %%yield
yield:
  %%yielded = call i32 @sched_yield()
  br label %%try
done:
  ret void
}

define void @rl_heap_unlock() {
  store atomic i32 0, ptr @rl_heap release, align 4
  ret void
}

define internal i64 @bump(ptr %%word, i64 %%change) {
  %%old = load i64, ptr %%word
  %%new = add i64 %%old, %%change
  store i64 %%new, ptr %%word
  ret i64 %%new
}

; The word before the data that marks one of our blocks in use.
define internal i64 @mark(ptr %%data) {
  %%number = ptrtoint ptr %%data to i64
  %%secret = load i64, ptr @secret
  %%mark = xor i64 %%number, %%secret
  ret i64 %%mark
}

define internal i1 @ours(ptr %%data) {
entry:
  %%number = ptrtoint ptr %%data to i64
  %%place = and i64 %%number, 4095
  %%here = icmp eq i64 %%place, 64
  br i1 %%here, label %%look, label %%no
look:
  %%block = getelementptr i8, ptr %%data, i64 -64
  %%found = load i64, ptr %%block
  %%mark = call i64 @mark(ptr %%data)
  %%same = icmp eq i64 %%found, %%mark
  ret i1 %%same
no:
  ret i1 false
}

; Block: mark, capacity, class, next, requested bytes. Give its pages back to the system.
define internal void @unmap(ptr %%block) {
  %%capacity.at = getelementptr i64, ptr %%block, i64 1
  %%capacity = load i64, ptr %%capacity.at
  %%length = add i64 %%capacity, 4096
  %%status = call i32 @munmap(ptr %%block, i64 %%length)
  %%returned = call i64 @bump(ptr @returned_bytes, i64 %%capacity)
  ret void
}

; Give idle blocks back until at most `keep` bytes are idle; the class unused longest first.
define internal void @shrink(i64 %%keep) {
entry:
  br label %%again
again:
  %%idle = load i64, ptr @idle_bytes
  %%over = icmp sgt i64 %%idle, %%keep
  br i1 %%over, label %%scan, label %%done
scan:
  %%i = phi i64 [ 0, %%again ], [ %%i2, %%next ]
  %%best = phi i64 [ -1, %%again ], [ %%best2, %%next ]
  %%oldest = phi i64 [ 9223372036854775807, %%again ], [ %%oldest2, %%next ]
  %%more = icmp slt i64 %%i, %(classes)d
  br i1 %%more, label %%next, label %%chosen
next:
  %%head.at = getelementptr i64, ptr @heads, i64 %%i
  %%head = load i64, ptr %%head.at
  %%tick.at = getelementptr i64, ptr @ticks, i64 %%i
  %%tick = load i64, ptr %%tick.at
  %%some = icmp ne i64 %%head, 0
  %%older = icmp slt i64 %%tick, %%oldest
  %%take = and i1 %%some, %%older
  %%best2 = select i1 %%take, i64 %%i, i64 %%best
  %%oldest2 = select i1 %%take, i64 %%tick, i64 %%oldest
  %%i2 = add i64 %%i, 1
  br label %%scan
chosen:
  %%none = icmp slt i64 %%best, 0
  br i1 %%none, label %%done, label %%release
release:
  %%list = getelementptr i64, ptr @heads, i64 %%best
  %%block = load ptr, ptr %%list
  %%next.at = getelementptr i64, ptr %%block, i64 3
  %%rest = load i64, ptr %%next.at
  store i64 %%rest, ptr %%list
  %%capacity.at = getelementptr i64, ptr %%block, i64 1
  %%capacity = load i64, ptr %%capacity.at
  %%less = sub i64 0, %%capacity
  %%left = call i64 @bump(ptr @idle_bytes, i64 %%less)
  call void @unmap(ptr %%block)
  br label %%again
done:
  ret void
}

define void @rl_heap_trim(i64 %%keep) {
  call void @lock()
  call void @shrink(i64 %%keep)
  call void @rl_heap_unlock()
  ret void
}

define internal ptr @map(i64 %%length) {
  %%pages = call ptr @mmap(ptr null, i64 %%length, i32 3, i32 34, i32 -1, i64 0)
  ret ptr %%pages
}

; A block of at least `bytes` (1 MB or more); all zero if `zero`.
define internal ptr @take(i64 %%bytes, i1 %%zero) {
entry:
  %%keep.at = alloca i64
  %%huge = icmp ugt i64 %%bytes, 70368744177664
  br i1 %%huge, label %%fail, label %%classify
classify:
  %%more = add i64 %%bytes, %(step1)d
  %%capacity = and i64 %%more, -%(step)d
  %%zeros = call i64 @llvm.ctlz.i64(i64 %%capacity, i1 true)
  %%top = sub i64 63, %%zeros
  %%shift = sub i64 %%top, 2
  %%steps = lshr i64 %%capacity, %%shift
  %%octave = sub i64 %%top, 20
  %%octave4 = shl i64 %%octave, 2
  %%part = and i64 %%steps, 3
  %%class = or i64 %%octave4, %%part
  call void @lock()
  %%tick = call i64 @bump(ptr @tick, i64 1)
  %%tick.at = getelementptr i64, ptr @ticks, i64 %%class
  store i64 %%tick, ptr %%tick.at
  br label %%probe
probe:
  %%i = phi i64 [ 0, %%classify ], [ %%i2, %%empty ], [ %%i2, %%further ]
  %%index = add i64 %%class, %%i
  %%start = getelementptr i64, ptr @heads, i64 %%index
  br label %%walk
walk:
  %%list = phi ptr [ %%start, %%probe ], [ %%following, %%small ]
  %%seen = phi i64 [ 0, %%probe ], [ %%seen2, %%small ]
  %%head = load ptr, ptr %%list
  %%none = icmp eq ptr %%head, null
  br i1 %%none, label %%empty, label %%weigh
weigh:
  %%held.at = getelementptr i64, ptr %%head, i64 1
  %%held = load i64, ptr %%held.at
  %%fits = icmp uge i64 %%held, %%capacity
  br i1 %%fits, label %%hit, label %%small
small:
  %%following = getelementptr i64, ptr %%head, i64 3
  %%seen2 = add i64 %%seen, 1
  %%again = icmp slt i64 %%seen2, %(walk)d
  br i1 %%again, label %%walk, label %%empty
empty:
  %%i2 = add i64 %%i, 1
  %%near = icmp slt i64 %%i2, 3
  br i1 %%near, label %%probe, label %%grow
grow:
  %%first.look = icmp eq i64 %%i2, 3
  br i1 %%first.look, label %%measure, label %%further
measure:
  %%live = load i64, ptr @live_bytes
  %%live2 = add i64 %%live, %%bytes
  %%peak = load i64, ptr @peak_live_bytes
  %%higher = icmp sgt i64 %%live2, %%peak
  %%peak2 = select i1 %%higher, i64 %%live2, i64 %%peak
  %%share = lshr i64 %%peak2, 4
  %%bound0 = add i64 %%peak2, %%share
  %%bound = add i64 %%bound0, %(slack)d
  %%used = load i64, ptr @live_capacity
  %%used2 = add i64 %%used, %%capacity
  %%keep = sub i64 %%bound, %%used2
  store i64 %%keep, ptr %%keep.at
  %%waiting = load i64, ptr @idle_bytes
  %%room = icmp sle i64 %%waiting, %%keep
  br i1 %%room, label %%miss, label %%further
further:
  %%wide = icmp slt i64 %%i2, %(widest)d
  br i1 %%wide, label %%probe, label %%miss
hit:
  %%next.at = getelementptr i64, ptr %%head, i64 3
  %%rest = load i64, ptr %%next.at
  store i64 %%rest, ptr %%list
  %%size.at = getelementptr i64, ptr %%head, i64 1
  %%size = load i64, ptr %%size.at
  %%minus = sub i64 0, %%size
  %%idle = call i64 @bump(ptr @idle_bytes, i64 %%minus)
  %%hits = call i64 @bump(ptr @hits, i64 1)
  %%data.hit = getelementptr i8, ptr %%head, i64 64
  call void @enter(ptr %%head, i64 %%bytes)
  call void @rl_heap_unlock()
  br i1 %%zero, label %%clear, label %%return
clear:
  %%cleared = call ptr @memset(ptr %%data.hit, i32 0, i64 %%bytes)
  br label %%return
return:
  ret ptr %%data.hit
miss:
  %%misses = call i64 @bump(ptr @misses, i64 1)
  %%keep.now = load i64, ptr %%keep.at
  call void @shrink(i64 %%keep.now)
  %%length = add i64 %%capacity, 4096
  %%first = call ptr @map(i64 %%length)
  %%refused = icmp eq ptr %%first, inttoptr (i64 -1 to ptr)
  br i1 %%refused, label %%squeeze, label %%mapped
squeeze:
  call void @shrink(i64 0)
  %%second = call ptr @map(i64 %%length)
  %%refused2 = icmp eq ptr %%second, inttoptr (i64 -1 to ptr)
  br i1 %%refused2, label %%unlock, label %%mapped
unlock:
  call void @rl_heap_unlock()
  br label %%fail
fail:
  ret ptr null
mapped:
  %%block = phi ptr [ %%first, %%miss ], [ %%second, %%squeeze ]
  %%large = icmp uge i64 %%capacity, %(huge)d
  br i1 %%large, label %%advise, label %%describe
advise:
  %%advised = call i32 @madvise(ptr %%block, i64 %%length, i32 14)
  br label %%describe
describe:
  %%capacity.at = getelementptr i64, ptr %%block, i64 1
  store i64 %%capacity, ptr %%capacity.at
  %%class.at = getelementptr i64, ptr %%block, i64 2
  store i64 %%class, ptr %%class.at
  call void @enter(ptr %%block, i64 %%bytes)
  %%fresh = call i64 @bump(ptr @fresh_bytes, i64 %%capacity)
  %%many = icmp sgt i64 %%fresh, %(notify)d
  br i1 %%many, label %%reset, label %%out
reset:
  store i64 0, ptr @fresh_bytes
  br label %%out
out:
  call void @rl_heap_unlock()
  %%data = getelementptr i8, ptr %%block, i64 64
  %%function = load ptr, ptr @notify
  %%known = icmp ne ptr %%function, null
  %%tell = and i1 %%known, %%many
  br i1 %%tell, label %%report, label %%end
report:
  %%pending = call i32 @Py_AddPendingCall(ptr %%function, ptr null)
  br label %%end
end:
  ret ptr %%data
}

; A block comes into use.
define internal void @enter(ptr %%block, i64 %%bytes) {
  %%data = getelementptr i8, ptr %%block, i64 64
  %%mark = call i64 @mark(ptr %%data)
  store i64 %%mark, ptr %%block
  %%bytes.at = getelementptr i64, ptr %%block, i64 4
  store i64 %%bytes, ptr %%bytes.at
  %%capacity.at = getelementptr i64, ptr %%block, i64 1
  %%capacity = load i64, ptr %%capacity.at
  %%live = call i64 @bump(ptr @live_bytes, i64 %%bytes)
  %%used = call i64 @bump(ptr @live_capacity, i64 %%capacity)
  %%blocks = call i64 @bump(ptr @live_blocks, i64 1)
  %%peak = load i64, ptr @peak_live_bytes
  %%higher = icmp sgt i64 %%live, %%peak
  %%peak2 = select i1 %%higher, i64 %%live, i64 %%peak
  store i64 %%peak2, ptr @peak_live_bytes
  %%idle = load i64, ptr @idle_bytes
  %%total = add i64 %%used, %%idle
  %%top = load i64, ptr @peak_bytes
  %%higher2 = icmp sgt i64 %%total, %%top
  %%top2 = select i1 %%higher2, i64 %%total, i64 %%top
  store i64 %%top2, ptr @peak_bytes
  ret void
}

; A block goes out of use: kept, or unmapped if too much is idle.
define internal void @give(ptr %%data) {
entry:
  %%block = getelementptr i8, ptr %%data, i64 -64
  call void @lock()
  store i64 0, ptr %%block
  %%capacity.at = getelementptr i64, ptr %%block, i64 1
  %%capacity = load i64, ptr %%capacity.at
  %%class.at = getelementptr i64, ptr %%block, i64 2
  %%class = load i64, ptr %%class.at
  %%minus = sub i64 0, %%capacity
  %%used = call i64 @bump(ptr @live_capacity, i64 %%minus)
  %%bytes.at = getelementptr i64, ptr %%block, i64 4
  %%bytes = load i64, ptr %%bytes.at
  %%less = sub i64 0, %%bytes
  %%live = call i64 @bump(ptr @live_bytes, i64 %%less)
  %%blocks = call i64 @bump(ptr @live_blocks, i64 -1)
  %%idle = load i64, ptr @idle_bytes
  %%idle2 = add i64 %%idle, %%capacity
  %%limit = load i64, ptr @idle_limit
  %%much = icmp sgt i64 %%idle2, %%limit
  br i1 %%much, label %%drop, label %%keep
drop:
  call void @unmap(ptr %%block)
  br label %%done
keep:
  store i64 %%idle2, ptr @idle_bytes
  %%list = getelementptr i64, ptr @heads, i64 %%class
  %%head = load i64, ptr %%list
  %%next.at = getelementptr i64, ptr %%block, i64 3
  store i64 %%head, ptr %%next.at
  store ptr %%block, ptr %%list
  %%tick = call i64 @bump(ptr @tick, i64 1)
  %%tick.at = getelementptr i64, ptr @ticks, i64 %%class
  store i64 %%tick, ptr %%tick.at
  br label %%done
done:
  call void @rl_heap_unlock()
  ret void
}

define ptr @rl_alloc(i64 %%bytes) {
entry:
  %%small = icmp ult i64 %%bytes, %(smallest)d
  br i1 %%small, label %%libc, label %%pool
libc:
  %%more = add i64 %%bytes, 64
  %%round = and i64 %%more, -64
  %%plain = call ptr @aligned_alloc(i64 64, i64 %%round)
  ret ptr %%plain
pool:
  %%block = call ptr @take(i64 %%bytes, i1 false)
  ret ptr %%block
}

define void @rl_free(ptr %%data) {
entry:
  %%mine = call i1 @ours(ptr %%data)
  br i1 %%mine, label %%pool, label %%libc
libc:
  call void @free(ptr %%data)
  ret void
pool:
  call void @give(ptr %%data)
  ret void
}

; NumPy's data allocator. @default points to the default allocator: ctx, malloc, calloc,
; realloc, free.

define ptr @rl_np_malloc(ptr %%ctx, i64 %%bytes) {
entry:
  %%small = icmp ult i64 %%bytes, %(smallest)d
  br i1 %%small, label %%default, label %%pool
default:
  %%table = load ptr, ptr @default
  %%ctx2 = load ptr, ptr %%table
  %%at = getelementptr ptr, ptr %%table, i64 1
  %%function = load ptr, ptr %%at
  %%plain = call ptr %%function(ptr %%ctx2, i64 %%bytes)
  ret ptr %%plain
pool:
  %%block = call ptr @take(i64 %%bytes, i1 false)
  ret ptr %%block
}

define ptr @rl_np_calloc(ptr %%ctx, i64 %%count, i64 %%item) {
entry:
  %%pair = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %%count, i64 %%item)
  %%bytes = extractvalue { i64, i1 } %%pair, 0
  %%over = extractvalue { i64, i1 } %%pair, 1
  br i1 %%over, label %%fail, label %%choose
fail:
  ret ptr null
choose:
  %%small = icmp ult i64 %%bytes, %(smallest)d
  br i1 %%small, label %%default, label %%pool
default:
  %%table = load ptr, ptr @default
  %%ctx2 = load ptr, ptr %%table
  %%at = getelementptr ptr, ptr %%table, i64 2
  %%function = load ptr, ptr %%at
  %%plain = call ptr %%function(ptr %%ctx2, i64 %%count, i64 %%item)
  ret ptr %%plain
pool:
  %%block = call ptr @take(i64 %%bytes, i1 true)
  ret ptr %%block
}

define ptr @rl_np_realloc(ptr %%ctx, ptr %%data, i64 %%bytes) {
entry:
  %%null = icmp eq ptr %%data, null
  br i1 %%null, label %%fresh, label %%whose
fresh:
  %%new = call ptr @rl_np_malloc(ptr %%ctx, i64 %%bytes)
  ret ptr %%new
whose:
  %%mine = call i1 @ours(ptr %%data)
  br i1 %%mine, label %%move, label %%default
default:
  %%table = load ptr, ptr @default
  %%ctx2 = load ptr, ptr %%table
  %%at = getelementptr ptr, ptr %%table, i64 3
  %%function = load ptr, ptr %%at
  %%plain = call ptr %%function(ptr %%ctx2, ptr %%data, i64 %%bytes)
  ret ptr %%plain
move:
  %%bytes.at = getelementptr i8, ptr %%data, i64 -32
  %%old = load i64, ptr %%bytes.at
  %%capacity.at = getelementptr i8, ptr %%data, i64 -56
  %%capacity = load i64, ptr %%capacity.at
  %%half = lshr i64 %%capacity, 1
  %%fits = icmp ule i64 %%bytes, %%capacity
  %%full = icmp uge i64 %%bytes, %%half
  %%stay = and i1 %%fits, %%full
  br i1 %%stay, label %%same, label %%copy
same:
  %%more = sub i64 %%bytes, %%old
  call void @lock()
  %%live = call i64 @bump(ptr @live_bytes, i64 %%more)
  call void @rl_heap_unlock()
  store i64 %%bytes, ptr %%bytes.at
  ret ptr %%data
copy:
  %%moved = call ptr @rl_np_malloc(ptr %%ctx, i64 %%bytes)
  %%failed = icmp eq ptr %%moved, null
  br i1 %%failed, label %%out, label %%fill
fill:
  %%shorter = icmp ult i64 %%bytes, %%old
  %%length = select i1 %%shorter, i64 %%bytes, i64 %%old
  %%copied = call ptr @memcpy(ptr %%moved, ptr %%data, i64 %%length)
  call void @give(ptr %%data)
  br label %%out
out:
  ret ptr %%moved
}

define void @rl_np_free(ptr %%ctx, ptr %%data, i64 %%bytes) {
entry:
  %%mine = call i1 @ours(ptr %%data)
  br i1 %%mine, label %%pool, label %%default
default:
  %%table = load ptr, ptr @default
  %%ctx2 = load ptr, ptr %%table
  %%at = getelementptr ptr, ptr %%table, i64 4
  %%function = load ptr, ptr %%at
  call void %%function(ptr %%ctx2, ptr %%data, i64 %%bytes)
  ret void
pool:
  call void @give(ptr %%data)
  ret void
}

; With the interpreter's lock: make the pool this thread's allocator if it has the default one.
define void @rl_heap_ensure() {
entry:
  %%ours = load ptr, ptr @our_capsule
  %%off = icmp eq ptr %%ours, null
  br i1 %%off, label %%end, label %%ask
ask:
  %%get = load ptr, ptr @get_handler
  %%now = call ptr %%get()
  %%failed = icmp eq ptr %%now, null
  br i1 %%failed, label %%end, label %%compare
compare:
  call void @Py_DecRef(ptr %%now)
  %%default = load ptr, ptr @default_capsule
  %%replace = icmp eq ptr %%now, %%default
  br i1 %%replace, label %%set, label %%end
set:
  %%set.function = load ptr, ptr @set_handler
  %%old = call ptr %%set.function(ptr %%ours)
  %%none = icmp eq ptr %%old, null
  br i1 %%none, label %%end, label %%drop
drop:
  call void @Py_DecRef(ptr %%old)
  br label %%end
end:
  ret void
}
"""


def make_ir() -> str:
    """The LLVM IR of the pool."""
    aliases = "\n".join(
        f"@{name} = internal alias i64, getelementptr (i8, ptr @rl_heap, i64 {offset})"
        for name, offset in WORDS.items()
    )
    return _IR % {
        "state_bytes": _STATE_BYTES,
        "heads": _HEADS,
        "ticks": _TICKS,
        "classes": _CLASSES,
        "aliases": aliases,
        "slack": SLACK_BYTES,
        "widest": WIDEST,
        "step": STEP_BYTES,
        "step1": STEP_BYTES - 1,
        "walk": WALK,
        "huge": HUGE_BYTES,
        "notify": NOTIFY_BYTES,
        "smallest": SMALLEST,
    }
