import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rushlight.runtime import blas

pytestmark = pytest.mark.skipif(not blas.available(), reason="scipy-openblas32 is not installed")

ROW_MAJOR, NO_TRANS, TRANS = 101, 111, 112
POINTER, INT = ctypes.c_void_p, ctypes.c_int


def sgemm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a times the transpose of b."""
    (m, k), n = a.shape, len(b)
    out = np.empty((m, n), np.float32)
    number = ctypes.c_float
    types = [INT] * 6 + [number, POINTER, INT, POINTER, INT, number, POINTER, INT]
    function = ctypes.CFUNCTYPE(None, *types)(blas.address("sgemm"))
    pa, pb, pc = a.ctypes.data, b.ctypes.data, out.ctypes.data
    function(ROW_MAJOR, NO_TRANS, TRANS, m, n, k, 1.0, pa, k, pb, k, 0.0, pc, n)
    return out


def test_product():
    chance = np.random.default_rng(0)
    a = chance.standard_normal((37, 53), np.float32)
    b = chance.standard_normal((29, 53), np.float32)
    np.testing.assert_allclose(sgemm(a, b), a @ b.T, rtol=1e-5, atol=1e-5)


def test_products_in_several_threads():
    chance = np.random.default_rng(0)
    a = chance.standard_normal((200, 200), np.float32)
    wrong = []

    def work() -> None:
        for _ in range(20):
            if not np.allclose(sgemm(a, a), a @ a.T, atol=1e-3):
                wrong.append(1)

    running = [threading.Thread(target=work) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not wrong


def test_lapack_with_fortran_interface():
    a = np.array([[4.0, 1.0], [1.0, 3.0]])
    n, info = INT(2), INT(-1)
    dpotrf = ctypes.CFUNCTYPE(None, *[POINTER] * 5, ctypes.c_size_t)(blas.address("dpotrf_"))
    number = ctypes.addressof(n)
    dpotrf(b"L", number, a.ctypes.data, number, ctypes.addressof(info), 1)
    assert info.value == 0
    np.testing.assert_allclose(a[0, 0], 2.0)
    np.testing.assert_allclose(a[1, 1], np.sqrt(3 - 0.25))


def test_names():
    assert blas.address("sgemm") == blas.address("cblas_sgemm") != blas.address("sgemm_")
    assert blas.address("sgetrf") == blas.address("sgetrf_")
    assert blas.address("LAPACKE_sgesv")
    with pytest.raises(blas.BlasError, match="no routine sgemmm"):
        blas.address("sgemmm")
    assert "OpenBLAS" in blas.config()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_opened_late_and_without_threads():
    script = """
import os
def threads(): return len(os.listdir("/proc/self/task"))
from rushlight.runtime import blas
before = threads()
maps = open("/proc/self/maps").read()
assert "libscipy_openblas.so" not in maps
blas.address("sgemm")
assert "libscipy_openblas.so" in open("/proc/self/maps").read()
assert threads() == before, threads()
assert "OPENBLAS_NUM_THREADS" not in os.environ
print("done")
"""
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[2]))
    environment.pop("OPENBLAS_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr


def test_missing_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blas, "_library", [])
    monkeypatch.setattr(blas, "_addresses", {})
    monkeypatch.setattr(blas.PathFinder, "find_spec", staticmethod(lambda name: None))
    assert not blas.available()
    with pytest.raises(blas.BlasError, match="not installed"):
        blas.address("sgemm")
