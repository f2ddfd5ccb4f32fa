"""Hand-scheduled families of computations on raw buffers; the modules run when first used.

``from rushlight.kernels import conv`` costs nothing: the module (and the code generator below it)
is executed when one of its names is first read, so that ``import rushlight`` stays light.
"""

import importlib.util
import sys
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    full = f"{__name__}.{name}"
    spec = importlib.util.find_spec(full) if not name.startswith("__") else None
    if spec is None or spec.loader is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    spec.loader = loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    loader.exec_module(module)
    globals()[name] = module
    return module
