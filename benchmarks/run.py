"""Times rushlight against PyTorch, in turns, and prints a table of the ratios. See README.md."""

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKLOADS = HERE / "workloads"
LIMIT = 600  # seconds for one answer


class Side:
    """A process that runs one workload."""

    def __init__(self, side: str, python: str, file: Path, name: str, options: argparse.Namespace):
        env = environment(options)
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), side, str(file), name, str(options.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        self.version = self.answer()["version"]

    def answer(self) -> dict:
        """The next line of the process."""
        line = self.process.stdout.readline()
        while line and not line.startswith("{"):
            line = self.process.stdout.readline()
        if not line:
            error = self.process.stderr.read().strip().splitlines()
            raise RuntimeError(error[-1] if error else "the process ended")
        return json.loads(line)

    def run(self, count: int) -> float:
        """Seconds for ``count`` steps."""
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return self.answer()["seconds"]

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def environment(options: argparse.Namespace) -> dict:
    """The environment of both sides: equal numbers of threads, where the data is."""
    threads = str(options.threads)
    return {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "RUSHLIGHT_NUM_THREADS": threads,
        "BENCHMARK_DATA": str(options.data),
        "PYTHONWARNINGS": "ignore",
    }


def load(file: Path) -> dict:
    """The names and targets in a file of workloads, without importing torch."""
    source = file.read_text()
    table = ast.parse(source[source.index("WORKLOADS = {") :]).body[0].value
    pairs = zip(table.keys, table.values, strict=True)  # of a name and (function, target)
    return {ast.literal_eval(k): ast.literal_eval(v.elts[1]) for k, v in pairs}


def calibrate(side: Side, seconds: float) -> int:
    """How many steps take about ``seconds``; warms up on the way."""
    if side.run(1) > 2 * seconds:
        return 1
    count = 1
    while True:
        spent = side.run(count)
        if spent >= seconds / 4 or count >= 1 << 22:
            return max(1, round(count * seconds / max(spent, 1e-9)))
        count *= 4 if spent > seconds / 64 else 16


def compare(file: Path, name: str, options: argparse.Namespace) -> tuple[float, float]:
    """Median seconds per step of both sides."""
    sides: list[Side] = []
    try:
        sides.append(Side("rushlight", options.python, file, name, options))
        sides.append(Side("torch", options.torch_python, file, name, options))
        counts = [calibrate(side, options.seconds) for side in sides]
        times: list[list[float]] = [[], []]
        for _ in range(options.rounds):
            for i, side in enumerate(sides):
                time.sleep(0.25)  # the other side's threads stop spinning
                times[i].append(side.run(counts[i]) / counts[i])
        return statistics.median(times[0]), statistics.median(times[1])
    finally:
        for side in sides:
            side.close()


def process_times(
    programs: tuple[list[str], list[str]], options: argparse.Namespace
) -> tuple[float, float]:
    """Median seconds of two whole processes, run in turns."""
    times: list[list[float]] = [[], []]
    env = environment(options)
    root = str(HERE.parent)
    env["PYTHONPATH"] = root + os.pathsep + env.get("PYTHONPATH", "")
    for round_ in range(options.rounds * 2 + 1):
        for i, program in enumerate(programs):
            start = time.perf_counter()
            subprocess.run(program, check=True, env=env, capture_output=True, timeout=LIMIT)
            if round_:  # the first one fills the caches
                times[i].append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def import_time(options: argparse.Namespace) -> tuple[float, float]:
    """``import rushlight`` and ``import numpy``, each less the interpreter's own start."""
    python = options.python
    ours, numpy = process_times(
        ([python, "-c", "import rushlight"], [python, "-c", "import numpy"]), options
    )
    bare, _ = process_times(([python, "-c", "pass"], [python, "-c", "pass"]), options)
    return ours - bare, numpy - bare


def first_step(options: argparse.Namespace) -> tuple[float, float]:
    """From process start to the end of the first training step."""
    script = str(HERE / "first_step.py")
    return process_times(
        (
            [options.python, "-m", "rushlight", "run", script],
            [options.torch_python, script],
        ),
        options,
    )


PROCESSES = {
    "import_against_numpy": (import_time, "at most 1.6 times NumPy's"),
    "first_step": (first_step, 5.0),
}


def show(seconds: float) -> str:
    """A time in a unit that fits."""
    for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            return f"{seconds * scale:.3g} {unit}"
    return ""


def row(name: str, ours: float, theirs: float, target: object) -> str:
    """A line of the table."""
    ratio = theirs / ours
    if isinstance(target, str):
        return f"| {name} | {show(ours)} | {show(theirs)} | {1 / ratio:.2f} | {target} |"
    verdict = "" if ratio >= float(target) else " missed"
    return f"| {name} | {show(ours)} | {show(theirs)} | {ratio:.2f} | {target}{verdict} |"


def default_data() -> Path:
    """The folder of the data sets: beside the checkout, or in it."""
    for folder in (HERE.parent.parent / "shared" / "data", HERE.parent / "data"):
        if folder.is_dir():
            return folder
    return HERE.parent / "data"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="workloads (parts of names); default: all")
    parser.add_argument("--torch-python", required=True, help="an interpreter that has PyTorch")
    parser.add_argument("--python", default=sys.executable, help="rushlight's interpreter")
    parser.add_argument("--data", type=Path, default=default_data(), help="folder of data sets")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a round")
    parser.add_argument("--list", action="store_true", help="only the names")
    return parser.parse_args()


def main() -> int:
    """Runs what was asked for; 1 if a workload failed."""
    options = parse()
    jobs = []
    for file in sorted(WORKLOADS.glob("*.py")):
        for name, target in load(file).items():
            jobs.append((name, target, lambda f=file, n=name: compare(f, n, options)))
    for name, (function, target) in PROCESSES.items():
        jobs.append((name, target, lambda f=function: f(options)))
    if options.names:
        jobs = [job for job in jobs if any(part in job[0] for part in options.names)]
    if options.list:
        print("\n".join(job[0] for job in jobs))
        return 0
    print("| workload | rushlight | PyTorch | ratio | at least |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    failed = 0
    for name, target, measure in jobs:
        try:
            print(row(name, *measure(), target), flush=True)
        except (RuntimeError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            failed = 1
            text = getattr(error, "stderr", None)
            text = text.decode().strip().splitlines()[-1] if text else str(error)
            print(f"| {name} | failed: {text} | | | {target} |", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
