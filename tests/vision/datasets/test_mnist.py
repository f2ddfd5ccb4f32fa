"""MNIST and its relatives: files found and refused, samples, whole batches."""

import gzip
import struct
import sys

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader, Subset, default_collate
from rushlight.vision import datasets, transforms
from rushlight.vision.datasets import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST, mnist

TRANSFORMS = [
    transforms.ToTensor(),
    transforms.Compose([transforms.ToTensor()]),
    transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]),
    transforms.Compose([
        transforms.ToTensor(), transforms.Normalize([0.5], [0.3]), transforms.Normalize(0.1, 3.0)
    ]),
    transforms.Compose([transforms.ToTensor(), transforms.Lambda(lambda x: x * 2)]),
    transforms.Compose([transforms.Resize(8), transforms.ToTensor()]),
]  # fmt: skip


def idx(array, code=8):
    array = np.asarray(array)
    kind = {8: ">u1", 12: ">i4"}[code]
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(kind).tobytes()


def write(
    folder, prefixes=("train", "t10k"), packed=False, counts=(20, 10), names="{}-{}-idx{}-ubyte"
):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix, n in zip(prefixes, counts):
        for what, array in (
            ("images", rng.integers(0, 256, (n, 28, 28))),
            ("labels", np.arange(n) % 10),
        ):
            data = idx(array)
            path = folder / (names.format(prefix, what, array.ndim) + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "MNIST" / "raw")
    return tmp_path


def test_samples_are_pillow_images_without_transform(root):
    data = MNIST(str(root))
    image, label = data[3]
    assert (image.mode, image.size, label) == ("L", (28, 28), 3)
    assert np.array_equal(np.asarray(image), data.data[3].numpy())
    assert data.data.dtype is torch.uint8
    assert data.targets.dtype is torch.int64
    assert type(label) is int
    with pytest.raises(TypeError, match="found <class 'PIL.Image.Image'>"):
        next(iter(DataLoader(data)))
    with pytest.raises(IndexError, match="index 20 is out of bounds for dimension 0 with size 20"):
        data[20]


def test_printed_form(root):
    assert repr(MNIST(str(root), train=False)) == (
        f"Dataset MNIST\n    Number of datapoints: 10\n    Root location: {root}\n    Split: Test"
    )
    data = MNIST(str(root), transform=TRANSFORMS[2], target_transform=transforms.Lambda(abs))
    assert repr(data).endswith(
        "    Split: Train\n    StandardTransform\nTransform: Compose(\n               ToTensor()\n"
        "               Normalize(mean=(0.1307,), std=(0.3081,))\n           )\n"
        "Target transform: Lambda()"
    )


@pytest.mark.parametrize("transform", TRANSFORMS, ids=range(len(TRANSFORMS)))
@pytest.mark.parametrize("target", [None, transforms.Lambda(lambda y: torch.tensor([y, 1.0]))])
def test_whole_batches_are_the_samples_collated(root, transform, target):
    data = MNIST(str(root), transform=transform, target_transform=target)
    image, _label = data[7]
    from PIL import Image

    plain = transform(Image.fromarray(data.data[7].numpy()))
    assert torch.equal(image, plain)
    assert image.shape == plain.shape
    for indices in ([7, 0, -1, 19], [4]):
        images, labels = next(iter(DataLoader(data, batch_sampler=[indices])))
        expected = default_collate([data[i] for i in indices])
        assert torch.equal(images, expected[0])
        assert images.is_contiguous()
        assert torch.equal(labels, expected[1])
        assert labels.dtype is expected[1].dtype
        images, _ = next(iter(DataLoader(Subset(data, indices), batch_size=4)))
        assert torch.equal(images, expected[0])


def test_pillow_is_not_loaded_for_tensors(root, run_python):
    code = (
        "import sys\n"
        "from rushlight.vision import datasets, transforms\n"
        "from rushlight.utils.data import DataLoader\n"
        f"data = datasets.MNIST({str(root)!r}, transform=transforms.ToTensor())\n"
        "next(iter(DataLoader(data, 4))), data[0]\n"
        "print([m for m in ('PIL', 'multiprocessing', 'urllib.request', 'ssl') if m in sys.modules])"
    )
    assert run_python("-c", code).stdout == "[]\n"


def test_changed_data_is_what_the_loader_gives(root):
    data = MNIST(str(root), transform=transforms.ToTensor())
    keep = data.targets < 2
    data.data, data.targets = data.data[keep], data.targets[keep]
    images, labels = next(iter(DataLoader(data, batch_size=10)))
    assert images.shape == (4, 1, 28, 28)
    assert labels.tolist() == [0, 1, 0, 1]
    data.targets = data.targets.float()  # an odd kind: goes one by one, labels stay ints
    _, labels = next(iter(DataLoader(data, batch_size=10)))
    assert labels.dtype is torch.int64
    data.data = data.data.numpy()
    with pytest.raises(AttributeError, match="numpy"):
        data[0]


def test_subclass_with_own_getitem(root):
    class Brighter(MNIST):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return image + 1, label

        raw_folder = str(root / "MNIST" / "raw")

    data = Brighter(str(root), transform=transforms.ToTensor())
    images, _ = next(iter(DataLoader(data, batch_size=3)))
    assert images.min().item() >= 1


def test_wrong_normalisation_raises_as_for_one_sample(root):
    for transform, kind, message in (
        (
            transforms.Normalize((0.5,), (0.0,)),
            ValueError,
            "std evaluated to zero after conversion",
        ),
        (transforms.Normalize((0.5,) * 3, (1.0,) * 3), RuntimeError, "output with shape"),
    ):
        data = MNIST(str(root), transform=transforms.Compose([transforms.ToTensor(), transform]))
        with pytest.raises(kind, match=message):
            next(iter(DataLoader(data, batch_size=2)))


