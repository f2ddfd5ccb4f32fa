"""Memory blocks of 1 MB and more, kept and reused: generated code behind NumPy's allocator.

Fresh pages are most of the time of element-wise work on large arrays, so blocks that arrays give
back are kept. The pool is set as NumPy's data allocator (`PyDataMem_SetHandler`): results of
builtins and of NumPy's own functions come from it alike. Smaller requests pass through to NumPy.

    ptr rl_alloc(i64 bytes)      scratch memory for kernels, 64-byte aligned, null on failure
    void rl_free(ptr)

Note: how much is kept
    All blocks together are to be no larger than 17/16 of the most that arrays ever held, plus
    32 MB. Before new memory would pass that, much larger idle blocks serve, then idle blocks
    (those of the class unused longest first) are given back. No more than a quarter of the machine's memory is idle at any time. After each 64 MB
    of new memory the interpreter is asked to look whether the system runs short
    (`runtime.memory.relieve`), and if mapping fails everything idle is given back first.

NumPy's allocator is set per thread (it is a context variable). Builtins set it where they are
about to make a large result, if it is NumPy's own default.
"""

import ctypes
import os
import sys

from rushlight.codegen import cache, heap_ir, loader, numpy_abi
from rushlight.runtime import memory

_SET_HANDLER, _GET_HANDLER, _DEFAULT_HANDLER = 304, 305, 306
_ALLOCATOR = 128  # of PyDataMem_Handler: name[127], version, then ctx and four functions


def _numpy_functions() -> tuple[int, int, int]:
    """The addresses of NumPy's GetHandler and SetHandler, and of its default capsule object."""
    default = ctypes.c_size_t.from_address(numpy_abi.api(_DEFAULT_HANDLER)).value
    return numpy_abi.api(_GET_HANDLER), numpy_abi.api(_SET_HANDLER), default


class Heap:
    """The loaded pool and its state."""

    def __init__(self) -> None:
        handlers = ("rl_np_malloc", "rl_np_calloc", "rl_np_realloc", "rl_np_free")
        functions = ("rl_alloc", "rl_free", "rl_heap_ensure", "rl_heap_trim", "rl_heap_unlock")
        exports = ("rl_heap", *handlers, *functions)
        key = f"{cache.emitter_hash(heap_ir)} {numpy_abi.key()}"
        found = self.functions = cache.load("heap", key, heap_ir.make_ir, exports)
        self.state = found["rl_heap"]
        self._trim = ctypes.CFUNCTYPE(None, ctypes.c_int64)(found["rl_heap_trim"])
        self._ensure = ctypes.PYFUNCTYPE(None)(found["rl_heap_ensure"])
        self._set("secret", int.from_bytes(os.urandom(8), "little") | 1)
        self._set("idle_limit", memory.total_bytes() // 4)
        self._callback = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self._pressed)
        self._set("notify", ctypes.cast(self._callback, ctypes.c_void_p).value or 0)
        if hasattr(os, "register_at_fork"):
            # The lock may be held by a thread that the child does not have. What it guards is
            # in order at every moment, but for a count.
            unlock = ctypes.CFUNCTYPE(None)(found["rl_heap_unlock"])
            os.register_at_fork(after_in_child=unlock)
        # Arrays may be freed after the interpreter has tidied up: this object stays.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        self._capsule = self._make_capsule([found[name] for name in handlers])
        self._enable()

    def _set(self, name: str, value: int) -> None:
        ctypes.c_size_t.from_address(self.state + heap_ir.WORDS[name]).value = value

    def _get(self, name: str) -> int:
        return ctypes.c_ssize_t.from_address(self.state + heap_ir.WORDS[name]).value

    def _make_capsule(self, functions: list[int]) -> object:
        """NumPy's PyDataMem_Handler in a capsule."""
        handler = b"rushlight".ljust(127, b"\0") + b"\1"
        handler += b"".join(word.to_bytes(8, "little") for word in (0, *functions))
        self._handler = ctypes.create_string_buffer(handler, len(handler))
        self._name = ctypes.create_string_buffer(b"mem_handler")
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        return new(ctypes.addressof(self._handler), ctypes.addressof(self._name), None)

    def _enable(self) -> None:
        get, set_, default = _numpy_functions()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype = ctypes.c_void_p
        pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        capsule = ctypes.cast(default, ctypes.py_object).value
        self._set("default", int(pointer(capsule, b"mem_handler")) + _ALLOCATOR)
        self._set("get_handler", get)
        self._set("set_handler", set_)
        self._set("default_capsule", default)
        self._set("our_capsule", id(self._capsule))

    def _pressed(self, _: int | None) -> int:
        memory.relieve()
        return 0

    def ensure(self) -> None:
        """Make the pool the calling thread's allocator of arrays."""
        self._ensure()

    def trim(self, keep: int) -> None:
        """Give idle blocks back until at most `keep` bytes are idle."""
        self._trim(keep)

    def statistics(self) -> dict[str, int]:
        """The pool's counts, by name."""
        names = list(heap_ir.WORDS)[:8]
        return {name: self._get(name) for name in names}

    def limit_idle(self, limit: int) -> None:
        """Keep at most this many idle bytes."""
        self._set("idle_limit", limit)
        self._trim(limit)


_heaps: list[Heap | None] = []


def get() -> Heap | None:
    """The process's pool, loaded on first use; None where the platform has no mmap we know."""
    if not _heaps:
        with cache.lock:
            if not _heaps:
                known = sys.platform.startswith("linux") and cache.native_supported()
                heap = Heap() if known and numpy_abi.check() else None
                if heap is not None:
                    memory.install(heap)
                _heaps.append(heap)
    return _heaps[0]


def _function(name: str) -> int:
    heap = get()
    if heap is None:
        return loader.address_of({"rl_alloc": "malloc", "rl_free": "free"}[name])
    return heap.functions[name]


cache.provide("rl_alloc", lambda: _function("rl_alloc"))
cache.provide("rl_free", lambda: _function("rl_free"))
