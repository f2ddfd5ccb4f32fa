"""Machine code from Python: LLVM, the disk cache, the loader, builtins, the thread pool."""
