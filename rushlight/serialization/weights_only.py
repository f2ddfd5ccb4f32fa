"""The unpickler of ``load(weights_only=True)``: data, and nothing that could run code.

Note [Allow-list]
A pickle is a little program; the dangerous instructions are those that name a class or function
(GLOBAL), call it (REDUCE, NEWOBJ) and change an object (BUILD). Here a name is only ever looked up
in a table: tensors, storages, dtypes and a few containers, plus what the user put on the list by
``add_safe_globals``. Nothing is imported, and instructions that PyTorch's files do not need are
refused.
"""

import pickle
import struct
import warnings
from _codecs import encode
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from pickle import UnpicklingError, decode_long
from typing import Any

from rushlight.base import dtypes
from rushlight.base.device import device
from rushlight.base.size import Size
from rushlight.core.tensor import Tensor
from rushlight.serialization.names import find, full_name
from rushlight.serialization.storage import BY_NAME, REBUILD, _rebuild_from_type_v2

Global = Callable[..., Any] | tuple[Callable[..., Any], str]
_BLOCKED = ("sys", "os", "posix", "nt")
_PYTHON2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_SAFE: set[Any] = set()
_allowed: dict[str, Any] = {}


def add_safe_globals(safe_globals: Iterable[Global]) -> None:
    """Allows these classes and functions in files that ``load`` reads with ``weights_only=True``.

    Args:
        safe_globals: classes or functions, or pairs of one and its full name in the file.

    Examples::

        >>> torch.serialization.add_safe_globals([range])
        >>> torch.serialization.get_safe_globals()
        [<class 'range'>]
        >>> torch.serialization.clear_safe_globals()
    """
    _SAFE.update(safe_globals)


def get_safe_globals() -> list[Any]:
    """What ``add_safe_globals`` allowed."""
    return list(_SAFE)


def clear_safe_globals() -> None:
    """Empties the list that ``add_safe_globals`` adds to."""
    _SAFE.clear()


class safe_globals:
    """Allows classes and functions, as ``add_safe_globals`` does, within a ``with`` block."""

    def __init__(self, safe_globals: Iterable[Global]) -> None:
        self.added = list(safe_globals)

    def __enter__(self) -> None:
        self.new = set(self.added) - _SAFE
        _SAFE.update(self.new)

    def __exit__(self, *args: object) -> None:
        _SAFE.difference_update(self.new)


def _user_globals() -> dict[str, Any]:
    result = {}
    for entry in _SAFE:
        if isinstance(entry, tuple):
            if len(entry) != 2:
                raise ValueError(
                    "Expected tuple of length 2 (global, str of callable full path), but got "
                    f"tuple of length: {len(entry)}"
                )
            if type(entry[1]) is not str:
                raise TypeError(
                    "Expected second item in tuple to be str of callable full path, but got: "
                    f"{type(entry[1])}"
                )
            result[entry[1]] = entry[0]
        else:
            result[full_name(entry)] = entry
    return result


def _allowed_globals() -> dict[str, Any]:
    if not _allowed:
        _allowed.update({
            "collections.OrderedDict": OrderedDict,
            "collections.Counter": Counter,
            "torch.Size": Size,
            "torch.Tensor": Tensor,
            "torch._tensor.Tensor": Tensor,
            "torch.device": device,
            "_codecs.encode": encode,
            "builtins.bytearray": bytearray,
            "builtins.set": set,
            "builtins.complex": complex,
            "torch._tensor._rebuild_from_type_v2": _rebuild_from_type_v2,
        })  # fmt: skip
        for d in dtypes.ALL:
            _allowed[repr(d)] = d
        for name, kind in BY_NAME.items():
            _allowed[f"torch.{name}"] = kind
        _allowed["torch.storage.UntypedStorage"] = BY_NAME["UntypedStorage"]
        for name, function in REBUILD.items():
            _allowed[f"torch._utils.{name}"] = function
    return _allowed


def _parameter() -> Any:
    return find("torch.nn.parameter", "Parameter")


def _lookup(module: str, name: str) -> Any:
    """The allowed object of that name."""
    path = f"{module}.{name}"
    if module in _BLOCKED:
        raise UnpicklingError(
            f"Trying to load unsupported GLOBAL {path} whose module {module} is blocked."
        )
    if path == "torch.nn.parameter.Parameter":
        return _parameter()
    for table in (_allowed_globals(), _user_globals()):
        if path in table:
            return table[path]
    path = path.removeprefix("builtins.")
    raise UnpicklingError(
        f"Unsupported global: GLOBAL {path} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{path}])` or the "
        f"`torch.serialization.safe_globals([{path}])` context manager to allowlist this global "
        "if you trust this class/function."
    )


