"""``rushlight run``: a PyTorch script, as it is, on rushlight.

Loads nothing of the command line's libraries: a script should start at once.
"""

import builtins
import os
import signal
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType
from typing import Any

from rushlight.alias import finder
from rushlight.alias.finder import LIST, install

USAGE = """\
usage: rushlight run SCRIPT [ARGUMENTS...]
       rushlight run -m MODULE [ARGUMENTS...]

Runs a Python program in which `import torch` and `import torchvision` give rushlight.
"""


def run(arguments: list[str]) -> int:
    """Runs what ``arguments`` name; the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "-m":
        if len(arguments) < 2:
            print("rushlight run -m: the name of a module is missing", file=sys.stderr)
            return 2
        return _guarded(_run_module, arguments[1], arguments[2:])
    if arguments[0].startswith("-"):
        print(f"rushlight run: unknown option {arguments[0]}\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    return _guarded(_run_file, arguments[0], arguments[1:])


def _run_file(path: str, arguments: list[str]) -> None:
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        import runpy  # noqa: PLC0415  (rare)

        sys.argv = [path, *arguments]
        runpy.run_path(path, run_name="__main__")
        return
    loader = SourceFileLoader("__main__", path)
    source = loader.get_data(path)
    main = ModuleType("__main__")
    main.__file__ = path
    main.__loader__ = loader
    main.__builtins__ = builtins  # type: ignore[attr-defined]
    main.__annotations__ = {}
    main.__cached__ = None  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    sys.argv = [path, *arguments]
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)


def _run_module(name: str, arguments: list[str]) -> None:
    import runpy  # noqa: PLC0415  (rare)

    sys.argv = ["-m", *arguments]
    _set_first_path(os.getcwd())
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _set_first_path(folder: str) -> None:
    """Puts ``folder`` where Python itself puts the script's folder."""
    if not getattr(sys.flags, "safe_path", False):
        if sys.path:
            sys.path[0] = folder
        else:
            sys.path.append(folder)


def _guarded(runner: Any, target: str, arguments: list[str]) -> int:
    """Calls the runner; shows an error as Python would, without the frames of this file."""
    install()
    try:
        runner(target, arguments)
    except SystemExit as stop:
        return _exit_code(stop)
    except FileNotFoundError as error:
        if error.filename == target and error.__traceback__ is not None and _own_only(error):
            print(f"rushlight run: can't open file {target!r}: {error.strerror}", file=sys.stderr)
            return 2
        _show(error)
        return 1
    except KeyboardInterrupt as error:
        _show(error)
        return 128 + signal.SIGINT
    except BaseException as error:
        _show(error)
        return 1
    return 0


def _exit_code(stop: SystemExit) -> int:
    code = stop.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code
    print(code, file=sys.stderr)
    return 1


def _is_own(frame: Any) -> bool:
    name = frame.f_code.co_filename
    return name == __file__ or name.startswith("<frozen ")


def _own_only(error: BaseException) -> bool:
    """Whether the error comes from opening the script, not from the script."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__name__") == "__main__":
            return False
        step = step.tb_next
    return True


def _show(error: BaseException) -> None:
    """Prints the traceback from the script's first line on."""
    step: TracebackType | None = error.__traceback__
    while step is not None and _is_own(step.tb_frame):
        step = step.tb_next
    _drop_finder(step)
    error.__traceback__ = step
    _point_to_list(error)
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()
    sys.excepthook(type(error), error, step)


def _drop_finder(step: TracebackType | None) -> None:
    """Takes the alias's own frames off the end of a failed import's traceback."""
    while step is not None:
        rest = step.tb_next
        if rest is not None and rest.tb_frame.f_globals.get("__name__") == finder.__name__:
            step.tb_next = None
        step = step.tb_next


def _point_to_list(error: BaseException) -> None:
    """Where a name of rushlight's is missing, adds where the supported ones are listed."""
    if isinstance(error, AttributeError) and LIST not in str(error):
        owner = error.obj if isinstance(error.obj, type) else type(error.obj)
        module = getattr(owner, "__module__", "") or ""
        if module == "torch" or module.startswith("rushlight"):
            error.add_note(LIST)
