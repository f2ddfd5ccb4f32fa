"""``rushlight info``: versions, processor, settings, folders."""

import importlib.metadata
import os
import platform

from rushlight.base.config import TABLE, config
from rushlight.base.version import TORCH_VERSION, __version__
from rushlight.cli.data import default_folder
from rushlight.codegen.cache import native_supported
from rushlight.runtime import blas, cpu, threads

_PACKAGES = ("numpy", "llvmlite", "scipy-openblas32", "ml-dtypes", "Pillow", "matplotlib",
             "pandas", "scipy", "safetensors")  # fmt: skip


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _size(folder: str) -> str:
    total = files = 0
    for place, _, names in os.walk(folder):
        for name in names:
            total += os.path.getsize(os.path.join(place, name))
            files += 1
    return f"{total / 1e6:.1f} MB in {files} files" if files else "empty"


def describe() -> list[tuple[str, list[tuple[str, str]]]]:
    """Headings, each with its lines: what, and what it is."""
    processor = cpu.info().get("model name") or platform.processor() or platform.machine()
    wanted = [f for f in ("avx2", "fma", "avx512f", "neon") if f in cpu.features()]
    native = "on" if config.native and native_supported() else "off"
    if native == "off":
        native += " (RUSHLIGHT_NATIVE=0)" if not config.native else " (not on this platform)"
    versions = [("rushlight", __version__), ("follows PyTorch", TORCH_VERSION),
                ("Python", f"{platform.python_version()} ({platform.system()})")]  # fmt: skip
    versions += [(name, _version(name)) for name in _PACKAGES]
    settings = [
        (variable, os.environ.get(variable) or "not set")
        for variable, _, _, _ in TABLE.values()
        if variable in os.environ
    ]
    return [
        ("Versions", versions),
        (
            "Processor",
            [
                ("model", processor),
                ("features", " ".join(wanted) or "-"),
                ("threads", f"{threads.get_num_threads()} of {os.cpu_count()}"),
                ("machine code", native),
                ("BLAS", blas.config() if blas.available() else "NumPy's"),
            ],
        ),
        (
            "Folders",
            [
                ("cache", f"{config.cache_dir} ({_size(config.cache_dir)})"),
                ("data", default_folder()),
            ],
        ),
        *([("Environment", settings)] if settings else []),
    ]
