"""The loader: orders and random draws as PyTorch's, options, errors."""

import json
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    Subset,
    TensorDataset,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "data.json").read_text())


class Numbers(Dataset):
    """Samples (i, i squared), one by one."""

    def __init__(self, size=10):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return index, float(index) ** 2


class Stream(IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))

    def __len__(self):
        return self.size


class OneByOne(Dataset):
    """A data set that hides the whole batches of another one."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


def lists(loader):
    return [[part.tolist() for part in batch] for batch in loader]


@pytest.mark.parametrize("wrap", [lambda d: d, OneByOne], ids=["whole", "one by one"])
@pytest.mark.parametrize("name", GOLDEN["orders"])
def test_order_and_random_stream_are_pytorchs(name, wrap):
    options = dict(GOLDEN["loaders"][name])
    expected = GOLDEN["orders"][name]
    torch.manual_seed(3)
    if "generator" in options:
        options["generator"] = torch.Generator().manual_seed(options["generator"])
    loader = DataLoader(wrap(TensorDataset(torch.arange(10))), **options)
    found = [lists(loader), lists(loader), torch.rand(1).item()]
    if "generator" in options:
        found.append(torch.rand(1, generator=options["generator"]).item())
    assert found == expected


def test_breaking_off_an_epoch_leaves_the_stream_as_pytorch_does():
    torch.manual_seed(0)
    next(iter(DataLoader(TensorDataset(torch.arange(10)), shuffle=True)))
    first = torch.rand(1).item()
    torch.manual_seed(0)
    next(iter(DataLoader(OneByOne(TensorDataset(torch.arange(10))), shuffle=True)))
    assert torch.rand(1).item() == first


def test_batches_have_the_types_that_collating_gives():
    index, square = next(iter(DataLoader(Numbers(), batch_size=4)))
    assert index.dtype is torch.int64
    assert square.dtype is torch.float64
    assert square.tolist() == [0.0, 1.0, 4.0, 9.0]


def test_length():
    assert len(DataLoader(Numbers(), batch_size=4)) == 3
    assert len(DataLoader(Numbers(), batch_size=4, drop_last=True)) == 2
    assert len(DataLoader(Numbers(), batch_size=None)) == 10
    assert len(DataLoader(Stream(7), batch_size=2)) == 4
    assert len(DataLoader(Stream(7), batch_size=2, drop_last=True)) == 3


def test_batch_size_none_converts_single_samples():
    samples = list(DataLoader([np.array([1, 2]), "text", 3], batch_size=None))
    assert samples[0].tolist() == [1, 2]
    assert samples[1:] == ["text", 3]


def test_stream():
    assert [b.tolist() for b in DataLoader(Stream(5), batch_size=2)] == [[0, 1], [2, 3], [4]]
    loader = DataLoader(Stream(5), batch_size=2, drop_last=True)
    assert [b.tolist() for b in loader] == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]


def test_stream_longer_than_it_said():
    class Wrong(Stream):
        def __len__(self):
            return 2

    loader = DataLoader(Wrong(3), batch_size=None)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="Length of IterableDataset .* was reported to be 2"):
        assert list(loader) == [0, 1, 2]


def test_custom_collate_sees_plain_lists_of_samples():
    seen = []

    def collate(batch):
        seen.append((type(batch), len(batch), batch[0][0].item()))
        return len(batch)

    data = TensorDataset(torch.arange(5))
    assert list(DataLoader(data, batch_size=2, collate_fn=collate)) == [2, 2, 1]
    assert seen == [(list, 2, 0), (list, 2, 2), (list, 1, 4)]


def test_custom_batch_sampler_and_sampler():
    data = TensorDataset(torch.arange(5))
    loader = DataLoader(data, batch_sampler=[[4, 0], [1]])
    assert lists(loader) == [[[4, 0]], [[1]]]
    assert loader.batch_size is None
    assert lists(DataLoader(data, batch_size=2, sampler=[3, 3, 1])) == [[[3, 3]], [[1]]]


def test_getitems_of_the_users_is_used():
    class Batched(Numbers):
        def __getitems__(self, indices):
            assert type(indices) is list
            return [(i, -1) for i in indices]

    assert lists(DataLoader(Batched(3), batch_size=2)) == [[[0, 1], [-1, -1]], [[2], [-1]]]


def test_subclass_with_own_getitem_is_not_skipped():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return (super().__getitem__(index)[0] * 2,)

    data = Doubled(torch.arange(4))
    assert lists(DataLoader(data, batch_size=4)) == [[[0, 2, 4, 6]]]
    assert lists(DataLoader(Subset(data, [3, 1]), batch_size=2)) == [[[6, 2]]]


def test_wrapper_that_forwards_attributes_is_not_skipped():
    class Wrapper:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def __len__(self):
            return len(self.inner)

        def __getitem__(self, index):
            return self.inner[index][0] + 100

    loader = DataLoader(Wrapper(TensorDataset(torch.arange(3))), batch_size=3)
    assert [b.tolist() for b in loader] == [[100, 101, 102]]


def test_index_out_of_range_raises_as_a_single_sample_does():
    with pytest.raises(IndexError, match="index 7 is out of bounds for dimension 0 with size 3"):
        list(DataLoader(TensorDataset(torch.arange(3)), sampler=[7]))


def test_samples_with_history_keep_it():
    weight = torch.ones(4, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(weight * 2), batch_size=3)))
    batch.sum().backward()
    assert weight.grad.tolist() == [2.0, 2.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in"),
        ({"num_workers": 1, "prefetch_factor": -1}, "prefetch_factor option should be non-neg"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"sampler": [1], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
        ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context can only be used with"),
        ({"num_workers": 1, "multiprocessing_context": "x"}, "should specify a valid start method"),
    ],
)
def test_errors_of_the_constructor(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(Numbers(), **options)


def test_errors_for_streams():
    for name, value in (("shuffle", True), ("sampler", [1]), ("batch_sampler", [[1]])):
        with pytest.raises(ValueError, match=f"expected unspecified {name} option, but got"):
            DataLoader(Stream(3), **{name: value})
    with pytest.raises(TypeError, match="multiprocessing_context option should be a valid context"):
        DataLoader(Numbers(), num_workers=1, multiprocessing_context=3)


def test_fixed_attributes():
    loader = DataLoader(Numbers())
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader"):
        loader.batch_size = 3
    loader.num_workers = 0  # may be changed
    assert isinstance(loader.sampler, SequentialSampler)
    assert isinstance(loader.batch_sampler, BatchSampler)


def test_empty_and_shuffled_is_refused_as_in_pytorch():
    with pytest.raises(ValueError, match="num_samples should be a positive integer value"):
        DataLoader([], shuffle=True)
    assert list(DataLoader([])) == []


def test_pin_memory_warns_and_loads():
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator"):
        assert len(list(DataLoader(Numbers(), pin_memory=True))) == 10
