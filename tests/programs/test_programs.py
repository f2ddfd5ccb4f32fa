"""Programs as users write them, run unchanged, print what PyTorch printed, to four digits."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
LOGS = HERE.parent / "golden" / "programs"
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+)")
SPACES = re.compile(r"[ \n]+")
DIGITS = 5e-4  # relative
LEAST = 2e-4  # absolute: four decimals are printed
LOOSER = {}


def words(text):
    """The text with its numbers left out; spaces, which depend on the numbers' widths, are one."""
    return SPACES.sub(" ", NUMBER.sub("#", text)).splitlines()


@pytest.mark.parametrize("name", sorted([p.stem for p in LOGS.glob("*.txt")]))
def test_program(name, run_python, tmp_path):
    expected = (LOGS / f"{name}.txt").read_text()
    found = run_python("-m", "rushlight", "run", HERE / f"{name}.py", cwd=tmp_path).stdout
    assert words(found) == words(expected)
    rel, least = LOOSER.get(name, (DIGITS, LEAST))
    pairs = zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True)
    for place, (a, b) in enumerate(pairs):
        difference = abs(float(a) - float(b))
        assert difference <= max(least, rel * abs(float(b))), f"number {place}: {a}, PyTorch's {b}"
