"""Damaged and hostile files: PyTorch's errors, and nothing run."""

import contextlib
import io
import os
import pickle
import struct
import zipfile

import pytest

import rushlight as torch
from rushlight.serialization.legacy import MAGIC_NUMBER

STREAM = "PytorchStreamReader failed"


def saved(obj, **kwargs):
    buffer = io.BytesIO()
    torch.save(obj, buffer, **kwargs)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def state():
    return saved({"a": torch.ones(1000), "b": torch.zeros(3)})


def load(data, **kwargs):
    return torch.load(io.BytesIO(data), **kwargs)


def test_truncated(state):
    with pytest.raises(RuntimeError, match=f"{STREAM} reading zip archive: not a ZIP archive"):
        load(state[:10])
    for size in (len(state) // 2, len(state) - 1, len(state) - 30, 200):
        with pytest.raises(RuntimeError, match=f"{STREAM} reading zip archive: failed finding"):
            load(state[:size])


def test_every_truncation_is_an_error(state):
    for size in range(4, len(state), 97):
        with pytest.raises(RuntimeError, match=STREAM):
            load(state[:size])


def test_every_damaged_byte_gives_an_error_or_data(state):
    allowed = (RuntimeError, pickle.UnpicklingError, NotImplementedError, ValueError)
    for place in [*range(0, 600, 7), *range(len(state) - 1500, len(state), 7)]:
        damaged = bytearray(state)
        damaged[place] ^= 0xFF
        with contextlib.suppress(allowed):
            load(bytes(damaged))


def test_damaged_pickle(state):
    damaged = bytearray(state)
    damaged[70] ^= 0xFF
    with pytest.raises(RuntimeError, match=f"{STREAM} reading file data.pkl"):
        load(bytes(damaged))


def rewritten(data, drop=None, shorten=None):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if drop and name.endswith(drop):
                continue
            content = old.read(name)
            new.writestr(name, content[:-8] if shorten and name.endswith(shorten) else content)
    return out.getvalue()


def test_missing_records(state):
    with pytest.raises(RuntimeError, match=f"{STREAM} locating file data.pkl: file not found"):
        load(rewritten(state, drop="data.pkl"))
    with pytest.raises(RuntimeError, match=f"{STREAM} locating file data/0: file not found"):
        load(rewritten(state, drop="data/0"))
    with pytest.raises(RuntimeError, match=r'Expected hasRecord\("version"\) to be true'):
        load(rewritten(state, drop="/version"))
    with pytest.raises(RuntimeError, match="record size \\(3992 bytes\\) does not match expected"):
        load(rewritten(state, shorten="data/0"))
    assert load(rewritten(state))["b"].tolist() == [0, 0, 0]


def test_compressed_records_are_read(state):
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(state)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert load(out.getvalue())["a"].sum().item() == 1000


def test_other_files():
    with pytest.raises(EOFError):
        load(b"")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load(b'{"a": 1}')
    with pytest.raises(RuntimeError, match="Invalid magic number; corrupt file"):
        load(pickle.dumps({"a": 1}, 2))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(RuntimeError, match="file in archive is not in a subdirectory: a.txt"):
        load(out.getvalue())
    with pytest.raises(FileNotFoundError):
        torch.load("there/is/none.pt")
    with pytest.raises(AttributeError, match="You can only torch.load from a file that is seek"):
        torch.load(3)


def test_wrong_destinations(tmp_path):
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        torch.save(torch.ones(1), tmp_path / "no" / "x.pt")
    with pytest.raises(RuntimeError, match="Is a directory"):
        torch.save(torch.ones(1), tmp_path)
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like"):
        torch.save(torch.ones(1), 3)


def test_truncated_legacy():
    data = saved({"a": torch.ones(100)}, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="unexpected EOF, expected 40 more bytes"):
        load(data[:-40])
    with pytest.raises((EOFError, pickle.UnpicklingError)):
        load(data[:60])


class Hostile:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("function", [os.system, os.mkdir, eval, exec, __import__, getattr, open])
def test_hostile_pickles_are_never_run(function, legacy, tmp_path):
    victim = tmp_path / "made"
    argument = {os.system: f"touch {victim}", os.mkdir: str(victim)}.get(function, str(victim))
    data = saved({"x": Hostile(function, argument)}, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load(data)
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        load(pickle.dumps(Hostile(function, argument), 2))
    assert not victim.exists()


def test_message_names_the_class():
    data = saved(Hostile(print, "x"))
    with pytest.raises(pickle.UnpicklingError) as caught:
        load(data)
    message = str(caught.value)
    assert message.startswith(
        "Weights only load failed. This file can still be loaded, to do so you have two options, "
        "\033[1mdo those steps only if you trust the source of the checkpoint\033[0m. \n\t(1) In "
        "PyTorch 2.6, we changed the default value of the `weights_only` argument"
    )
    assert "GLOBAL print was not an allowed global by default." in message
    assert "`torch.serialization.add_safe_globals([print])`" in message
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL posix\.system whose module posix is"):
        load(saved(Hostile(os.system, "true")))


def archive_with(pickled, storage=b"\0" * 16):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", storage)
    return out.getvalue()


def tensor_pickle(offset=0, size=(4,), stride=(1,), numel=4):
    def number(n):
        return b"J" + struct.pack("<i", n)

    def numbers(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
        b"X\x01\0\0\x000X\x03\0\0\0cpu" + number(numel) + b"tQ" + number(offset) + numbers(size)
        + numbers(stride) + b"\x89ccollections\nOrderedDict\n)RtR."
    )  # fmt: skip


def test_tensors_stay_within_their_storage():
    assert load(archive_with(tensor_pickle())).tolist() == [0, 0, 0, 0]
    for bad in (
        tensor_pickle(size=(5,)),
        tensor_pickle(offset=1),
        tensor_pickle(stride=(2,)),
        tensor_pickle(offset=-1, size=(1,)),
        tensor_pickle(size=(2**30,), stride=(2**30,)),
    ):
        with pytest.raises(RuntimeError, match="out of bounds|negative"):
            load(archive_with(bad))
    with pytest.raises(RuntimeError, match="Negative strides are not supported"):
        load(archive_with(tensor_pickle(stride=(-1,), size=(2,), offset=1)))
    with pytest.raises(RuntimeError, match="does not match expected size"):
        load(archive_with(tensor_pickle(numel=2**30, size=(2**30,))))


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02.", b"\x80\x02R.", b"\x80\x02\x86.", b"\x80\x02t.", b"\x80\x02K\x01a.",
        b"\x80\x02h\x05.", b"\x80\x02K\x01Q.", b"\x80\x02}K\x01K\x02u.", b"\x80\x02]K\x01b.",
        b"\x80\x02K\x01)\x81.", b"\x80\x02K\x01)R.",
        b"\x80\x02(X\x06\0\0\0modulecos\nsystem\ntQ.", b"\x80\x02cos\nsystem\n.",
        b"\x80\x02ctorch.serialization\nload\n.", b"\x80\x02crushlight.cli.script\nrun\n.",
        b"\x80\x02I1\n.", b"\x80\x02ibuiltins\neval\n.",
    ],
)  # fmt: skip
def test_malformed_pickles(pickled):
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load(archive_with(pickled))


def test_magic_number_alone():
    with pytest.raises(EOFError):
        load(pickle.dumps(MAGIC_NUMBER, 2))


def test_lists_are_given_back():
    class Known:
        pass

    torch.serialization.add_safe_globals([Known])
    assert torch.serialization.get_safe_globals() == [Known]
    torch.serialization.clear_safe_globals()
    assert torch.serialization.get_safe_globals() == []
    with torch.serialization.safe_globals([Known]):
        assert torch.serialization.get_safe_globals() == [Known]
    assert torch.serialization.get_safe_globals() == []
