"""Makes ``import torch`` and ``import torchvision`` give rushlight's modules.

Note [One module, two names]
``torch.nn`` and ``rushlight.nn`` are the same object in ``sys.modules``: classes exist once, and
``isinstance`` holds whichever name was used. A module keeps its own ``__name__`` and ``__spec__``;
the finder below only enters it under its second name.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from opcode import opmap
from types import FrameType, ModuleType
from typing import Any

from rushlight.alias import version
from rushlight.base.naming import from_torch, to_torch
from rushlight.base.version import __version__

ROOTS = ("torch", "torchvision")
LIST = "the list of supported names is docs/support.md"
_SPECIAL = {
    "torch.version": "rushlight.alias.version",
    "torch.torch_version": "rushlight.alias.version",
}
_INSIDE = ("alias", "cli", "ops", "core", "kernels", "codegen", "runtime", "base")
_IMPORT_FROM = opmap["IMPORT_FROM"]
_SPAWN = "multiprocessing.spawn"


class AliasLoader:
    """Gives an existing module under a second name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spec: Any = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """rushlight's module."""
        module = importlib.import_module(self.name)
        self.spec = module.__spec__  # the import system is about to replace it
        explain_all()
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is run again."""
        module.__spec__ = self.spec


class AliasFinder:
    """Finds ``torch`` and ``torchvision`` and everything in them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of one of rushlight's modules under its PyTorch name."""
        if fullname == _SPAWN:
            return _spawn_spec(fullname, path)
        if fullname.partition(".")[0] not in ROOTS:
            return None
        ours = _SPECIAL.get(fullname) or from_torch(fullname)
        try:
            found = importlib.util.find_spec(ours)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("rushlight"):
                raise
            found = None
        if found is None:
            if _asked_only():
                return None
            raise ModuleNotFoundError(
                f"No module named '{fullname}' in rushlight {__version__}; {LIST}", name=fullname
            )
        return ModuleSpec(
            fullname,
            AliasLoader(ours),  # type: ignore[arg-type]
            origin=found.origin,
            is_package=found.submodule_search_locations is not None,
        )


def _asked_only() -> bool:
    """Whether the finder was called by ``importlib.util.find_spec``, not by an import."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(3):
        if frame is None:
            return False
        if frame.f_globals.get("__name__") == "importlib.util":
            return True
        frame = frame.f_back
    return False


def explain_all() -> None:
    """Does ``explain_missing`` for all of rushlight's public modules that are loaded."""
    for name, module in list(sys.modules.items()):
        first, _, rest = name.partition(".")
        if first == "rushlight" and rest.partition(".")[0] not in _INSIDE:
            explain_missing(module)


def explain_missing(module: ModuleType) -> None:
    """Lets a missing attribute of ``module`` raise an error that says where the list is."""
    names = module.__dict__
    original = names.get("__getattr__")
    if getattr(original, "explains", False):
        return

    def __getattr__(name: str) -> Any:
        if original is not None:
            try:
                found = original(name)
            except AttributeError:
                pass
            else:
                if isinstance(found, ModuleType):
                    explain_all()
                return found
        shown = to_torch(module.__name__)
        frame = sys._getframe(1)
        if frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM:
            text = f"cannot import name '{name}' from '{shown}' (rushlight {__version__}); {LIST}"
            raise ImportError(text, name=module.__name__, path=getattr(module, "__file__", None))
        text = f"module '{shown}' has no attribute '{name}' in rushlight {__version__}; {LIST}"
        raise AttributeError(text, name=name, obj=module)

    __getattr__.explains = True  # type: ignore[attr-defined]
    __getattr__.original = original  # type: ignore[attr-defined]
    names["__getattr__"] = __getattr__


class _SpawnLoader:
    """Loads ``multiprocessing.spawn`` and lets its children install the alias."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> Any:
        """As the usual loader."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Loads the module, then changes one function of it."""
        self.loader.exec_module(module)
        tell_children(module)


def _spawn_spec(fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
    spec = PathFinder.find_spec(fullname, path)
    if spec is not None and spec.loader is not None:
        spec.loader = _SpawnLoader(spec.loader)
    return spec


class InstallInChild:
    """Unpickled in a child process, it installs the alias there."""

    def __reduce__(self) -> Any:
        return _install_there, ()


def _install_there() -> InstallInChild:
    install()
    return InstallInChild()


def tell_children(spawn: Any) -> None:
    """Adds the alias to what a new process is told by ``multiprocessing``."""
    original = spawn.get_preparation_data
    if getattr(original, "installs_alias", False):
        return

    def get_preparation_data(name: str) -> Any:
        data = original(name)
        if installed():
            data = {"rushlight.alias": InstallInChild(), **data}
        return data

    get_preparation_data.installs_alias = True  # type: ignore[attr-defined]
    spawn.get_preparation_data = get_preparation_data


_finder = AliasFinder()


def installed() -> bool:
    """Whether ``import torch`` gives rushlight."""
    return _finder in sys.meta_path


def install() -> None:
    """Makes ``import torch`` and ``import torchvision`` give rushlight's modules.

    For notebooks and one's own programs; ``rushlight run`` does it for scripts. ``torch.__version__``
    then is PyTorch's version with rushlight's own behind a plus sign.

    Raises ImportError if PyTorch itself was imported before.

    Examples::

        >>> import rushlight.alias
        >>> rushlight.alias.install()
        >>> import torch as another
        >>> another is torch
        True
        >>> rushlight.alias.uninstall()
    """
    if installed():
        return
    root = importlib.import_module("rushlight")
    for name in ROOTS:
        present = sys.modules.get(name)
        if present is not None and not present.__name__.startswith("rushlight"):
            raise ImportError(
                f"{name} itself is already imported; install rushlight's alias before the first "
                f"`import {name}`"
            )
    sys.meta_path.insert(0, _finder)  # type: ignore[arg-type]
    root.__dict__["__version__"] = version.__version__
    root.__dict__["version"] = version
    if _SPAWN in sys.modules:
        tell_children(sys.modules[_SPAWN])


def uninstall() -> None:
    """Undoes ``install``. Modules that were imported as ``torch`` stay what they are."""
    if not installed():
        return
    sys.meta_path.remove(_finder)
    for name in [n for n in sys.modules if n.partition(".")[0] in ROOTS]:
        del sys.modules[name]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "rushlight":
            changed = getattr(module, "__dict__", {}).get("__getattr__")
            if getattr(changed, "explains", False):
                if changed.original is None:
                    del module.__dict__["__getattr__"]
                else:
                    module.__dict__["__getattr__"] = changed.original
    root = sys.modules["rushlight"].__dict__
    root["__version__"] = __version__
    root.pop("version", None)
