"""The common battery: every case of cases_*.py through the same tests."""

import functools
import importlib
import inspect
import json
import pathlib
import pkgutil
import warnings

import numpy as np
import pytest
from op_cases import LOWER, all_cases, is_tensor, loss, numbers
from operator_errors import ERRORS

import rushlight as torch
from rushlight import ops
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.ops._primitive import REGISTRY
from rushlight.ops.table import FUNCTIONS, METHODS

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "ops"
CASES = all_cases()
CALLS = [(f, c) for f, c in CASES if c.name]
TOLERANCE = {"float32": 2e-5, "float16": 2e-2, "bfloat16": 1.5e-1}


@functools.cache
def golden(family):
    return json.loads((GOLDEN / f"{family}.json").read_text())


SMOOTH = [(f, c) for f, c in CASES if "grads" in golden(f)[c.line]]


def each(listed):
    return pytest.mark.parametrize("family, case", listed, ids=[str(c) for _, c in listed])


def agree(got, want, tolerance=1e-7):
    kind, shape, values = want
    found = numbers(got)
    assert found[0] == kind
    assert found[1] == shape
    np.testing.assert_allclose(found[2], values, rtol=tolerance, atol=tolerance)


def same(got, want):
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        if is_tensor(a):
            agree(a, numbers(b), 1e-12)
        else:
            assert a == b


@each(CASES)
def test_values_and_gradients(family, case):
    want = golden(family)[case.line]
    inputs = case.inputs(torch, grad="nograd" not in case.flags)
    outs = case.run(torch, inputs)
    assert len(outs) == len(want["values"])
    for got, value in zip(outs, want["values"], strict=True):
        if is_tensor(got):
            agree(got, value)
        else:
            assert got == pytest.approx(value)
    total = loss(outs)
    assert is_tensor(total) == ("grads" in want)
    if is_tensor(total):
        leaves = {k: t for k, t in inputs.items() if t.requires_grad}
        grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        for (name, leaf), g in zip(leaves.items(), grads, strict=True):
            value = want["grads"][name]
            if value is None or g is None:
                g = torch.zeros_like(leaf) if g is None else g
                value = value or numbers(torch.zeros_like(leaf))
            agree(g, value, 1e-6)


@each(CASES)
def test_dtypes(family, case):
    want = golden(family)[case.line]["dtypes"]
    exact = case.run(torch, case.inputs(torch))
    for dtype in LOWER:
        if dtype not in want:
            continue
        outs = case.run(torch, case.inputs(torch, dtype))
        kinds = [str(o.dtype).rpartition(".")[2] if is_tensor(o) else None for o in outs]
        assert kinds == want[dtype], dtype
        for got, right in zip(outs, exact, strict=True):
            if got is None or not is_tensor(got) or not got.is_floating_point():
                continue
            real = all(kind != "c" for kind, _ in case.specs.values())
            if dtype in TOLERANCE and right.is_floating_point() and real:
                limit = TOLERANCE[dtype]
                wide = got.to(torch.float64).numpy()
                scale = 1 + np.abs(right.numpy()).max(initial=0)
                np.testing.assert_allclose(wide, right.numpy(), rtol=limit, atol=limit * scale)


@each(SMOOTH)
def test_derivatives(family, case):
    inputs = case.inputs(torch, grad=True)
    leaves = [t for t in inputs.values() if t.requires_grad]
    names = [k for k, t in inputs.items() if t.requires_grad]

    def function(*values):
        outs = case.run(torch, {**inputs, **dict(zip(names, values, strict=True))})
        return tuple([o for o in outs if is_tensor(o) and o.requires_grad])

    assert gradcheck(function, leaves)
    if "first" not in case.flags:
        assert gradgradcheck(function, leaves)


@each([(f, c) for f, c in CASES if "dense" not in c.flags])
def test_strided_inputs(family, case):
    same(case.run(torch, case.inputs(torch, strided=True)), case.run(torch, case.inputs(torch)))


@each([(f, c) for f, c in CALLS if c.name in METHODS])
def test_method(family, case):
    inputs = case.inputs(torch)
    same(case.run(torch, inputs, case.method()), case.run(torch, inputs))


