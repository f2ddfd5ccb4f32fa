"""Budgets that do not depend on the machine's speed: modules loaded, Python calls per operation."""

import sys

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.kernels import _context

native = pytest.mark.skipif(not _context.available(), reason="a budget of machine code")


def python_calls(function):
    """How many Python functions one call of ``function`` runs."""
    for _ in range(3):
        function()
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count - 1  # not the function itself


def test_sin():
    x = torch.rand(4, 4)
    assert python_calls(lambda: torch.sin(x)) <= 5


@native
def test_sin_sum_backward():
    x = torch.rand(4, 4, requires_grad=True)
    assert python_calls(lambda: torch.sin(x).sum().backward()) <= 30


@native
def test_linear():
    layer, x = nn.Linear(4, 4), torch.rand(2, 4)
    assert python_calls(lambda: layer(x)) <= 12


@native
def test_conv_bn_relu():
    layer = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
    x = torch.rand(2, 1, 8, 8)
    assert python_calls(lambda: layer(x)) <= 45


@native
def test_adam_step():
    parameters = [nn.Parameter(torch.rand(3)) for _ in range(4)]
    for p in parameters:
        p.grad = torch.rand(3)
    optimizer = torch.optim.Adam(parameters)
    assert python_calls(optimizer.step) <= 80


def loaded_by(run_python, statement):
    program = f"import sys; {statement}; print(*sorted(sys.modules))"
    return set(run_python("-c", program).stdout.split())


@pytest.fixture(scope="module")
def heavy():
    return {"llvmlite", "ml_dtypes", "PIL", "scipy_openblas32", "typer", "rich", "matplotlib",
            "pandas", "scipy", "multiprocessing", "unittest", "asyncio", "http.client"}  # fmt: skip


def test_modules_of_the_import(run_python, heavy):
    ours = loaded_by(run_python, "import rushlight")
    assert not heavy & ours
    more = {m for m in ours - loaded_by(run_python, "import numpy") if "rushlight" not in m}
    assert len(more) <= 12, sorted(more)


def test_modules_of_nn_and_optim(run_python, heavy):
    ours = loaded_by(run_python, "import rushlight.nn, rushlight.optim")
    assert not heavy & ours
