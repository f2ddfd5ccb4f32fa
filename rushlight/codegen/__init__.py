"""Machine code from Python: LLVM, the disk cache, the loader, builtins, the thread pool."""

import os

from rushlight.codegen import cache, llvm
from rushlight.codegen import heap as heap  # provides rl_alloc and rl_free to the loader
from rushlight.codegen import pool as pool  # provides rl_parallel_for

if hasattr(os, "register_at_fork"):
    # A child must not inherit a lock that nobody gives back. What is registered last is called
    # first before a fork: the cache's lock, then LLVM's, then the pool is paused; a thread that
    # loads code takes them in the same order.
    for _lock in (llvm.lock, cache.lock):
        os.register_at_fork(
            before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
        )
