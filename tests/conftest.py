"""For all tests: the data sets, an environment without surprises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as torch

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure():
    os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def fresh_random_stream():
    """Each test starts from the same seed."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_folder():
    """The folder of the full data sets; the test is skipped where there is none."""
    for folder in (ROOT.parent / "shared" / "data", ROOT / "data"):
        if (folder / "FashionMNIST").is_dir():
            return str(folder)
    pytest.skip("the full data sets are not beside the checkout")
    return None


@pytest.fixture
def run_python():
    """Runs Python with the package on its path; gives the finished process."""

    def run(*arguments, check=True, timeout=120, **kwargs):
        env = {**os.environ, **kwargs.pop("env", {})}
        env["PYTHONPATH"] = str(ROOT) + os.pathsep + env.get("PYTHONPATH", "")
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True, text=True, env=env, timeout=timeout, check=False, **kwargs,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    return run
