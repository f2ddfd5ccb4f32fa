"""Records what PyTorch's modules do, for tests/nn.

Run with PyTorch 2.13: ``python tools/record_nn.py``. It writes tests/golden/nn.json. The cases live
in tests/nn/cases.py and tests/nn/error_cases.py, which the tests run on rushlight.
"""

import json
import pathlib
import sys
import warnings

import torch

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "nn"))
import cases  # noqa: E402
import error_cases  # noqa: E402


def main() -> None:
    """Runs all cases and writes the file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = {
        "modules": {name: cases.run(torch, name) for name in cases.MODULES},
        "errors": {name: error_cases.error_of(torch, name) for name in error_cases.ERRORS},
        "init": {name: error_cases.initial(torch, name) for name in error_cases.INITIAL},
        "printed": {name: error_cases.printed(torch, name) for name in error_cases.PRINTED},
    }
    path = ROOT / "tests" / "golden" / "nn.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
