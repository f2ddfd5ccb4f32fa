import expressions
import pytest

import rushlight as torch


@pytest.mark.parametrize("line, text", expressions.golden("dropout").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text
