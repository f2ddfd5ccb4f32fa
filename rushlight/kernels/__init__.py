"""Hand-scheduled families of computations on raw buffers; the modules run when first used.

``from rushlight.kernels import conv`` costs nothing: the module (and the code generator below it)
is executed when one of its names is first read, so that ``import rushlight`` stays light.

Note: several threads
    A module is executed once, by the thread that reads a name first; others wait until it is
    complete. Each module has a lock of its own. Modules import only in one direction, so no two
    threads can wait for each other.
"""

import importlib
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock, get_ident
from types import ModuleType
from typing import Any

_locks: dict[str, Any] = {}
_running: dict[str, int] = {}  # modules being executed, and by which thread


class _Lazy(ModuleType):
    """A module that is executed when one of its names is read; then it is like any other."""

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__") or name == "__doc__":
            _execute(self)
        return ModuleType.__getattribute__(self, name)  # by now perhaps of that class


def _execute(module: ModuleType) -> None:
    """Runs the module's code if nobody has yet; waits for a thread that is running it."""
    full = module.__name__
    with _locks[full]:
        if type(module) is not _Lazy or full in _running:  # done, or it reads its own names
            return
        _running[full] = get_ident()
        try:
            spec = module.__spec__
            assert spec is not None and spec.loader is not None
            spec.loader.exec_module(module)
            module.__class__ = ModuleType  # type: ignore[assignment]
        finally:
            _running.pop(full, None)


def _make(full: str, spec: ModuleSpec) -> ModuleType:
    module = _Lazy(full)
    module.__spec__, module.__loader__, module.__package__ = spec, spec.loader, __name__
    module.__file__ = spec.origin
    _locks.setdefault(full, RLock())
    return sys.modules.setdefault(full, module)


def __getattr__(name: str) -> ModuleType:
    full = f"{__name__}.{name}"
    module = sys.modules.get(full)
    if module is None:
        spec = PathFinder.find_spec(full, __path__) if not name.startswith("__") else None
        if spec is None or spec.loader is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = _make(full, spec)
    if type(module) is not _Lazy:
        module = importlib.import_module(full)  # waits for a thread that is importing it
    globals()[name] = module
    return module


def _settle() -> None:
    """Before a fork: lets the modules that other threads are executing become complete."""
    while others := [full for full, owner in list(_running.items()) if owner != get_ident()]:
        for full in others:
            with _locks[full]:
                pass


def _forget() -> None:
    """In a child: what a thread began after all is executed anew; the thread stayed behind."""
    for full in _locks:
        if _running.get(full) != get_ident():
            _locks[full] = RLock()
            _running.pop(full, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_settle, after_in_child=_forget)
