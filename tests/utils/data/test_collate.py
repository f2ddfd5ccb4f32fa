"""default_collate and default_convert."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from rushlight.utils.data._utils.collate import collate, default_collate_fn_map

import rushlight as torch
from rushlight.utils.data import default_collate, default_convert

Point = namedtuple("Point", "x y")


def test_numbers():
    assert default_collate([1, 2]).dtype is torch.int64
    assert default_collate([1.5, 2]).tolist() == [1.5, 2.0]
    assert default_collate([1.5, 2]).dtype is torch.float64
    assert default_collate([True, False]).dtype is torch.bool
    assert default_collate([np.float32(1), np.float32(2)]).dtype is torch.float32


def test_containers_keep_their_kind():
    assert default_collate(["a", "b"]) == ["a", "b"]
    found = default_collate([OrderedDict(a=1), OrderedDict(a=2)])
    assert type(found) is OrderedDict
    assert found["a"].tolist() == [1, 2]
    found = default_collate([Point(0, "u"), Point(1, "v")])
    assert type(found) is Point
    assert found.x.tolist() == [0, 1]
    assert found.y == ("u", "v")
    first, second = default_collate([[0, 1], [2, 3]])
    assert first.tolist() == [0, 2]
    assert second.tolist() == [1, 3]


def test_arrays_and_tensors_are_stacked():
    assert default_collate([np.ones((2, 3)), np.zeros((2, 3))]).shape == (2, 2, 3)
    assert default_collate([torch.ones(2), torch.zeros(2)]).tolist() == [[1, 1], [0, 0]]


def test_own_types():
    class Own:
        pass

    functions = {Own: lambda batch, *, collate_fn_map: len(batch), **default_collate_fn_map}
    assert collate([Own(), Own()], collate_fn_map=functions) == 2


def test_errors():
    message = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists;"
    with pytest.raises(TypeError, match=f"{message} found <class 'NoneType'>"):
        default_collate([None])
    with pytest.raises(TypeError, match=f"{message} found <U1"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal siz"):
        default_collate([(1, 2), (1,)])
    with pytest.raises(RuntimeError, match=r"stack expects each tensor to be equal size, but got "
                                           r"\[3\] at entry 0 and \[4\] at entry 1"):  # fmt: skip
        default_collate([torch.ones(3), torch.ones(4)])


def test_convert():
    found = default_convert({"a": np.array([1]), "b": [np.array(2.0), "c"], "d": (1, np.ones(1))})
    assert found["a"].tolist() == [1]
    assert found["b"][0].item() == 2.0
    assert found["b"][1] == "c"
    assert found["d"][0] == 1
    assert default_convert(Point(np.array(0), 1)).x.item() == 0
    assert default_convert("text") == "text"