@each([(f, c) for f, c in CALLS if c.name + "_" in METHODS and c.name not in ("t", "squeeze")])
def test_in_place(family, case):
    inputs = case.inputs(torch)
    right = case.run(torch, case.inputs(torch))[0]
    changed = inputs["x"]
    call = f"x.{case.name}_({case.rest})"
    views = ("swapaxes", "swapdims", "transpose", "unsqueeze", "as_strided")
    if case.name not in views and right.shape != changed.shape:
        with pytest.raises(RuntimeError, match="output with shape"):
            case.run(torch, inputs, call)
        return
    if not right.is_floating_point() and case.name not in views:
        right = right.to(changed.dtype)
    version = changed._version
    assert case.run(torch, inputs, call)[0] is changed
    same([changed], [right])
    assert changed._version > version or case.name in views


@each(CALLS)
def test_out(family, case):
    if "out" not in golden(family)[case.line]:
        return
    inputs = case.inputs(torch)
    right = case.run(torch, inputs)[0]
    call = case.with_out()
    for start in (torch.empty(0, dtype=right.dtype), torch.empty_like(right)):
        assert case.run(torch, {**inputs, "o": start}, call)[0] is start
        same([start], [right])
    other = torch.empty((*right.shape, 2), dtype=right.dtype)
    if other.numel():
        with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
            case.run(torch, {**inputs, "o": other}, call)
        same([other], [right])
    if right.is_floating_point():
        wrong = torch.empty(right.shape, dtype=torch.int64)
        with pytest.raises(RuntimeError):
            case.run(torch, {**inputs, "o": wrong}, call)


@pytest.mark.parametrize("line", ERRORS.strip().splitlines())
def test_errors(line):
    kind, text = golden("errors")[line]
    with pytest.raises(Exception) as found:
        eval(line, {"torch": torch})
    assert type(found.value).__name__ == kind.removeprefix("_")
    words, wanted = str(found.value).split(), text.split()
    opening = min(4, len(wanted))
    assert words[:opening] == wanted[:opening]


@each([(f, c) for f, c in CALLS if f == "cases_elementwise"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_any_shape(family, case, shape):
    inputs = {k: t.new_ones(shape) for k, t in case.inputs(torch).items()}
    found = case.run(torch, inputs)
    assert [tuple(o.shape) for o in found] == [shape] * len(found)


# Random numbers (test_random), whole recurrent layers (test_recurrent), and what the tests of
# indexing, of autograd and of the views with a dtype reach.
ELSEWHERE = {
    "bernoulli", "cross_entropy", "fill", "filled", "gru_layer", "lstm_layer", "normal", "poisson",
    "positive_copy", "repeat_rows", "replace_rows", "upsample_lanczos2d_aa", "view_dtype",
    "zero_where",
}  # fmt: skip


def test_every_differentiable_primitive_has_a_case():
    for module in pkgutil.iter_modules(ops.__path__):
        importlib.import_module(f"rushlight.ops.{module.name}")
    for _, case in SMOOTH:
        inputs = case.inputs(torch, grad=True)
        leaves = [t for t in inputs.values() if t.requires_grad]
        total = loss(case.run(torch, inputs))
        grads = torch.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
        again = loss([g for g in grads if g is not None])
        if is_tensor(again) and again.requires_grad and "first" not in case.flags:
            torch.autograd.grad(again, leaves, allow_unused=True)
    missing = {n for n, p in REGISTRY.items() if p.reason is None and not p.plans}
    missing = {n for n in missing if not n.endswith(("_backward", "_again"))}
    assert missing <= ELSEWHERE, sorted(missing - ELSEWHERE)


def test_every_function_has_a_docstring():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.iter_modules(ops.__path__):
            found = importlib.import_module(f"rushlight.ops.{module.name}")
            for name, value in vars(found).items():
                if inspect.isfunction(value) and not name.startswith("_"):
                    assert value.__doc__, f"{module.name}.{name}"
    assert len(FUNCTIONS) > 500
