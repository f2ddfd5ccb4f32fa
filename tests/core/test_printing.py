import expressions
import pytest

import rushlight as torch


@pytest.mark.parametrize("line, text", expressions.golden("printing").items())
def test_printed_form(line, text):
    assert expressions.evaluate(torch, line) == text


def test_printoptions_come_back():
    from rushlight.core.printing import get_printoptions, printoptions

    before = get_printoptions()
    with printoptions(precision=1):
        assert repr(torch.tensor(1.26)) == "tensor(1.3)"
    assert get_printoptions() == before


def test_node_shows_its_address():
    node = (torch.ones(1, requires_grad=True) * 2).grad_fn
    assert repr(node) == f"<MulBackward0 object at {id(node):#x}>"
