import ctypes
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rushlight.base.config import config
from rushlight.codegen import cache, loader
from rushlight.runtime import cpu

IR = "define i64 @answer(i64 %x) {\n  %y = add i64 %x, NUMBER\n  ret i64 %y\n}\n"


def make(number: int = 42):
    return lambda: IR.replace("NUMBER", str(number))


def never() -> str:
    raise AssertionError("compiled again")


def run(found: dict[str, int]) -> int:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(found["answer"])(0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    forget(monkeypatch)
    return tmp_path / "objects"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(cache, "_loaded", {})
    monkeypatch.setattr(cache, "_memo", {})


def only_file(folder: Path) -> Path:
    files = list(folder.iterdir())
    assert len(files) == 1
    return files[0]


def test_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    first = cache.load("answer", "a", make(), ["answer"])
    assert run(first) == 42
    assert cache.load("answer", "a", never, ["answer"]) is first
    forget(monkeypatch)
    before = cache.statistics()["disk"]
    assert run(cache.load("answer", "a", never, ["answer"])) == 42
    assert cache.statistics()["disk"] == before + 1


def test_name_and_key_distinguish(folder: Path):
    assert run(cache.load("answer", "a", make(1), ["answer"])) == 1
    assert run(cache.load("answer", "b", make(2), ["answer"])) == 2
    assert run(cache.load("other", "a", make(3), ["answer"])) == 3
    assert len(list(folder.iterdir())) == 3


def test_instances_are_copies_of_one_object(folder: Path):
    ir = "@state = global i64 7\n"
    found = [cache.load("v", "a", lambda: ir, ["state"], instance=str(i)) for i in range(2)]
    assert found[0]["state"] != found[1]["state"]
    assert len(list(folder.iterdir())) == 1


def test_symbols_and_provided_symbols(folder: Path, monkeypatch: pytest.MonkeyPatch):
    callback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: x * 7)
    address = ctypes.cast(callback, ctypes.c_void_p).value
    ir = "declare i64 @NAME(i64)\ndefine i64 @f(i64 %x) {\n"
    ir += "  %y = call i64 @NAME(i64 %x)\n  ret i64 %y\n}\n"
    monkeypatch.setattr(cache, "_providers", dict(cache._providers))
    cache.provide("rl_test_given", lambda: address)
    for name, symbols in (("rl_test_passed", {"rl_test_passed": address}), ("rl_test_given", None)):
        text = ir.replace("NAME", name)
        found = cache.load("f", name, lambda text=text: text, ["f"], symbols)
        assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(found["f"])(6) == 42


def test_blas_is_found_by_name(folder: Path):
    ir = """
declare float @cblas_sdot(i32, ptr, i32, ptr, i32)
define float @dot(ptr %x, i32 %n) {
  %y = call float @cblas_sdot(i32 %n, ptr %x, i32 1, ptr %x, i32 1)
  ret float %y
}
"""
    found = cache.load("dot", "a", lambda: ir, ["dot"])
    dot = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_void_p, ctypes.c_int)(found["dot"])
    values = (ctypes.c_float * 4)(1, 2, 3, 4)
    assert dot(ctypes.addressof(values), 4) == 30


def damages(data: bytes):
    """Damaged versions of a file."""
    chance = random.Random(1)
    for length in (0, 1, 18, 19, 30, 35, 39, len(data) // 2, len(data) - 1):
        yield data[:length]
    for _ in range(400):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        yield bytes(damaged)
    yield data + b"\0"
    yield b"\x7fELF" + data
    yield bytes(len(data))


def test_damaged_files_are_built_again(folder: Path, monkeypatch: pytest.MonkeyPatch):
    cache.load("answer", "a", make(), ["answer"])
    path = only_file(folder)
    good = path.read_bytes()
    for i, damaged in enumerate(damages(good)):
        path.write_bytes(damaged)
        if i % 20:  # most of them: not accepted
            whole = f"answer\na\n{cache._host_key()}".encode()
            assert cache._read(str(path), whole) is None
            continue
        forget(monkeypatch)
        compiled = cache.statistics()["compiled"]
        assert run(cache.load("answer", "a", make(), ["answer"])) == 42
        assert cache.statistics()["compiled"] == compiled + 1
        assert path.read_bytes() == good


def test_code_of_another_processor_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "signature", lambda: "linux|x86_64|Other|1|2|3|sse2 avx1024")
    cache.load("answer", "a", make(1), ["answer"])
    foreign = only_file(folder)
    monkeypatch.undo()
    monkeypatch.setattr(config, "cache_dir", str(folder.parent))
    forget(monkeypatch)
    assert run(cache.load("answer", "a", make(2), ["answer"])) == 2
    (own,) = set(folder.iterdir()) - {foreign}
    # even under this processor's name it is refused, though its checksum is right
    shutil.copy(foreign, own)
    forget(monkeypatch)
    rejected = cache.statistics()["rejected"]
    assert run(cache.load("answer", "a", make(3), ["answer"])) == 3
    assert cache.statistics()["rejected"] == rejected + 1


