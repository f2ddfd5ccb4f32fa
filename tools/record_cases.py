"""Records what PyTorch gives for the cases of tests/ops/cases_*.py. Run with PyTorch's Python."""

import json
import sys
import warnings
from pathlib import Path

import torch

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS / "ops"))

import op_cases as cases  # noqa: E402
import operator_errors  # noqa: E402


def shorter(x):
    """Values with nine digits."""
    if isinstance(x, list):
        return [shorter(v) for v in x]
    return float(f"{x:.9g}") if isinstance(x, float) else x


def one(case):
    """Values and gradients in float64, dtypes of the results for other dtypes, ``out=`` or not."""
    inputs = case.inputs(torch, grad="nograd" not in case.flags)
    outs = case.run(torch, inputs)
    found = {"values": [cases.numbers(o) if cases.is_tensor(o) else o for o in outs]}
    total = cases.loss(outs)
    if cases.is_tensor(total):
        leaves = {k: t for k, t in inputs.items() if t.requires_grad}
        grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        found["grads"] = {
            k: None if g is None else cases.numbers(g) for k, g in zip(leaves, grads, strict=True)
        }
    found["dtypes"] = {}
    for dtype in cases.LOWER:
        if dtype == "complex64" and "real" in case.flags:
            continue
        try:
            outs = case.run(torch, case.inputs(torch, dtype))
        except (RuntimeError, TypeError, ValueError, IndexError):
            continue
        known = [str(o.dtype).rpartition(".")[2] if cases.is_tensor(o) else None for o in outs]
        if "complex32" not in known:
            found["dtypes"][dtype] = known
    if case.name and len(outs) == 1 and cases.is_tensor(outs[0]):
        try:
            inputs = case.inputs(torch)
            outs = case.run(torch, inputs)
            o = torch.empty(0, dtype=outs[0].dtype)
            case.run(torch, {**inputs, "o": o}, case.with_out())
            found["out"] = True
        except (TypeError, RuntimeError):
            pass
    return shorter(found)


def failure(line):
    """The type of the error that a call raises, and its first line."""
    try:
        eval(line, {"torch": torch})
    except Exception as error:
        return [type(error).__name__, str(error).partition("\n")[0]]
    raise SystemExit(f"no error: {line}")


def main():
    """Writes tests/golden/ops/<family>.json for all families, or those that were named."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    folder = TESTS / "golden" / "ops"
    folder.mkdir(parents=True, exist_ok=True)
    errors = operator_errors.ERRORS.strip().splitlines()
    text = json.dumps({line: failure(line) for line in errors}, indent=0)
    (folder / "errors.json").write_text(text + "\n")
    for family in sys.argv[1:] or cases.families():
        found = {}
        for line in cases.lines(family):
            try:
                found[line] = one(cases.Case(line))
            except Exception as error:
                print(f"{line}\n    {type(error).__name__}: {error}", file=sys.stderr)
        text = json.dumps(found).replace('}, "', '},\n"')
        (folder / f"{family}.json").write_text(text + "\n")
        print(f"{family}: {len(found)} cases")


if __name__ == "__main__":
    main()
