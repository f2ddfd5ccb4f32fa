"""CPython builtins and methods made from generated code.

    relu = builtin("relu", "x: f32[...s] -> out: f32[...s]; call out, x, s", address, fallback)

`relu(x)` then takes about 0.1 us: the arguments are checked, the result is allocated and the
kernel called in machine code. Whatever is not exactly as the signature says goes to the Python
function `fallback`, with the same arguments; so do all calls where native code is switched off.
The signature language is described in `signature.py`.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.codegen import arguments, cache, heap, numpy_abi, signature, support, table, wrapper

Function = Callable[..., Any]
_FASTCALL, _KEYWORDS, _NOARGS, _O = 0x80, 0x2, 0x4, 0x8
_METHOD_FLAGS = {"fastcall": _FASTCALL, "noargs": _NOARGS, "o": _O}

# Everything that machine code refers to. One reference too many keeps it until the process ends,
# past the interpreter's own tidying up.
_keep: list[object] = []
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_keep))


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _GetSetDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("get", ctypes.c_void_p),
        ("set", ctypes.c_void_p),
        ("doc", ctypes.c_char_p),
        ("closure", ctypes.c_void_p),
    )


class Guard:
    """Words that builtins on tensors look at; they belong to whoever keeps the state.

    Attributes:
        words: an array of 64-bit integers: [intercept, grad_off_thread, anomaly].
        intercept: not 0: every call goes to the fallback (something records operations, or any
            thread is in a mode that marks results).
        grad_off_thread: 0 while gradients are on in all threads; the identity
            (`threading.get_ident()`) of the one thread in which they are off; -1 for several: then
            Python is asked.
        anomaly: not 0: operations are recorded by Python.
    """

    def __init__(self) -> None:
        self.words = (ctypes.c_int64 * 3)()
        _keep.append(self)
        self.address = ctypes.addressof(self.words)

    @property
    def intercept(self) -> int:
        """The first word."""
        return self.words[0]

    @intercept.setter
    def intercept(self, value: int) -> None:
        self.words[0] = value

    @property
    def grad_off_thread(self) -> int:
        """The second word."""
        return self.words[1]

    @grad_off_thread.setter
    def grad_off_thread(self, value: int) -> None:
        self.words[1] = value


class TensorClass:
    """A class of tensors with `__slots__`, as generated code reads and makes it.

    Args:
        cls: the class; instances of it or of its subclasses may be passed, results are plain.
        array: the slot that holds the array.
        edge: the slot that is None for tensors without history.
        plain: slots that must be None too, else the fallback is called.
        fields: the other slots of a new tensor and their values.
        guard: the words that may send every call to the fallback.
        recorder: the address of `PyObject *recorder(record, args, n, result)`, which gives the
            result of a builtin made with `record` its history and returns it.
    """

    def __init__(
        self,
        cls: type,
        *,
        array: str = "_array",
        edge: str = "_edge",
        plain: Sequence[str] = (),
        fields: dict[str, object],
        guard: Guard | None = None,
        recorder: int = 0,
    ) -> None:
        self.cls = cls
        self.recorder = recorder
        self.values = tuple(fields.values())
        self.guard = guard or Guard()
        _keep.append(self)
        self.layout = table.Layout(
            numpy_abi.slot_offset(cls, array),
            numpy_abi.slot_offset(cls, edge),
            tuple(numpy_abi.slot_offset(cls, name) for name in plain),
            tuple(numpy_abi.slot_offset(cls, name) for name in fields),
        )

    def words(self) -> list[int]:
        """The class's part of the table."""
        return [id(self.cls), self.guard.address, self.recorder]

    def fields(self) -> list[int]:
        """The values of a new tensor's fields, for the table."""
        return [id(value) for value in self.values]


def available() -> bool:
    """Whether builtins are native here: CPython with its lock, known structs, not switched off."""
    return cache.native_supported() and numpy_abi.check()


def _table(fallback: Function, kernel: int, tensors: TensorClass | None, record: object) -> bytes:
    """The table of constants; what it refers to is kept alive."""
    _keep.extend((fallback, tensors, record))
    pool = heap.get()
    ensure = pool.functions["rl_heap_ensure"] if pool else 0
    words = [id(fallback), kernel, id(np.ndarray), numpy_abi.new_from_descr(), ensure]
    words += [numpy_abi.descr_address(dtype) for dtype in signature.DTYPES]
    if tensors is not None:
        words += [*tensors.words(), id(record), *tensors.fields()]
    words += [0] * (table.TABLE_WORDS - len(words))
    return b"".join(word.to_bytes(8, "little") for word in words)


def _load(
    text: str, kind: str, tensors: TensorClass | None, record: bool, instance: str
) -> dict[str, int]:
    def make_ir() -> str:
        parsed = signature.parse(text)
        return wrapper.Writer(parsed, kind, tensors.layout if tensors else None, record).write()

    layout = tensors.layout.key() if tensors else ""
    sources = cache.emitter_hash(signature, arguments, support, table, wrapper)
    key = "\n".join((text, kind, f"{layout} {record}", numpy_abi.key(), sources))
    exports = ["rl_entry"] if kind == "function" else ["rl_entry", "rl_table"]
    return cache.load("call", key, make_ir, exports, instance=instance)


