"""Machine code from Python: LLVM, the disk cache, the loader, builtins, the thread pool."""

from rushlight.codegen import heap as heap  # provides rl_alloc and rl_free to the loader
from rushlight.codegen import pool as pool  # provides rl_parallel_for
