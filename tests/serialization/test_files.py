"""torch.save and torch.load: what is kept, and PyTorch's own files."""

import collections
import io
import os
import pickle
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "files"


def through(obj, **kwargs):
    """``obj`` after a save and a load."""
    buffer = io.BytesIO()
    torch.save(obj, buffer, **{k: v for k, v in kwargs.items() if k.startswith("_")})
    buffer.seek(0)
    return torch.load(buffer, **{k: v for k, v in kwargs.items() if not k.startswith("_")})


@pytest.mark.parametrize("name", ["views.pt", "views_legacy.pt"])
@pytest.mark.parametrize("options", [{}, {"weights_only": False}, {"mmap": True}])
def test_views_share_memory(name, options):
    if "mmap" in options and "legacy" in name:
        pytest.skip("the old format cannot be mapped")
    for loaded in (
        torch.load(GOLDEN / name, **options),
        through(torch.load(GOLDEN / name, **options)),
    ):
        assert loaded["matrix"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert loaded["part"].stride() == (3, 1)
        assert loaded["part"].storage_offset() == 1
        assert loaded["wide"].stride() == (0, 1)
        loaded["base"][1] = 9.0
        assert loaded["matrix"].tolist() == [[0, 9, 2], [3, 4, 5]]
        assert loaded["part"].tolist() == [[9, 2], [4, 5]]
        assert loaded["turned"].tolist() == [[0, 3], [9, 4], [2, 5]]
        assert loaded["wide"].tolist() == [[0, 9]] * 3
        assert loaded["part"]._version == loaded["base"]._version


def test_mapped_file_is_not_changed(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.ones(3), path)
    before = path.read_bytes()
    loaded = torch.load(path, mmap=True)
    loaded.fill_(2.0)
    assert loaded.tolist() == [2, 2, 2]
    assert path.read_bytes() == before


def test_dtypes():
    loaded = torch.load(GOLDEN / "dtypes.pt")
    assert len(loaded) == 17
    for name, tensor in {**loaded, **through(loaded)}.items():
        assert repr(tensor.dtype) == name
        assert tensor.to(torch.float64 if "complex" not in name else torch.complex128).tolist() == [
            0,
            1,
            1,
        ]


def test_values():
    recorded = torch.load(GOLDEN / "values.pt")
    for v in (recorded, through(recorded), through(recorded, weights_only=False)):
        assert v["none"] is None
        assert v["flag"] is True
        assert (v["int"], v["big"], v["float"], v["complex"]) == (-5, 2**70, 1.5, 1j)
        assert (v["text"], v["bytes"]) == ("ü", b"xyz")
        assert v["list"] == [1, 2]
        assert v["tuple"] == (1, 2, 3, 4)
        assert v["set"] == {1, 2}
        assert v["counter"] == collections.Counter("aab")
        assert v["size"] == torch.Size([2, 3])
        assert isinstance(v["size"], torch.Size)
        assert v["dtype"] is torch.float32
        assert v["device"] == torch.device("cpu")
        assert v["empty"].shape == (0, 3)
        assert v["number"].item() == 2.5
        assert v["number"].shape == ()
        assert v["grad"].requires_grad
        assert type(v["parameter"]) is torch.nn.Parameter
        assert v["parameter"].requires_grad


def test_whole_model_of_pytorch():
    with pytest.raises(pickle.UnpicklingError, match=r"torch\.nn\.modules\.container\.Sequential"):
        torch.load(GOLDEN / "model.pt")
    model = torch.load(GOLDEN / "model.pt", weights_only=False)
    data = torch.load(GOLDEN / "output.pt")
    with torch.no_grad():
        found = model(data["x"])
        assert np.allclose(found.numpy(), data["y"].numpy(), atol=1e-6)
        again = through(model, weights_only=False)
        assert np.array_equal(again(data["x"]).numpy(), found.numpy())
    assert not model.training
    assert model[0][2].inplace


def test_state_of_pytorch():
    model = torch.load(GOLDEN / "model.pt", weights_only=False)
    state = torch.load(GOLDEN / "state.pt")
    assert type(state) is collections.OrderedDict
    assert state._metadata["0.1"] == {"version": 2}
    result = model.load_state_dict(state)
    assert str(result) == "<All keys matched successfully>"
    kept = through(model.state_dict())
    assert kept._metadata == state._metadata
    assert list(kept) == list(state)


def test_allowed_classes_make_a_model_loadable():
    nn = torch.nn
    classes = [nn.Sequential, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Flatten,
               nn.Dropout, nn.Linear]  # fmt: skip
    with torch.serialization.safe_globals(classes):
        model = torch.load(GOLDEN / "model.pt")
    assert isinstance(model[4], nn.Linear)
    assert torch.serialization.get_safe_globals() == []


def test_optimizer_state_of_pytorch():
    model = torch.load(GOLDEN / "model.pt", weights_only=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    optimizer.load_state_dict(torch.load(GOLDEN / "adam.pt"))
    assert optimizer.param_groups[0]["lr"] == 1e-2
    state = through(optimizer.state_dict())
    assert float(state["state"][0]["step"]) == 1.0
    assert state["state"][0]["exp_avg"].shape == (2, 1, 3, 3)


def test_layout_of_the_archive(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"a": torch.ones(5), "b": torch.zeros(0), "c": torch.ones(2)}, path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "model/data.pkl", "model/.format_version", "model/.storage_alignment",
            "model/byteorder", "model/data/0", "model/data/1", "model/data/2", "model/version",
            "model/.data/serialization_id",
        ]  # fmt: skip
        for info in archive.infolist():
            head = data[info.header_offset :]
            start = info.header_offset + 30 + head[26] + 256 * head[27] + head[28] + 256 * head[29]
            assert start % 64 == 0
            assert info.compress_type == 0
        assert archive.read("model/version") == b"3\n"
        assert archive.read("model/.format_version") == b"1"
        assert archive.read("model/byteorder") == b"little"
        assert b"torch\nFloatStorage" in archive.read("model/data.pkl")
        assert b"rushlight" not in archive.read("model/data.pkl")


def test_pickle_names_no_module_of_ours():
    buffer = io.BytesIO()
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), buffer)
    pickled = zipfile.ZipFile(buffer).read("archive/data.pkl")
    assert b"rushlight" not in pickled
    assert b"torch.nn.modules.linear\nLinear" in pickled


