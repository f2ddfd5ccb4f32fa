import expressions
import pytest

import rushlight as torch


@pytest.mark.parametrize("line, text", expressions.golden("creation").items())
def test_as_pytorch(line, text):
    assert expressions.evaluate(torch, line) == text


def test_pickles_share_memory():
    import pickle

    x = torch.tensor([1.0, 2.0])
    a, b = pickle.loads(pickle.dumps((x, x[1:])))
    a[1] = 7
    assert b.tolist() == [7.0]
    assert x.tolist() == [1.0, 2.0]
    assert a._version == b._version == 1


def test_deepcopy_copies_gradients_and_attributes():
    import copy

    x = torch.ones(2, requires_grad=True)
    x.sum().backward()
    x.note = ["a"]
    y = copy.deepcopy(x)
    assert y.grad.tolist() == [1.0, 1.0]
    assert y.grad is not x.grad
    assert y.note == ["a"]
    assert y.note is not x.note


def test_numpy_shares_memory_both_ways():
    import numpy as np

    a = np.zeros(3)
    t = torch.from_dlpack(a)
    t[0] = 5
    assert a[0] == 5
    np.from_dlpack(t)[1] = 6
    assert t[1] == 6


def test_matplotlib_draws_a_tensor():
    import matplotlib.pyplot as plt

    figure = plt.figure()
    image = plt.imshow(torch.rand(4, 4))
    assert image.get_array().shape == (4, 4)
    plt.close(figure)