def _is_allowed(obj: Any) -> bool:
    """Whether the object itself, not one equal to it, is on a list."""
    tables = (_allowed_globals(), _user_globals())
    return any(obj is found for table in tables for found in table.values())


class Unpickler:
    """Reads one pickle of protocol 2 (or 3, as far as the instructions are the same)."""

    def __init__(self, file: Any, *, encoding: str = "bytes", **ignored: Any) -> None:
        self.file = file
        self.encoding = encoding
        self.memo: dict[int, Any] = {}
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []

    def persistent_load(self, pid: Any) -> Any:
        """The object that ``pid`` stands for; replaced by who reads the file."""
        raise UnpicklingError("unsupported persistent id encountered")

    def load(self) -> Any:
        """The object."""
        read = self.file.read
        table = _INSTRUCTIONS
        while True:
            key = read(1)
            if not key:
                raise EOFError
            code = key[0]
            if code == pickle.STOP[0]:
                return self._pop()
            instruction = table.get(code)
            if instruction is None:
                raise UnpicklingError(f"Unsupported operand {code}")
            instruction(self)

    def _bytes(self, n: int) -> bytes:
        data: bytes = self.file.read(n)
        if len(data) != n:
            raise EOFError
        return data

    def _pop(self) -> Any:
        if not self.stack:
            raise UnpicklingError("the pickle takes more from its stack than is there")
        return self.stack.pop()

    def _top(self) -> Any:
        if not self.stack:
            raise UnpicklingError("the pickle takes more from its stack than is there")
        return self.stack[-1]

    def _items(self) -> list[Any]:
        """What was pushed since the last mark."""
        if not self.marks:
            raise UnpicklingError("the pickle refers to a mark that is not there")
        items = self.stack
        self.stack = self.marks.pop()
        return items

    # The instructions, named as in the standard library's module.

    def proto(self) -> None:
        found = self._bytes(1)[0]
        if found != 2:
            warnings.warn(
                f"Detected pickle protocol {found} in the checkpoint, which was not the default "
                "pickle protocol used by `torch.load` (2). The weights_only Unpickler might not "
                "support all instructions implemented by this protocol, please file an issue for "
                "adding support if you encounter this.",
                stacklevel=2,
            )

    def global_(self) -> None:
        module = self.file.readline()[:-1].decode("utf-8")
        name = self.file.readline()[:-1].decode("utf-8")
        self.stack.append(_lookup(_PYTHON2.get(module, module), name))

    def newobj(self) -> None:
        args, cls = self._pop(), self._pop()
        if cls is _parameter():
            self.stack.append(cls(*args))
        elif isinstance(cls, type) and _is_allowed(cls):
            self.stack.append(cls.__new__(cls, *args))
        else:
            raise UnpicklingError(
                "Can only create new object for nn.Parameter or classes allowlisted via "
                f"`add_safe_globals` but got {cls}"
            )

    def reduce(self) -> None:
        args, function = self._pop(), self._pop()
        if not _is_allowed(function):
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {function}")
        self.stack.append(function(*args))

    def build(self) -> None:
        state, target = self._pop(), self._top()
        if type(target) is OrderedDict:
            target.__dict__.update(state)
        elif isinstance(target, Tensor) and not _is_allowed(type(target)):
            raise UnpicklingError(f"Can not build {type(target)} from its state")
        elif _is_allowed(type(target)):
            if hasattr(target, "__setstate__"):
                target.__setstate__(state)
                return
            slots = None
            if isinstance(state, tuple) and len(state) == 2:
                state, slots = state
            if state:
                target.__dict__.update(state)
            for name, value in (slots or {}).items():
                setattr(target, name, value)
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
                f"`add_safe_globals`, but got {type(target)}"
            )

    def append(self) -> None:
        self._extend([self._pop()], "append to")

    def appends(self) -> None:
        self._extend(self._items(), "extend")

    def _extend(self, items: list[Any], word: str) -> None:
        target = self._top()
        if type(target) is not list:
            raise UnpicklingError(f"Can only {word} lists, but got {type(target)}")
        target.extend(items)

    def setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._put([key, value], "SETITEM")

    def setitems(self) -> None:
        self._put(self._items(), "SETITEMS")

    def _put(self, items: list[Any], word: str) -> None:
        target = self._top()
        if type(target) not in (dict, OrderedDict, Counter):
            raise UnpicklingError(
                f"Can only {word} for dict, collections.OrderedDict, collections.Counter, but got "
                f"{type(target)}"
            )
        for i in range(0, len(items) - 1, 2):
            target[items[i]] = items[i + 1]

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def tuple_(self) -> None:
        items = self._items()
        self.stack.append(tuple(items))

    def tuple1(self) -> None:
        self._gather(1)

    def tuple2(self) -> None:
        self._gather(2)

    def tuple3(self) -> None:
        self._gather(3)

    def _gather(self, n: int) -> None:
        if len(self.stack) < n:
            raise UnpicklingError("the pickle takes more from its stack than is there")
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def binunicode(self) -> None:
        (length,) = struct.unpack("<I", self._bytes(4))
        self.stack.append(str(self._bytes(length), "utf-8", "surrogatepass"))

    def short_binstring(self) -> None:
        data = self._bytes(self._bytes(1)[0])
        self.stack.append(data if self.encoding == "bytes" else data.decode(self.encoding))

    def binpersid(self) -> None:
        pid = self._pop()
        if type(pid) is not tuple and type(pid) is not int:
            raise UnpicklingError(f"persistent_load id must be tuple or int, but got {type(pid)}")
        if type(pid) is tuple and pid and pid[0] not in ("storage", b"storage"):
            raise UnpicklingError(
                f"Only persistent_load of storage is allowed, but got {type(pid[0])}"
            )
        self.stack.append(self.persistent_load(pid))

    def long1(self) -> None:
        self.stack.append(decode_long(self._bytes(self._bytes(1)[0])))

    def _get(self, index: int) -> None:
        if index not in self.memo:
            raise UnpicklingError(f"Memo value not found at index {index}")
        self.stack.append(self.memo[index])