def test_non_contiguous_memory_is_saved_compactly():
    array = np.arange(24.0, dtype=np.float32)[::2]
    tensor = torch.from_numpy(array)
    assert through(tensor).tolist() == tensor.tolist()


def test_same_memory_as_two_dtypes_is_refused():
    x = torch.ones(4)
    other = torch.from_numpy(x.numpy().view(np.int32))
    with pytest.raises(RuntimeError, match="Cannot save multiple tensors or storages that view"):
        torch.save([x, other], io.BytesIO())


def test_legacy_format_round_trip():
    x = torch.ones(2, 3)
    loaded = through({"x": x, "y": x[0]}, _use_new_zipfile_serialization=False)
    loaded["x"].fill_(4.0)
    assert loaded["y"].tolist() == [4, 4, 4]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(protocol):
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(2), "d": torch.int8}, buffer, pickle_protocol=protocol)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    assert loaded["a"].tolist() == [1, 1]
    assert loaded["d"] is torch.int8


class Subclass(torch.Tensor):
    pass


def test_subclasses_and_attributes():
    x = torch.ones(2)
    x.note = "kept"
    assert through(x).note == "kept"
    p = torch.nn.Parameter(torch.ones(2))
    p.note = 3
    assert through(p).note == 3
    s = Subclass([1.0, 2.0])
    loaded = through(s, weights_only=False)
    assert type(loaded) is Subclass
    assert loaded.tolist() == [1, 2]


def test_other_pickle_module():
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(2)}, buffer, pickle_module=pickle)
    buffer.seek(0)
    assert torch.load(buffer, pickle_module=pickle)["a"].tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit pickle_mod"):
        torch.load(buffer, pickle_module=pickle, weights_only=True)


def test_path_and_file_objects(tmp_path):
    x = torch.ones(2)
    torch.save(x, str(tmp_path / "a.pt"))
    torch.save(x, tmp_path / "b.pt")
    with open(tmp_path / "c.pt", "wb") as file:
        torch.save(x, file)
    for name in "abc":
        assert torch.load(tmp_path / f"{name}.pt").tolist() == [1, 1]
        with open(tmp_path / f"{name}.pt", "rb") as file:
            assert torch.load(file).tolist() == [1, 1]


def test_map_location():
    buffer = io.BytesIO()
    torch.save(torch.ones(2), buffer)
    seen = []

    def where(storage, location):
        seen.append((storage.nbytes(), location))
        return storage

    for place in ("cpu", torch.device("cpu"), {"cuda:0": "cpu"}, where, lambda s, loc: None):
        buffer.seek(0)
        assert torch.load(buffer, map_location=place).tolist() == [1, 1]
    assert seen == [(8, "cpu")]
    buffer.seek(0)
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        torch.load(buffer, map_location="cuda")


def test_a_save_replaces_whole_files(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.ones(2), path)
    os.chmod(path, 0o640)

    class Unwilling:
        def __reduce__(self):
            raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        torch.save([torch.zeros(3), Unwilling()], path)
    assert torch.load(path).tolist() == [1, 1]
    torch.save(torch.zeros(2), path)
    assert torch.load(path).tolist() == [0, 0]
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["x.pt"]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    torch.save(torch.ones(2), path)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RuntimeError, match="unexpected pos .* No space left on device"):
        torch.save(torch.zeros(2), path)
    assert torch.load(path).tolist() == [1, 1]
    assert os.listdir(tmp_path) == ["x.pt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_devices_are_written_directly():
    with pytest.raises(RuntimeError, match="unexpected pos"):
        torch.save(torch.zeros(100_000), "/dev/full")
    assert os.path.exists("/dev/full")


def test_links_are_followed(tmp_path):
    torch.save(torch.ones(1), tmp_path / "real.pt")
    (tmp_path / "link.pt").symlink_to("real.pt")
    torch.save(torch.zeros(1), tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink()
    assert torch.load(tmp_path / "real.pt").tolist() == [0]


def test_saves_from_several_threads(tmp_path):
    path = tmp_path / "x.pt"
    threads = [
        threading.Thread(target=torch.save, args=(torch.full((1000,), float(i)), path))
        for i in range(8)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    values = set(torch.load(path).tolist())
    assert len(values) == 1
    assert os.listdir(tmp_path) == ["x.pt"]


def test_what_is_in_files_of_its_own_has_pytorchs_names():
    from rushlight.serialization.names import global_name

    def where(obj):
        return ".".join(global_name(obj))

    schedule = torch.optim.lr_scheduler
    assert where(schedule.StepLR) == "torch.optim.lr_scheduler.StepLR"
    assert where(schedule.OneCycleLR) == "torch.optim.lr_scheduler.OneCycleLR"
    assert where(torch.nn.functional.dropout) == "torch.nn.functional.dropout"
    assert where(torch.nn.functional.relu) == "torch.nn.functional.relu"
    assert where(torch.distributions.Normal) == "torch.distributions.Normal"
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scheduler = schedule.StepLR(optimizer, 1)
    assert type(through(scheduler, weights_only=False)) is schedule.StepLR
    assert through([torch.strided], weights_only=False) == [torch.strided]