def test_intact_file_that_does_not_load_is_built_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    if not loader.supported():
        pytest.skip("needs the loader")
    whole = f"answer\na\n{cache._host_key()}".encode()
    path = cache._path("answer", whole)
    cache._write(path, whole, b"\x7fELF but no object")
    assert run(cache.load("answer", "a", make(5), ["answer"])) == 5


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners and modes")
def test_files_others_may_write_are_not_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch):
    cache.load("answer", "a", make(1), ["answer"])
    os.chmod(only_file(folder), 0o666)
    forget(monkeypatch)
    assert run(cache.load("answer", "a", make(2), ["answer"])) == 2


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setattr(config, "cache_dir", str(blocked))
    forget(monkeypatch)
    assert run(cache.load("answer", "a", make(), ["answer"])) == 42


def test_the_folder_stays_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "cache_bytes", 40_000)
    for i in range(40):
        cache.load("answer", str(i), make(i), ["answer"])
        newest = max(folder.iterdir(), key=lambda p: p.stat().st_mtime_ns)
        os.utime(newest, (1e9 + i, 1e9 + i))
    files = list(folder.iterdir())
    assert sum(f.stat().st_size for f in files) <= 40_000
    assert min(f.stat().st_mtime for f in files) > 1e9 + 10
    assert not [f for f in files if f.name.endswith(".tmp")]


def test_threads_compile_once(folder: Path):
    calls = []

    def counted() -> str:
        calls.append(1)
        return make()()

    results: list[dict[str, int]] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(cache.load("answer", "t", counted, ["answer"]))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len({r["answer"] for r in results}) == 1


WARM = """
import sys
from rushlight.codegen import cache
def make():
    return {ir!r}
found = cache.load("warm", "w", make, ["answer"])
print(cache.statistics()["compiled"], "llvmlite" in sys.modules)
"""


@pytest.mark.skipif(not loader.supported(), reason="needs the loader")
def test_a_warm_start_does_not_import_llvmlite(run):
    script = WARM.format(ir=make()())
    assert run(script).split() == ["1", "True"]
    assert run(script).split() == ["0", "False"]


def test_processes_share_the_folder(tmp_path: Path):
    script = WARM.format(ir=make()()) + "assert len(found) == 1\n"
    root = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ, RUSHLIGHT_CACHE=str(tmp_path), PYTHONPATH=root)
    running = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in running:
        process.communicate(timeout=100)
        assert process.returncode == 0
    assert len(list((tmp_path / "objects").iterdir())) == 1


FORK = """
import os, threading, time
from rushlight.codegen import cache
TEXT = {ir!r}
def make():
    time.sleep(0.3)
    return TEXT
started = threading.Thread(target=cache.load, args=("slow", "f", make, ["answer"]))
started.start()
time.sleep(0.1)
pid = os.fork()  # while the other thread compiles
if pid == 0:
    cache.load("quick", "f", lambda: TEXT, ["answer"])
    os._exit(7)
started.join()
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_while_another_thread_compiles(run):
    text = "import warnings\nwarnings.simplefilter('ignore')\n" + FORK.format(ir=make()())
    assert run(text, timeout=30) == "done\n"


def test_jit_in_place_of_the_loader(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loader, "supported", lambda: False)
    assert run(cache.load("answer", "jit", make(9), ["answer"])) == 9
    forget(monkeypatch)
    assert run(cache.load("answer", "jit", never, ["answer"])) == 9


def test_jit_where_executable_pages_are_forbidden(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(loader, "place", refuse)
    assert run(cache.load("answer", "rwx", make(9), ["answer"])) == 9


def test_emitter_hash(tmp_path: Path):
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    a.write_text("x = 1\n")
    b.write_text("x = 2\n")
    assert cache.emitter_hash(str(a)) == cache.emitter_hash(str(a))
    assert cache.emitter_hash(str(a)) != cache.emitter_hash(str(b))
    assert cache.emitter_hash(cache) == cache.emitter_hash(cache.__file__)
    assert cache.emitter_hash(str(tmp_path / "gone.py"))  # only compiled Python installed


def test_switched_off(monkeypatch: pytest.MonkeyPatch):
    assert cache.native_supported()
    monkeypatch.setattr(config, "native", False)
    assert not cache.native_supported()


def test_free_threaded_is_not_supported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert not cache.native_supported()
