"""Records what PyTorch prints for the expressions of the tests. Run with PyTorch's Python."""

import json
import sys
from pathlib import Path

import torch

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

import expressions  # noqa: E402


def main() -> None:
    """Writes tests/golden/expressions/<topic>.json for all topics, or those that were named."""
    folder = TESTS / "golden" / "expressions"
    folder.mkdir(parents=True, exist_ok=True)
    topics = sys.argv[1:] or sorted([p.stem for p in (TESTS / "expressions").glob("*.txt")])
    for topic in topics:
        found = {line: expressions.evaluate(torch, line) for line in expressions.lines(topic)}
        (folder / f"{topic}.json").write_text(json.dumps(found, indent=1) + "\n")
        print(f"{topic}: {len(found)} expressions")


if __name__ == "__main__":
    main()
