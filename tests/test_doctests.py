"""The examples of all docstrings, and that every public name has a docstring."""

import contextlib
import doctest
import enum
import importlib
import inspect
import io
import pkgutil

import numpy as np
import pytest

import rushlight as torch
from rushlight.base.config import config

OPTIONAL = ("matplotlib", "pandas", "safetensors", "scipy")
MODULES = [
    m.name
    for m in pkgutil.walk_packages(torch.__path__, "rushlight.")
    if not m.name.endswith("__main__")
]


def documented(module):
    """The public functions, classes and methods that ``module`` defines, with their names."""
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if not callable(value) or _made(value, module):
            continue
        yield name, value
        if inspect.isclass(value):
            for key, member in sorted(vars(value).items()):
                if not key.startswith("_"):
                    yield f"{name}.{key}", getattr(member, "__func__", member)


def _made(value, module):
    """Whether ``value`` was made by a program rather than written: machine code, enumerations."""
    if inspect.isclass(value):
        return issubclass(value, enum.Enum)
    if not module.__name__.startswith(("rushlight.kernels", "rushlight.codegen")):
        return False
    code = getattr(value, "__code__", None)
    return code is None or code.co_filename != module.__file__


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    report = io.StringIO()
    found = [("", module), *documented(module)]
    for key, value in found:
        text = getattr(value, "__doc__", None)
        if not isinstance(text, str) or ">>>" not in text:
            continue
        torch.manual_seed(0)
        spaces = {"torch": torch, "np": np, "nn": torch.nn, "F": torch.nn.functional}
        test = parser.get_doctest(text, spaces, f"{name}.{key}", module.__file__, 0)
        with contextlib.ExitStack() as stack:
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            runner.run(test, out=report.write)
    assert runner.summarize(verbose=False).failed == 0, report.getvalue()


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(name)
    if name.startswith("rushlight.kernels") and not config.native:
        pytest.skip("without machine code the names of kernels are their NumPy functions")
    missing = [key for key, value in documented(module) if "." not in key and not value.__doc__]
    assert module.__doc__, f"{name} has no docstring"
    assert not missing
