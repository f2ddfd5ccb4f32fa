import ctypes
import random

import pytest

from rushlight.codegen import llvm, loader

pytestmark = pytest.mark.skipif(not loader.supported(), reason="the loader is for ELF on x86-64")

IR = """
@table = internal constant [4 x double] [double 1.5, double 2.5, double 3.5, double 4.5]
@count = global i64 40
@zeros = internal global [1000 x i64] zeroinitializer
@where = internal global ptr @zeros
declare i64 @outside(i64)
declare ptr @memset(ptr, i32, i64)
define double @pick(i64 %i) {
  %at = getelementptr double, ptr @table, i64 %i
  %x = load double, ptr %at
  %y = fmul double %x, 3.25
  ret double %y
}
define i64 @next() {
  %a = load i64, ptr @count
  %b = add i64 %a, 1
  store i64 %b, ptr @count
  %z = load ptr, ptr @where
  %p = getelementptr i64, ptr %z, i64 999
  store i64 %b, ptr %p
  %c = load i64, ptr getelementptr (i64, ptr @zeros, i64 999)
  ret i64 %c
}
define i64 @call(i64 %x) {
  %y = call i64 @outside(i64 %x)
  ret i64 %y
}
define ptr @clear(ptr %p) {
  %q = call ptr @memset(ptr %p, i32 0, i64 16)
  ret ptr %q
}
"""


@pytest.fixture(scope="module")
def data() -> bytes:
    return llvm.compile_object(IR)


def resolver(name: str) -> int:
    return CALLBACK_ADDRESS if name == "outside" else loader.address_of(name)


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: 3 * x)
CALLBACK_ADDRESS = ctypes.cast(CALLBACK, ctypes.c_void_p).value
EXPORTS = ["pick", "next", "call", "clear", "count"]


def test_code_constants_variables_and_calls(data: bytes):
    found = loader.place(data, EXPORTS, resolver)
    pick = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(found["pick"])
    assert [pick(i) for i in range(4)] == [4.875, 8.125, 11.375, 14.625]
    step = ctypes.CFUNCTYPE(ctypes.c_int64)(found["next"])
    assert (step(), step()) == (41, 42)
    assert ctypes.c_int64.from_address(found["count"]).value == 42
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(found["call"])(5) == 15
    buffer = ctypes.create_string_buffer(b"x" * 20)
    clear = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(found["clear"])
    clear(ctypes.addressof(buffer))
    assert buffer.raw == b"\0" * 16 + b"xxxx\0"


def test_copies_have_variables_of_their_own(data: bytes):
    first = loader.place(data, EXPORTS, resolver)
    second = loader.place(data, EXPORTS, resolver)
    ctypes.CFUNCTYPE(ctypes.c_int64)(first["next"])()
    assert ctypes.c_int64.from_address(second["count"]).value == 40


def test_code_pages_cannot_be_written(data: bytes):
    address = loader.place(data, EXPORTS, resolver)["pick"]
    with open("/proc/self/maps", encoding="ascii") as file:
        for line in file:
            span, rights = line.split()[:2]
            low, high = (int(part, 16) for part in span.split("-"))
            if low <= address < high:
                assert rights.startswith("r-x")
                return
    raise AssertionError("the code is not mapped")


def test_unresolved_symbol(data: bytes):
    with pytest.raises(loader.LoadError, match="unresolved symbol outside"):
        loader.place(data, EXPORTS, loader.address_of)


def test_missing_export(data: bytes):
    with pytest.raises(loader.LoadError, match="no symbol nothing"):
        loader.place(data, ["nothing"], resolver)


def test_only_known_symbols_are_resolved():
    assert loader.address_of("PyLong_FromLong")
    assert loader.address_of("memcpy")
    for name in ("system", "PyNoSuchThing", ""):
        with pytest.raises(KeyError):
            loader.address_of(name)


def test_every_truncation_is_refused(data: bytes):
    for length in [*range(200), *range(200, len(data) - 1, 37)]:
        with pytest.raises(loader.LoadError):
            loader.place(data[:length], EXPORTS, resolver)


def test_flipped_bits_never_crash_the_loader(data: bytes):
    # The result is not run: here it only matters that placing damaged files is safe.
    chance = random.Random(0)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            loader.place(bytes(damaged), EXPORTS, resolver)
        except (loader.LoadError, MemoryError):
            refused += 1
    assert refused > 200
