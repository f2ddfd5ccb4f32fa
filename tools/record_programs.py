"""Records what PyTorch prints for the programs in tests/programs. Run with PyTorch's Python.

python tools/record_programs.py [NAME...]
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "tests" / "programs"
LOGS = ROOT / "tests" / "golden" / "programs"


def record(name: str) -> None:
    """Runs a program in an empty folder and keeps what it prints."""
    env = dict(os.environ)
    if importlib.util.find_spec("torchvision") is None:
        env["PYTHONPATH"] = str(ROOT / "benchmarks" / "standin")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(PROGRAMS / f"{name}.py")],
            cwd=folder, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / f"{name}.txt").write_text(done.stdout)
    print(name, len(done.stdout.splitlines()), "lines")


def main() -> None:
    """Records all programs, or those that were named."""
    for name in sys.argv[1:] or sorted([p.stem for p in PROGRAMS.glob("*.py")]):
        if not name.startswith("test_"):
            record(name)


if __name__ == "__main__":
    main()
