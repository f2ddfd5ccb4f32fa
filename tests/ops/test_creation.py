import expressions
import numpy as np
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
    plt = pytest.importorskip("matplotlib.pyplot")
    figure = plt.figure()
    image = plt.imshow(torch.rand(4, 4))
    assert image.get_array().shape == (4, 4)
    plt.close(figure)


@pytest.mark.parametrize("kind, name", [(float, "float64"), (int, "int64"), (bool, "bool")])
def test_types_of_python_as_dtypes(kind, name):
    expected = getattr(torch, name)
    x = torch.ones(2)
    made = [
        torch.zeros(1, dtype=kind),
        torch.tensor([1], dtype=kind),
        torch.full((1,), 1, dtype=kind),
        torch.ones_like(x, dtype=kind),
        torch.as_tensor([1], dtype=kind),
        torch.as_tensor(np.ones(1, np.int8), dtype=kind),
        x.new_zeros(1, dtype=kind),
        x.to(kind),
        x.to(dtype=kind),
    ]
    assert [t.dtype for t in made] == [expected] * len(made)
    assert x.sum(dtype=float).dtype is torch.float64
    assert torch.randn(2, dtype=float).dtype is torch.float64
    assert torch.arange(2, dtype=float).dtype is torch.float64


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(1, dtype="float32"),
        lambda: torch.tensor(1, dtype="float32"),
        lambda: torch.rand(1, dtype=np.float32),
    ],
)
def test_what_is_no_dtype(make):
    with pytest.raises(TypeError, match="argument 'dtype' must be torch.dtype, not "):
        make()


@pytest.mark.parametrize("data", [[None], [1, None], [[1.0], [None]], [1, object()]])
def test_no_dtype_for_objects(data):
    with pytest.raises(RuntimeError, match="^Could not infer dtype of (NoneType|object)"):
        torch.tensor(data)


def test_numbers_are_of_one_element():
    for convert in (int, float):
        with pytest.raises(
            ValueError, match="^only one element tensors can be converted to Python"
        ):
            convert(torch.ones(2))


def test_no_matrix_product_with_numbers():
    with pytest.raises(TypeError, match="^unsupported operand type.s. for @: 'Tensor' and 'int'"):
        torch.ones(2) @ 1
    with pytest.raises(TypeError, match="^unsupported operand type.s. for @: 'int' and 'Tensor'"):
        1 @ torch.ones(2)
