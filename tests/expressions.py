"""Expressions whose printed value must be PyTorch's.

The lists are ``tests/expressions/<topic>.txt``, one a line; parts before the last ``;;`` are
statements. ``tools/record_expressions.py`` evaluates them with PyTorch and writes
``tests/golden/expressions/<topic>.json``; the tests evaluate them with rushlight.
"""

import copy
import json
import pickle
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def lines(topic):
    """The expressions of a topic, without comments and empty lines."""
    text = (HERE / "expressions" / f"{topic}.txt").read_text()
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def golden(topic):
    """The recorded texts by expression."""
    return json.loads((HERE / "golden" / "expressions" / f"{topic}.json").read_text())


def evaluate(torch, line):
    """The printed value of ``line``, or the type and the first line of the error it raises."""
    torch.manual_seed(0)
    names = {"torch": torch, "np": np, "copy": copy, "pickle": pickle, "nan": float("nan"),
             "inf": float("inf"), "T": torch.tensor}  # fmt: skip
    *statements, last = line.split(";;")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for statement in statements:
                exec(statement.strip(), names)
            return repr(eval(last.strip(), names))
        except Exception as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
