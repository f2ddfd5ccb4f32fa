"""Machine code of these tests goes to a folder of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rushlight.base.config import config
from rushlight.codegen import cache

if not cache.native_supported():
    collect_ignore = ["test_builtin.py", "test_cache.py"]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory):
    before = config.cache_dir
    config.cache_dir = str(tmp_path_factory.mktemp("cache"))
    yield config.cache_dir
    config.cache_dir = before


@pytest.fixture
def run(cache_folder: str) -> Callable[..., str]:
    """Runs a script in a new interpreter; its output, after it ended well."""

    def run(script: str, timeout: float = 120, **variables: str) -> str:
        environment = dict(os.environ, RUSHLIGHT_CACHE=cache_folder, PYTHONPATH=str(ROOT))
        environment.update(variables)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-X", "faulthandler", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