def _push(value: Callable[[], Any]) -> Callable[[Unpickler], None]:
    return lambda self: self.stack.append(value())


def _number(layout: str) -> Callable[[Unpickler], None]:
    size = struct.calcsize(layout)
    return lambda self: self.stack.append(struct.unpack(layout, self._bytes(size))[0])


def _memo(store: bool, layout: str) -> Callable[[Unpickler], None]:
    size = struct.calcsize(layout)

    def instruction(self: Unpickler) -> None:
        (index,) = struct.unpack(layout, self._bytes(size))
        if store:
            self.memo[index] = self._top()
        else:
            self._get(index)

    return instruction


_INSTRUCTIONS: dict[int, Callable[[Unpickler], None]] = {
    code[0]: instruction
    for code, instruction in (
        (pickle.PROTO, Unpickler.proto),
        (pickle.GLOBAL, Unpickler.global_),
        (pickle.NEWOBJ, Unpickler.newobj),
        (pickle.REDUCE, Unpickler.reduce),
        (pickle.BUILD, Unpickler.build),
        (pickle.APPEND, Unpickler.append),
        (pickle.APPENDS, Unpickler.appends),
        (pickle.SETITEM, Unpickler.setitem),
        (pickle.SETITEMS, Unpickler.setitems),
        (pickle.MARK, Unpickler.mark),
        (pickle.TUPLE, Unpickler.tuple_),
        (pickle.TUPLE1, Unpickler.tuple1),
        (pickle.TUPLE2, Unpickler.tuple2),
        (pickle.TUPLE3, Unpickler.tuple3),
        (pickle.NONE, _push(lambda: None)),
        (pickle.NEWTRUE, _push(lambda: True)),
        (pickle.NEWFALSE, _push(lambda: False)),
        (pickle.EMPTY_TUPLE, _push(tuple)),
        (pickle.EMPTY_LIST, _push(list)),
        (pickle.EMPTY_DICT, _push(dict)),
        (pickle.EMPTY_SET, _push(set)),
        (pickle.BININT, _number("<i")),
        (pickle.BININT1, _number("<B")),
        (pickle.BININT2, _number("<H")),
        (pickle.BINFLOAT, _number(">d")),
        (pickle.BINUNICODE, Unpickler.binunicode),
        (pickle.SHORT_BINSTRING, Unpickler.short_binstring),
        (pickle.BINPERSID, Unpickler.binpersid),
        (pickle.LONG1, Unpickler.long1),
        (pickle.BINGET, _memo(False, "<B")),
        (pickle.LONG_BINGET, _memo(False, "<I")),
        (pickle.BINPUT, _memo(True, "<B")),
        (pickle.LONG_BINPUT, _memo(True, "<I")),
    )
}


def load(file: Any, *, encoding: str = "ASCII", **ignored: Any) -> Any:
    """One pickle from ``file``."""
    return Unpickler(file, encoding=encoding).load()