def _definition(name: str, entry: int, flags: int, text: str) -> int:
    """The address of a PyMethodDef."""
    found = _MethodDef(name.encode(), entry, flags, text.encode())
    _keep.append(found)
    return ctypes.addressof(found)


def _address(kernel: int | Callable[[], int]) -> int:
    return kernel if isinstance(kernel, int) else kernel()


def builtin(
    name: str,
    text: str,
    kernel: int | Callable[[], int],
    fallback: Function,
    tensors: TensorClass | None = None,
    record: object = None,
) -> Function:
    """A CPython builtin that checks its arguments and calls a kernel.

    Args:
        name: the builtin's name.
        text: the signature (see `signature.py`).
        kernel: the address of a C function, or a function that gives it when it is needed.
        fallback: called with the same positional arguments when they are not as the signature
            says; it is returned itself where no native code is possible.
        tensors: what "@" in the signature means.
        record: passed to the tensor class's recorder, which is called when gradients are on and
            a tensor passed has an edge. Without it such calls go to the fallback.

    Raises:
        SignatureError: if the text is not a signature.
    """
    if not available():
        return fallback
    try:
        constants = _table(fallback, _address(kernel), tensors, record)
        entry = _load(text, "function", tensors, record is not None, "")["rl_entry"]
    except ImportError:  # nothing cached, and no llvmlite that loads
        return fallback
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    definition = _definition(name, entry, _FASTCALL, text)
    return make(definition, constants, None)  # type: ignore[no-any-return]


def method(
    name: str,
    text: str,
    kernel: int | Callable[[], int],
    fallback: Function,
    tensors: TensorClass,
    kind: str = "fastcall",
    record: object = None,
) -> Function:
    """A method descriptor for `tensors`' class; assign it to the class under its name.

    Args:
        name: the method's name.
        text: the signature; its first parameter is the instance.
        kernel: as for `builtin`.
        fallback: a function called with the instance and the other arguments.
        tensors: the class.
        kind: "o" for one argument besides the instance (as for `__add__`), "noargs" for none,
            "fastcall" for any number.
        record: as for `builtin`.
    """
    if not available():
        return fallback
    try:
        constants = _table(fallback, _address(kernel), tensors, record)
        found = _load(text, kind, tensors, record is not None, f"{name} {len(_keep)}")
    except ImportError:
        return fallback
    ctypes.memmove(found["rl_table"], constants, len(constants))
    make = ctypes.pythonapi.PyDescr_NewMethod
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.py_object, ctypes.c_void_p]
    definition = _definition(name, found["rl_entry"], _METHOD_FLAGS[kind], text)
    return make(tensors.cls, definition)  # type: ignore[no-any-return]


def keep(*objects: object) -> None:
    """Keeps objects alive that machine code refers to."""
    _keep.extend(objects)


def function(name: str, entry: int, doc: str | None) -> Function:
    """A builtin of `PyObject *entry(self, args, n)`, which checks its arguments itself."""
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    definition = _definition(name, entry, _FASTCALL, doc or "")
    return make(definition, None, None)  # type: ignore[no-any-return]


def descriptor(cls: type, name: str, entry: int, doc: str | None, *, one: bool = False) -> Function:
    """A method of `PyObject *entry(self, args, n, keywords)`, which checks them itself.

    With `one` it takes exactly one argument: `PyObject *entry(self, argument)`.
    """
    make = ctypes.pythonapi.PyDescr_NewMethod
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.py_object, ctypes.c_void_p]
    flags = _O if one else _FASTCALL | _KEYWORDS
    definition = _definition(name, entry, flags, doc or "")
    return make(cls, definition)  # type: ignore[no-any-return]


def getter(cls: type, name: str, entry: int, doc: str | None) -> object:
    """A read-only attribute that `PyObject *entry(self, closure)` gives."""
    make = ctypes.pythonapi.PyDescr_NewGetSet
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.py_object, ctypes.c_void_p]
    found = _GetSetDef(name.encode(), entry, None, (doc or "").encode(), None)
    _keep.append(found)
    return make(cls, ctypes.addressof(found))


def lazy_builtin(
    namespace: dict[str, Any],
    name: str,
    text: str,
    kernel: int | Callable[[], int],
    fallback: Function,
    tensors: TensorClass | Callable[[], TensorClass] | None = None,
    record: object = None,
) -> Function:
    """A builtin that is made by its first call, which puts it into `namespace` under its name.

    Call it through the module (`kernels.softmax(x)`, not a name imported from it): what was
    imported before the first call stays this slower stand-in. Costs nothing at import.

    Args:
        namespace: the module's `globals()`.
        name: the name in it, and the builtin's.
        text, kernel, fallback, tensors, record: as for `builtin`; `kernel` and `tensors` may
            be functions that give them.
    """
    made: list[Function] = []

    def stand_in(*args: Any) -> Any:
        if not made:
            known = tensors() if callable(tensors) else tensors
            made.append(builtin(name, text, kernel, fallback, known, record))
            if namespace.get(name) is stand_in:
                namespace[name] = made[0]
        return made[0](*args)

    stand_in.__name__ = stand_in.__qualname__ = name
    stand_in.__doc__ = fallback.__doc__
    return stand_in
