"""BLAS and LAPACK by address: the OpenBLAS library of the package scipy-openblas32.

The library is opened when the first address is asked for (about 10 ms), never at import. It is
told to use one thread: the package's own pool runs halves of a product side by side, and
OpenBLAS's threads beside spinning workers would halve the speed.
"""

import ctypes
import os
import sys
import threading
from importlib.machinery import PathFinder

_lock = threading.Lock()
_library: list[ctypes.CDLL] = []
_addresses: dict[str, int] = {}
if hasattr(os, "register_at_fork"):  # a child must not inherit a lock that nobody gives back
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


class BlasError(RuntimeError):
    """The BLAS library is missing or lacks a routine."""


def _find() -> str:
    """The path of the shared library, without importing the package (its import is slow)."""
    spec = PathFinder.find_spec("scipy_openblas32")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise BlasError("the package scipy-openblas32 is not installed")
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    folder = os.path.join(folders[0], "lib")
    for name in sorted(os.listdir(folder)):
        if "scipy_openblas" in name and name.endswith(suffix):
            return os.path.join(folder, name)
    raise BlasError(f"no OpenBLAS library in {folder}")


def _open() -> ctypes.CDLL:
    if not _library:
        # Read when the library is opened: it must not start threads of its own.
        before = os.environ.get("OPENBLAS_NUM_THREADS")
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        try:
            library = ctypes.CDLL(_find())
        except OSError as error:
            raise BlasError(f"cannot open OpenBLAS: {error}") from error
        finally:
            if before is None:
                del os.environ["OPENBLAS_NUM_THREADS"]
            else:
                os.environ["OPENBLAS_NUM_THREADS"] = before
        library.scipy_openblas_set_num_threads(1)
        _library.append(library)
    return _library[0]


def address(name: str) -> int:
    """The address of a routine.

    Args:
        name: a BLAS routine such as "sgemm" or "ddot" for its C interface (`cblas_sgemm`,
            row-major, 32-bit integers); with a trailing underscore such as "sgetrf_" for the
            Fortran interface of BLAS or LAPACK (every argument by reference, 32-bit integers);
            or a full name such as "cblas_sgemm", "LAPACKE_sgesv".

    Raises:
        BlasError: if the library or the routine is missing.
    """
    found = _addresses.get(name)
    if found is None:
        with _lock:
            found = _addresses[name] = _look_up(_open(), name)
    return found


def _look_up(library: ctypes.CDLL, name: str) -> int:
    names = [f"scipy_{name}"]
    if not name.endswith("_") and not name.startswith(("cblas_", "LAPACKE_")):
        names = [f"scipy_cblas_{name}", f"scipy_{name}_"]
    for full in names:
        try:
            pointer = ctypes.cast(getattr(library, full), ctypes.c_void_p).value
        except AttributeError:
            continue
        if pointer:
            return pointer
    raise BlasError(f"OpenBLAS has no routine {name}")


def available() -> bool:
    """Whether the library is installed and can be opened."""
    try:
        address("sgemm")
    except BlasError:
        return False
    return True


def config() -> str:
    """OpenBLAS's description of itself: version, kernels chosen for this processor."""
    with _lock:
        function = _open().scipy_openblas_get_config
    function.restype = ctypes.c_char_p
    text = function()
    return text.decode() if text else ""
