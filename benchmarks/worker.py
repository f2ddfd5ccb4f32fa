"""One side of a benchmark: loads a workload and runs it when told to, over standard input."""

import gc
import importlib.util
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    side, file, name, threads = sys.argv[1:5]
    if side == "rushlight":
        sys.path.insert(0, str(HERE.parent))
        import rushlight.alias

        rushlight.alias.install()
    elif importlib.util.find_spec("torchvision") is None:
        sys.path.insert(0, str(HERE / "standin"))
    import torch

    if side == "torch":  # rushlight reads it from the environment
        torch.set_num_threads(int(threads))
    spec = importlib.util.spec_from_file_location("workload", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    step = module.WORKLOADS[name][0]()
    answer({"version": str(torch.__version__)})
    for line in sys.stdin:
        count = int(line)
        gc.collect()
        start = time.perf_counter()
        for _ in range(count):
            step()
        answer({"seconds": time.perf_counter() - start})


def answer(value: dict) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
