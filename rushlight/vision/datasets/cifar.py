"""CIFAR-10 and CIFAR-100, from their pickled files. Nothing in these files is executed."""
# ruff: noqa: RUF012  (torchvision's class attributes, which subclasses replace)

import importlib
import io
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.core.tensor import wrap
from rushlight.utils.data.batch import Samples, as_list, whole_batch
from rushlight.vision import _pil
from rushlight.vision.datasets import _batch
from rushlight.vision.datasets._checks import check_integrity
from rushlight.vision.datasets.vision import VisionDataset


def _latin(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


class _SafeUnpickler(pickle.Unpickler):
    """Reads dicts, lists, strings, numbers and plain NumPy arrays."""

    _ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin,
    }

    def find_class(self, module: str, name: str) -> Any:
        found = self._ALLOWED.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(
                f"the file asks for {module}.{name}, which no file of CIFAR needs"
            )
        return found


def read_pickle(path: str) -> Any:
    """The contents of one of CIFAR's files; UnpicklingError if it asks for anything else."""
    with open(path, "rb") as f:
        return _SafeUnpickler(io.BytesIO(f.read()), encoding="latin1").load()


class CIFAR10(VisionDataset):
    """Pictures of ten kinds of things: 50,000 to train and 10,000 to test, 32x32, colour.

    Args:
        root: the folder above ``cifar-10-batches-py``.
        train: the training set, or the test set.
        transform: takes the picture (a Pillow image).
        target_transform: takes the label (an int).
        download: whether to download what is missing.

    ``data`` has the pictures as a uint8 array (number, 32, 32, 3), ``targets`` a list of labels.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {"filename": "batches.meta", "key": "label_names",
            "md5": "5ff9c542aee3614f3951f8cda6e48888"}  # fmt: skip

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        rows = []
        self.targets: list[int] = []
        for name, _ in self.train_list if train else self.test_list:
            entry = read_pickle(os.path.join(self.root, self.base_folder, name))
            rows.append(entry["data"])
            self.targets.extend(entry["labels"] if "labels" in entry else entry["fine_labels"])
        channels_first = np.vstack(rows).reshape(-1, 3, 32, 32)
        self.data = np.ascontiguousarray(channels_first.transpose(0, 2, 3, 1))
        self._load_meta()

    def _load_meta(self) -> None:
        path = os.path.join(self.root, self.base_folder, self.meta["filename"])
        if not check_integrity(path, self.meta["md5"]):
            raise RuntimeError(
                "Dataset metadata file not found or corrupted. You can use download=True to "
                "download it"
            )
        self.classes = read_pickle(path)[self.meta["key"]]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._apply(_pil.from_array(self.data[index]), self.targets[index])

    @whole_batch
    def __getitems__(self, indices: Any) -> Any:
        if type(self).__getitem__ is not CIFAR10.__getitem__:
            return [self[i] for i in as_list(indices)]
        return Samples(self, indices, self._gather)

    def _gather(self, indices: np.ndarray) -> list[Any] | None:
        data = self.data
        if type(data) is not np.ndarray or data.dtype != np.uint8 or data.ndim != 4:
            return None
        steps = _batch.plan(self.transform, data.shape[3])
        if steps is None:
            return None
        try:
            rows = data.take(indices, 0).transpose(0, 3, 1, 2)
            targets = _batch.targets_of(self.targets, indices, self.target_transform)
        except IndexError:
            return None
        return None if targets is None else [wrap(_batch.finish(rows, steps)), targets]

    def __len__(self) -> int:
        return len(self.data)

    def _check_integrity(self) -> bool:
        return all(
            check_integrity(os.path.join(self.root, self.base_folder, name), md5)
            for name, md5 in self.train_list + self.test_list
        )

    def download(self) -> None:
        """Downloads and unpacks the files if they are not there."""
        if not self._check_integrity():
            utils = importlib.import_module("rushlight.vision.datasets.utils")
            utils.download_and_extract_archive(
                self.url, self.root, filename=self.filename, md5=self.tgz_md5
            )

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """As :class:`CIFAR10`, with a hundred kinds of things."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {"filename": "meta", "key": "fine_label_names",
            "md5": "7973b15100ade9c7d40fb424638fde48"}  # fmt: skip
