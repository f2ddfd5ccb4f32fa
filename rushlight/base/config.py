"""Every option that the environment can set, in one table."""

import os
import sys
from collections.abc import Callable


def _flag(text: str) -> bool:
    return text.strip().lower() not in ("", "0", "no", "off", "false")


def _cache_folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME")
    if not base:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
        elif sys.platform == "darwin":
            base = os.path.expanduser("~/Library/Caches")
        else:
            base = os.path.expanduser("~/.cache")
    return os.path.join(base, "rushlight")


# name: (environment variable, parser, default, meaning)
TABLE: dict[str, tuple[str, Callable[[str], object], object, str]] = {
    "native": ("RUSHLIGHT_NATIVE", _flag, True, "use generated machine code; 0: NumPy only"),
    "debug": (
        "RUSHLIGHT_DEBUG",
        int,
        0,
        "1: op calls, 2: graph, 3: loop IR, 4: LLVM IR, 5: assembly",
    ),
    "cache_dir": ("RUSHLIGHT_CACHE", str, "", "folder of cached machine code"),
    "cache_bytes": ("RUSHLIGHT_CACHE_BYTES", int, 256 << 20, "largest size of that folder"),
    "num_threads": ("RUSHLIGHT_NUM_THREADS", int, 0, "threads of the kernels; 0: one per core"),
}


class Config:
    """The options, read from the environment once; attributes may be set by tests."""

    native: bool
    debug: int
    cache_dir: str
    cache_bytes: int
    num_threads: int

    def __init__(self) -> None:
        for name, (variable, parse, default, _) in TABLE.items():
            text = os.environ.get(variable)
            if text is None:
                value = default
            else:
                try:
                    value = parse(text)
                except ValueError:
                    raise ValueError(f"{variable}={text!r}: expected {parse.__name__}") from None
            setattr(self, name, value)
        if not self.cache_dir:
            self.cache_dir = _cache_folder()


config = Config()
