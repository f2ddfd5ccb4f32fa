"""All modules against what PyTorch does (tools/record_nn.py)."""

import json
import pathlib

import numpy as np
import pytest

import rushlight as torch
from tests.nn import cases, error_cases

GOLDEN = json.loads((pathlib.Path(__file__).parent.parent / "golden" / "nn.json").read_text())


def _compare(found, expected, path):
    if isinstance(expected, dict):
        assert list(found) == list(expected), path
        for key in expected:
            _compare(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list) and expected and isinstance(expected[0], (list, dict)):
        assert len(found) == len(expected), path
        for i, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
            _compare(mine, theirs, f"{path}[{i}]")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        mine, theirs = np.array(found, float), np.array(expected, float)
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=2e-5, err_msg=path)
    else:
        assert found == expected, path


@pytest.mark.parametrize("name", cases.MODULES)
def test_module(name):
    _compare(cases.run(torch, name), GOLDEN["modules"][name], name)


@pytest.mark.parametrize("name", error_cases.ERRORS)
def test_error(name):
    assert error_cases.error_of(torch, name) == GOLDEN["errors"][name]


@pytest.mark.parametrize("name", error_cases.INITIAL)
def test_initial_values(name):
    found = error_cases.initial(torch, name)
    np.testing.assert_allclose(found, GOLDEN["init"][name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", error_cases.PRINTED)
def test_printed(name):
    assert error_cases.printed(torch, name) == GOLDEN["printed"][name]


def test_every_module_has_a_case():
    tested = {name.partition("/")[0] for name in cases.MODULES}
    elsewhere = {
        "Container", "Module", "ModuleDict", "ModuleList", "NLLLoss2d", "ParameterDict",
        "ParameterList", "RNNBase", "RNNCellBase", "Sequential", "MaxUnpool1d", "MaxUnpool2d",
        "MaxUnpool3d", "TransformerEncoder", "TransformerDecoder",
    }  # fmt: skip
    names = {n for n in torch.nn.modules.__all__ if not n.startswith("Lazy")}
    assert names - tested - elsewhere == set()
