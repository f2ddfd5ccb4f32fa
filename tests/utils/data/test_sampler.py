"""Samplers against PyTorch's draws."""

import json
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    random_split,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "data.json").read_text())


def test_draws_are_pytorchs():
    torch.manual_seed(0)
    found = {
        "random": list(RandomSampler(range(7))),
        "replacement": list(RandomSampler(range(7), True, 40)),
        "num_samples": list(RandomSampler(range(7), num_samples=17)),
        "subset": list(SubsetRandomSampler([5, 6, 9])),
        "weighted": list(WeightedRandomSampler([0.1, 0.9, 0.5], 6)),
        "weighted without replacement": list(WeightedRandomSampler([0.1, 0.9, 0.5], 3, False)),
        "split": [list(part.indices) for part in random_split(range(10), [0.3, 0.3, 0.4])],
        "next": torch.rand(1).item(),
    }
    assert found == GOLDEN["samplers"]


def test_distributed():
    found = []
    for shuffle in (False, True):
        for drop_last in (False, True):
            for rank in range(4):
                sampler = DistributedSampler(range(11), 4, rank, shuffle, 1, drop_last)
                sampler.set_epoch(2)
                found.append(list(sampler))
                assert len(sampler) == len(found[-1])
    assert found == GOLDEN["distributed"]
    with pytest.raises(ValueError, match="Invalid rank 4, rank should be in the interval"):
        DistributedSampler(range(3), 4, 4)


def test_batches():
    assert list(BatchSampler(SequentialSampler(range(5)), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(BatchSampler(range(5), 2, False)) == 3


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: RandomSampler([1], replacement=1), TypeError, "replacement should be a boolean"),
        (lambda: RandomSampler([1], num_samples=0), ValueError, "num_samples should be a positive"),
        (
            lambda: WeightedRandomSampler([1.0], True),
            ValueError,
            "num_samples should be a positive",
        ),
        (lambda: WeightedRandomSampler([1.0], 1, 2), ValueError, "replacement should be a boolean"),
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError, "weights should be a 1d sequence"),
        (
            lambda: BatchSampler([1], 0, False),
            ValueError,
            "batch_size should be a positive integer",
        ),
        (lambda: BatchSampler([1], 1, 1), ValueError, "drop_last should be a boolean value"),
    ],
)
def test_errors(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