def test_packed_files_and_the_system_folder(tmp_path, monkeypatch):
    folder = write(tmp_path / "system", packed=True)
    with pytest.raises(RuntimeError, match="Dataset not found. You can use download=True to downl"):
        FashionMNIST(tmp_path)
    monkeypatch.setattr(FashionMNIST, "system_folders", (str(folder),))
    assert len(FashionMNIST(tmp_path, download=True)) == 20  # found: nothing to download
    write(tmp_path / "KMNIST" / "raw", packed=True)
    data = KMNIST(tmp_path, train=False)
    assert len(data) == 10
    assert data.class_to_idx["tsu"] == 3


def test_emnist(tmp_path):
    names = "emnist-letters-{}-{}-idx{}-ubyte"
    write(tmp_path / "EMNIST" / "raw", ("train", "test"), names=names)
    data = EMNIST(tmp_path, split="letters", train=False)
    assert (len(data), data.classes[:2], data.split) == (10, ["N/A", "a"], "letters")
    assert len(EMNIST.classes_split_dict["byclass"]) == 62
    assert len(EMNIST.classes_split_dict["balanced"]) == 47
    with pytest.raises(ValueError, match="Unknown value 'x' for argument split. Valid values are"):
        EMNIST(tmp_path, split="x")


def test_qmnist(tmp_path):
    folder = tmp_path / "QMNIST" / "raw"
    folder.mkdir(parents=True)
    images = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256
    (folder / "qmnist-test-images-idx3-ubyte").write_bytes(idx(images))
    (folder / "qmnist-test-labels-idx2-int").write_bytes(idx(np.arange(24).reshape(3, 8) * 300, 12))
    data = QMNIST(tmp_path, train=False, transform=transforms.ToTensor())
    assert data[2][1] == 4800
    assert data[2][0].shape == (1, 28, 28)
    data.compat = False
    assert data[1][1].tolist()[:2] == [2400, 2700]
    assert "Split: test" in repr(data)


def corrupt(root, change):
    path = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            lambda b: b[:-5],
            RuntimeError,
            r"shape '\[20, 28, 28\]' is invalid for input of size 15675",
        ),
        (lambda b: b + b"x", RuntimeError, r"shape '\[20, 28, 28\]' is invalid for input of size"),
        (lambda b: b"PK" + b[2:], AssertionError, "is no IDX file"),
        (lambda b: b[:7], AssertionError, "is no IDX file"),
        (lambda b: b"", AssertionError, "is no IDX file"),
        (lambda b: idx(np.arange(4)), ValueError, "x should have 3 dimension instead of 1"),
        (lambda b: idx(np.zeros((2, 2, 2)), 12), TypeError, "x should be of dtype torch.uint8 ins"),
        (
            lambda b: idx(np.zeros((2, 28, 28))),
            RuntimeError,
            "has 2 pictures, but .* has 20 labels",
        ),
    ],
)
def test_corrupt_files(root, change, kind, message):
    corrupt(root, change)
    with pytest.raises(kind, match=message):
        MNIST(root)


@pytest.mark.parametrize(
    ("change", "kind"),
    [(lambda b: b[:-20], EOFError), (lambda b: b"xx" + b[2:], gzip.BadGzipFile)],
)
def test_corrupt_packed_files(tmp_path, change, kind):
    folder = write(tmp_path / "MNIST" / "raw", packed=True)
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(kind) as e:
        MNIST(tmp_path)
    assert "train-labels-idx1-ubyte.gz" in e.value.__notes__[0]


def test_old_names_warn(root):
    with pytest.warns(UserWarning, match="train_labels has been renamed targets"):
        assert MNIST(root).train_labels[1].item() == 1
    with pytest.warns(UserWarning, match="test_data has been renamed data"):
        assert MNIST(root).test_data.shape == (20, 28, 28)


def test_carried_subset():
    data = datasets.FashionMNISTSubset(transform=transforms.ToTensor())
    assert torch.bincount(data.targets).tolist() == [600] * 10
    assert data.data.shape == (6000, 28, 28)
    test = datasets.FashionMNISTSubset(train=False)
    assert torch.bincount(test.targets).tolist() == [100] * 10
    assert data.classes[9] == "Ankle boot"


@pytest.mark.data
def test_carried_subset_is_the_first_of_each_class(data_folder):
    full, part = FashionMNIST(data_folder), datasets.FashionMNISTSubset()
    first = torch.nonzero(full.targets == 3)[:600].flatten()
    assert torch.equal(full.data[first], part.data[part.targets == 3])


@pytest.mark.data
def test_full_sets(data_folder):
    for kind, total in ((FashionMNIST, 3431098), (MNIST, 0)):
        data = kind(data_folder, train=False)
        assert data.data.shape == (10000, 28, 28)
        assert torch.bincount(data.targets).sum().item() == 10000
        if total:
            assert torch.bincount(data.targets).tolist() == [1000] * 10


@pytest.mark.data
def test_shuffled_epoch_has_every_picture_once(data_folder):
    data = FashionMNIST(data_folder, train=False, transform=transforms.ToTensor())
    total, count = 0.0, 0
    for images, labels in DataLoader(data, batch_size=64, shuffle=True):
        assert images.shape[0] == labels.shape[0]
        total += images.double().sum().item()
        count += len(labels)
    assert count == 10000
    assert total == pytest.approx(data.data.double().sum().item() / 255, rel=1e-6)


def test_reading_functions_by_torchvisions_names():
    assert mnist.get_int(b"\0\0\1\2") == 258
    assert mnist.SN3_PASCALVINCENT_TYPEMAP[8] is torch.uint8
    assert sys.modules["rushlight.vision.datasets.mnist"] is mnist
