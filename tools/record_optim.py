"""Records what PyTorch's optimizers and schedulers do, for tests/optim.

Run with PyTorch 2.13: ``python tools/record_optim.py``. It writes tests/golden/optim.json. The cases
live in tests/optim/cases.py, which the tests run on rushlight.
"""

import json
import pathlib
import sys
import warnings

import torch

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "optim"))
import cases  # noqa: E402


def main() -> None:
    """Runs all cases and writes the file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = {
        "optimizers": {
            name: cases.run_optimizer(torch, *case) for name, case in cases.OPTIMIZERS.items()
        },
        "schedulers": {name: cases.run_scheduler(torch, name) for name in cases.SCHEDULERS},
        "errors": {name: cases.error_of(torch, name) for name in cases.ERRORS},
    }
    path = ROOT / "tests" / "golden" / "optim.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
