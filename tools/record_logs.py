"""Records what PyTorch prints for the programs in examples/, for tests/test_examples.py.

    python tools/record_logs.py [--data FOLDER]

is run by an interpreter that has PyTorch; torchvision may be the stand-in of benchmarks/. With
``--data``, a folder with the full FashionMNIST and MNIST, the logs of whole runs are recorded too.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "tests" / "golden" / "logs"
SUBSET = ROOT / "rushlight" / "vision" / "datasets" / "_subset"
# name of the log: program, arguments after the folder of the data (None: it needs no data)
SMALL = {
    "quickstart": ("quickstart.py", ["2"]),
    "cnn_mnist": ("cnn_mnist.py", ["3000"]),
    "onehot": ("onehot.py", []),
    "alexnet": ("alexnet.py", None),
    "vgg16_save_load": ("vgg16_save_load.py", None),
}
FULL = {
    "quickstart_full": ("quickstart.py", ["5"]),
    "cnn_mnist_full": ("cnn_mnist.py", ["6000"]),
}


def small_data(folder: str) -> str:
    """The package's part of Fashion-MNIST, laid out as FashionMNIST and as MNIST."""
    for name in ("FashionMNIST", "MNIST"):
        raw = Path(folder, name, "raw")
        raw.mkdir(parents=True)
        for file in SUBSET.glob("*.gz"):
            os.symlink(file, raw / file.name)
    return folder


def record(name: str, program: str, arguments: list[str]) -> None:
    """Runs a program and keeps what it prints."""
    env = dict(os.environ)
    if importlib.util.find_spec("torchvision") is None:
        env["PYTHONPATH"] = str(ROOT / "benchmarks" / "standin")
    command = [sys.executable, str(ROOT / "examples" / program), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / f"{name}.txt").write_text(done.stdout)
    print(name, len(done.stdout.splitlines()), "lines")


def main() -> None:
    """Records the logs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = small_data(folder)
        jobs = [(n, p, [] if a is None else [small, *a]) for n, (p, a) in SMALL.items()]
        if options.data:
            jobs += [(n, p, [options.data, *a]) for n, (p, a) in FULL.items()]
        for name, program, arguments in jobs:
            if not options.names or name in options.names:
                record(name, program, arguments)


if __name__ == "__main__":
    main()
