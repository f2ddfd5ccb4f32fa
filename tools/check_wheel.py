"""Builds the wheel and checks that it holds the package, its data and the licence, and little else."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_BYTES = 8 << 20


def main() -> int:
    """0 if the wheel is as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("rushlight-*-py3-none-any.whl")
        size = wheel.stat().st_size
        names = zipfile.ZipFile(wheel).namelist()
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "rushlight").rglob("*.py")}
    missing = sources - set(names)
    if missing:
        print("not in the wheel:", *sorted(missing))
    licence = any(name.endswith("LICENSE") for name in names)
    if not licence:
        print("no licence in the wheel")
    if size > LIMIT_BYTES:
        print(f"the wheel has {size >> 20} MB")
    return int(bool(missing) or not licence or size > LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
