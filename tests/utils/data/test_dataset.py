"""Data sets made of others."""

import pytest

import rushlight as torch
from rushlight.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Stream(IterableDataset):
    def __iter__(self):
        return iter((1, 2))

    def __len__(self):
        return 2


def test_tensor_dataset():
    data = TensorDataset(torch.arange(3), torch.ones(3, 2))
    assert len(data) == 3
    assert [t.tolist() for t in data[1]] == [1, [1.0, 1.0]]
    samples = data.__getitems__([2, 0])
    assert len(samples) == 2
    assert samples[0][0].item() == 2
    assert [s[0].item() for s in samples] == [2, 0]
    assert [s[0].item() for s in samples[:1]] == [2]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(torch.ones(2), torch.ones(3))


def test_concat_and_chain():
    both = Subset([1, 2, 3], [0, 1]) + Subset([5, 6], [1])
    assert isinstance(both, ConcatDataset)
    assert [both[i] for i in (0, 1, 2, -1)] == [1, 2, 6, 6]
    with pytest.raises(ValueError, match="absolute value of index should not exceed dataset len"):
        both[-4]
    with pytest.raises(AssertionError, match="datasets should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="ConcatDataset does not support IterableDataset"):
        ConcatDataset([Stream()])
    assert list(Stream() + Stream()) == [1, 2, 1, 2]
    assert len(ChainDataset([Stream(), Stream()])) == 4
    with pytest.raises(AssertionError, match="ChainDataset only supports IterableDataset"):
        list(ChainDataset([[1]]))


def test_stack():
    data = TensorDataset(torch.arange(3))
    pair = StackDataset(data, [7, 8, 9])
    assert [x[1] for x in pair.__getitems__([2, 0])] == [9, 7]
    assert pair[1][1] == 8
    named = StackDataset(a=data, b=[7, 8, 9])
    assert named.__getitems__([1])[0]["b"] == 8
    with pytest.raises(ValueError, match="Size mismatch between datasets"):
        StackDataset([1], [1, 2])
    with pytest.raises(ValueError, match="At least one dataset should be passed"):
        StackDataset()


def test_subset():
    data = Subset([10, 20, 30], [2, 0])
    assert list(data.__getitems__([1, 0])) == [10, 30]

    class Half(Subset):
        def __getitem__(self, index):
            return super().__getitem__(index) // 2

    with pytest.raises(NotImplementedError, match="Half overrides __getitem__ but not __getitems"):
        Half([1], [0])


def test_split():
    assert [len(p) for p in random_split(range(10), [3, 7])] == [3, 7]
    assert [len(p) for p in random_split(range(10), [0.25, 0.25, 0.5])] == [3, 2, 5]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal the length"):
        random_split(range(10), [3, 6])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1"):
        random_split(range(10), [-0.5, 1.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(1), [0.9, 0.1])


def test_abstract():
    with pytest.raises(NotImplementedError, match="Subclasses of Dataset should implement __geti"):
        Dataset()[0]
    with pytest.raises(TypeError, match="abstract"):
        IterableDataset()
    assert Dataset[int] is not None
