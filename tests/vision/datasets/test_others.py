"""FakeData, folders of pictures, CIFAR, and data sets of one's own."""

import hashlib
import os
import pickle

import numpy as np
import pytest
from PIL import Image

import rushlight as torch
from rushlight.utils.data import DataLoader, Dataset
from rushlight.vision import transforms
from rushlight.vision.datasets import CIFAR10, DatasetFolder, FakeData, ImageFolder, folder
from rushlight.vision.io import read_image


def picture(path, value, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 255)).save(path)


def test_fake_data():
    data = FakeData(5, (3, 8, 6), num_classes=4, transform=transforms.PILToTensor())
    before = torch.get_rng_state()
    image, label = data[2]
    assert image.shape == (3, 8, 6)
    assert 0 <= label < 4
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(data[2][0], image)
    with pytest.raises(IndexError, match="FakeData index out of range"):
        data[5]
    assert repr(data).splitlines()[:2] == ["Dataset FakeData", "    Number of datapoints: 5"]


def test_image_folder(tmp_path):
    for i, name in enumerate(("b/1.png", "a/2.PNG", "a/sub/3.jpg", "b/note.txt")):
        if name.endswith("txt"):
            (tmp_path / name).write_text("no picture")
        else:
            picture(tmp_path / name, i)
    data = ImageFolder(str(tmp_path), transform=transforms.ToTensor())
    assert data.classes == ["a", "b"]
    assert data.class_to_idx == {"a": 0, "b": 1}
    assert [(os.path.basename(p), t) for p, t in data.imgs] == [
        ("2.PNG", 0), ("3.jpg", 0), ("1.png", 1),
    ]  # fmt: skip
    assert data.targets == [0, 0, 1]
    images, labels = next(iter(DataLoader(data, batch_size=3)))
    assert images.shape == (3, 3, 4, 6)
    assert labels.tolist() == [0, 0, 1]
    (tmp_path / "c").mkdir()
    with pytest.raises(FileNotFoundError, match="Found no valid file for the classes c. Supported"):
        ImageFolder(tmp_path)
    assert ImageFolder(tmp_path, allow_empty=True).classes == ["a", "b", "c"]
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in"):
        ImageFolder(tmp_path / "c")


def test_dataset_folder(tmp_path):
    (tmp_path / "x").mkdir()
    np.save(tmp_path / "x" / "a.npy", np.arange(3))
    data = DatasetFolder(tmp_path, np.load, extensions=(".npy",))
    assert data[0][0].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="Both extensions and is_valid_file cannot be None"):
        folder.make_dataset(tmp_path, {"x": 0})


def cifar(tmp_path, monkeypatch, payload):
    base = tmp_path / CIFAR10.base_folder
    base.mkdir()

    def entries(names):
        found = []
        for name in names:
            data = pickle.dumps(payload, protocol=2)
            (base / name).write_bytes(data)
            found.append([name, hashlib.md5(data).hexdigest()])
        return found

    monkeypatch.setattr(CIFAR10, "train_list", entries(["data_batch_1", "data_batch_2"]))
    monkeypatch.setattr(CIFAR10, "test_list", entries(["test_batch"]))
    names = pickle.dumps({"label_names": ["plane", "car"]}, protocol=2)
    (base / "batches.meta").write_bytes(names)
    meta = {"filename": "batches.meta", "key": "label_names", "md5": hashlib.md5(names).hexdigest()}
    monkeypatch.setattr(CIFAR10, "meta", meta)


def test_cifar(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    cifar(tmp_path, monkeypatch, {"data": rows, "labels": [0, 1, 1, 0]})
    transform = transforms.Compose([
        transforms.ToTensor(), transforms.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    ])  # fmt: skip
    data = CIFAR10(str(tmp_path), transform=transform)
    assert data.data.shape == (8, 32, 32, 3)
    assert np.array_equal(data.data[1].transpose(2, 0, 1).ravel(), rows[1])
    images, labels = next(iter(DataLoader(data, batch_sampler=[[5, 0]])))
    assert torch.equal(images, torch.stack([data[5][0], data[0][0]]))
    assert images.is_contiguous()
    assert labels.tolist() == [1, 0]
    assert data.class_to_idx == {"plane": 0, "car": 1}
    assert len(CIFAR10(tmp_path, train=False)) == 4
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted. You can use downlo"):
        CIFAR10(tmp_path / "nothing")


class Hostile:
    def __reduce__(self):
        return os.system, ("echo executed",)


def test_hostile_pickle_is_not_executed(tmp_path, monkeypatch, capfd):
    cifar(tmp_path, monkeypatch, Hostile())
    with pytest.raises(pickle.UnpicklingError, match="the file asks for posix.system"):
        CIFAR10(tmp_path)
    assert capfd.readouterr().out == ""


def test_own_data_set_of_csv_and_pictures(tmp_path):
    pandas = pytest.importorskip("pandas")

    class CustomImageDataset(Dataset):
        def __init__(self, annotations_file, img_dir, transform=None, target_transform=None):
            self.img_labels = pandas.read_csv(annotations_file)
            self.img_dir = img_dir
            self.transform = transform
            self.target_transform = target_transform

        def __len__(self):
            return len(self.img_labels)

        def __getitem__(self, idx):
            img_path = os.path.join(self.img_dir, self.img_labels.iloc[idx, 0])
            image = read_image(img_path)
            label = self.img_labels.iloc[idx, 1]
            if self.transform:
                image = self.transform(image)
            if self.target_transform:
                label = self.target_transform(label)
            return image, label

    for i in range(5):
        picture(tmp_path / f"{i}.png", i)
    text = "file,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(5))
    (tmp_path / "labels.csv").write_text(text)
    data = CustomImageDataset(tmp_path / "labels.csv", tmp_path)
    for workers in (0, 1):
        images, labels = next(iter(DataLoader(data, batch_size=5, num_workers=workers)))
        assert images.shape == (5, 3, 4, 6)
        assert images.dtype is torch.uint8
        assert images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
        assert labels.tolist() == [0, 1, 0, 1, 0]
        assert labels.dtype is torch.int64
