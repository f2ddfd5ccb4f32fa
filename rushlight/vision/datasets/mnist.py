"""MNIST and its relatives, from IDX files."""
# ruff: noqa: RUF012  (torchvision's class attributes, which subclasses replace)

import importlib
import os
import string
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.tensor import Tensor, wrap
from rushlight.utils.data.batch import Samples, as_list, whole_batch
from rushlight.vision import _pil
from rushlight.vision.datasets import _batch
from rushlight.vision.datasets._checks import check_integrity, verify_str_arg
from rushlight.vision.datasets.idx import (
    SN3_PASCALVINCENT_TYPEMAP,
    get_int,
    read_image_file,
    read_label_file,
    read_sn3_pascalvincent_tensor,
)
from rushlight.vision.datasets.vision import VisionDataset

__all__ = [
    "EMNIST", "KMNIST", "MNIST", "QMNIST", "SN3_PASCALVINCENT_TYPEMAP", "FashionMNIST", "get_int",
    "read_image_file", "read_label_file", "read_sn3_pascalvincent_tensor",
]  # fmt: skip

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def _downloads() -> Any:
    """The functions that download and unpack: they load much of the standard library."""
    return importlib.import_module("rushlight.vision.datasets.utils")


def find_file(folders: Sequence[str], name: str) -> str | None:
    """The file ``name`` in the first folder that has it, plain or packed (``.gz``)."""
    for folder in folders:
        for suffix in ("", ".gz"):
            path = os.path.join(folder, name + suffix)
            if check_integrity(path):
                return path
    return None


class MNIST(VisionDataset):
    """Handwritten digits: 60,000 to train and 10,000 to test, 28x28, grey.

    The files are looked for in ``root/MNIST/raw``, unpacked or as ``.gz``; with ``download=True``
    they are downloaded if they are not there.

    Args:
        root: the folder above ``MNIST/raw``.
        train: the training set, or the test set.
        transform: takes the picture (a Pillow image).
        target_transform: takes the label (an int).
        download: whether to download what is missing.

    Samples are ``(picture, label)``. ``data`` has the pictures as a uint8 tensor (number, 28, 28),
    ``targets`` the labels as an int64 tensor. Raises RuntimeError if the files are not found or are
    truncated.
    """

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: Any = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    system_folders: tuple[str, ...] = ()  # looked in after root
    training_file = "training.pt"
    test_file = "test.pt"
    classes = [f"{i} - {word}" for i, word in enumerate(_DIGITS)]

    data: Tensor
    targets: Tensor

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
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        self.data, self.targets = self._load_data()

    @property
    def train_labels(self) -> Tensor:
        """The old name of ``targets``."""
        warnings.warn("train_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def test_labels(self) -> Tensor:
        """The old name of ``targets``."""
        warnings.warn("test_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def train_data(self) -> Tensor:
        """The old name of ``data``."""
        warnings.warn("train_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def test_data(self) -> Tensor:
        """The old name of ``data``."""
        warnings.warn("test_data has been renamed data", stacklevel=2)
        return self.data

    def _file(self, name: str) -> str | None:
        return find_file((self.raw_folder, *self.system_folders), name)

    def _names(self) -> tuple[str, str]:
        """The names of the files with the pictures and the labels."""
        part = "train" if self.train else "t10k"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, labels = [self._file(name) for name in self._names()]
        data, targets = read_image_file(images), read_label_file(labels)
        if len(data._array) != len(targets._array):
            raise RuntimeError(
                f"{images} has {len(data._array)} pictures, but {labels} has "
                f"{len(targets._array)} labels"
            )
        return data, targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if type(index) is int:
            quick = self._gather_one(index)
            if quick is not None:
                return quick
        image, target = self.data[index], int(self.targets[index])
        return self._apply(_pil.from_array(image.numpy()), target)

    def _gather_one(self, index: int) -> tuple[Any, Any] | None:
        """A sample without the detour by a Pillow image, if the transform is a known one."""
        images = self._images()
        steps = None if images is None else _batch.plan(self.transform, 1)
        if steps is None or not -len(images) <= index < len(images):  # type: ignore[arg-type]
            return None
        target: Any = int(self.targets[index])
        image = wrap(_batch.finish(images[index][None], steps))  # type: ignore[index]
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def _images(self) -> np.ndarray | None:
        """The array of the pictures, if it is of the usual kind: the user may have replaced it."""
        data = self.data
        if type(data) is not Tensor:
            return None
        array = data._array
        return array if array.ndim == 3 and array.dtype == np.uint8 else None

    @whole_batch
    def __getitems__(self, indices: Any) -> Any:
        if type(self).__getitem__ is not MNIST.__getitem__:
            return [self[i] for i in as_list(indices)]
        return Samples(self, indices, self._gather)

    def _gather(self, indices: np.ndarray) -> list[Any] | None:
        images = self._images()
        steps = None if images is None else _batch.plan(self.transform, 1)
        if steps is None:
            return None
        try:
            batch = _batch.grey_batch(images, indices, steps)  # type: ignore[arg-type]
            targets = _batch.targets_of(self.targets, indices, self.target_transform)
        except IndexError:
            return None  # sample by sample, the wrong one raises
        return None if targets is None else [wrap(batch), targets]

    def __len__(self) -> int:
        return len(self.data)

    @property
    def raw_folder(self) -> str:
        """Where the files are, or go."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """Where old versions of torchvision put converted files. Not used."""
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class."""
        return {name: i for i, name in enumerate(self.classes)}

    def _check_exists(self) -> bool:
        return all(
            self._file(os.path.splitext(os.path.basename(url))[0]) for url, _ in self.resources
        )

    def download(self) -> None:
        """Downloads the files if they are not there: RuntimeError if no mirror has one."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for filename, md5 in self.resources:
            self._download_from_mirrors(filename, md5)

    def _download_from_mirrors(self, filename: str, md5: str) -> None:
        last: Exception | None = None
        for mirror in self.mirrors:
            url = f"{mirror}{filename}"
            try:
                print(f"Downloading {url}")
                _downloads().download_and_extract_archive(
                    url, self.raw_folder, filename=filename, md5=md5
                )
            except (OSError, RuntimeError) as error:
                if _downloads().is_local_trouble(error):
                    raise  # such as a full disk
                print(f"Failed to download (trying next):\n{error}")
                last = error
            else:
                return
            finally:
                print()
        raise RuntimeError(f"Error downloading {filename}") from last

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """Pictures of articles of Zalando: 60,000 to train and 10,000 to test, 28x28, grey.

    As :class:`MNIST`, in ``root/FashionMNIST/raw``; before downloading, Debian's folder
    (``/usr/share/datasets/fashion-mnist``, from ``dataset-fashion-mnist``) is looked in.
    """

    mirrors = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    system_folders = ("/usr/share/datasets/fashion-mnist",)
    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """Cursive Japanese characters (Kuzushiji-MNIST): as :class:`MNIST`."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


_CHARACTERS = sorted(string.digits + string.ascii_letters)
_MERGED = sorted(set(_CHARACTERS) - set("cijklmopsuvwxyz"))  # alike in both cases: only one


class EMNIST(MNIST):
    """Handwritten letters and digits, in six splits: as :class:`MNIST`.

    Args:
        split: "byclass", "bymerge", "balanced", "letters", "digits" or "mnist".
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict = {
        "byclass": _CHARACTERS,
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: Any, split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        self.training_file = f"training_{split}.pt"
        self.test_file = f"test_{split}.pt"
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    def _names(self) -> tuple[str, str]:
        prefix = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"

    def _check_exists(self) -> bool:
        return all(self._file(name) for name in self._names())

    def download(self) -> None:
        """Downloads and unpacks the files of all splits if those of this one are not there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        utils = _downloads()
        utils.download_and_extract_archive(self.url, self.raw_folder, md5=self.md5)
        folder = os.path.join(self.raw_folder, "gzip")
        for name in sorted(os.listdir(folder)):
            if name.endswith(".gz"):
                utils.extract_archive(os.path.join(folder, name), self.raw_folder)
        utils.shutil.rmtree(folder)


_QMNIST_URL = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """MNIST rebuilt from its source, with all 60,000 test digits and more about each.

    Args:
        what: "train", "test", "test10k", "test50k" or "nist"; default: by ``train``.
        compat: targets are labels; False: int64 tensors with all that is known.
    """

    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test",
               "nist": "nist"}  # fmt: skip
    resources = {
        "train": [
            (_QMNIST_URL + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (_QMNIST_URL + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (_QMNIST_URL + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (_QMNIST_URL + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (_QMNIST_URL + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (_QMNIST_URL + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(
        self,
        root: Any,
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        if what is None:
            what = "train" if train else "test"
        self.what = verify_str_arg(what, "what", tuple(self.subsets))
        self.compat = compat
        self.data_file = self.training_file = self.test_file = what + ".pt"
        super().__init__(root, train, **kwargs)

    def _urls(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = self.resources[self.subsets[self.what]]
        return found

    def _names(self) -> tuple[str, str]:
        images, labels = [os.path.splitext(os.path.basename(url))[0] for url, _ in self._urls()]
        return images, labels

    def _check_exists(self) -> bool:
        return all(self._file(name) for name in self._names())

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, labels = [self._file(name) for name in self._names()]
        data = read_image_file(images)
        numbers = read_sn3_pascalvincent_tensor(labels)
        if numbers.ndim != 2:
            raise ValueError(f"targets should have 2 dimensions instead of {numbers.ndim}")
        part = {"test10k": slice(0, 10000), "test50k": slice(10000, None)}.get(self.what)
        pictures, targets = data._array, numbers._array.astype(dtypes.int64.np)
        if part is not None:
            pictures, targets = pictures[part].copy(), targets[part].copy()
        return wrap(pictures), wrap(targets)

    def download(self) -> None:
        """Downloads the files of this part if they are not there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for url, md5 in self._urls():
            _downloads().download_and_extract_archive(url, self.raw_folder, md5=md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = self.data[index], self.targets[index]
        picture = _pil.from_array(image.numpy())
        if self.transform is not None:
            picture = self.transform(picture)
        if self.compat:
            target = int(target[0])
        if self.target_transform is not None:
            target = self.target_transform(target)
        return picture, target

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.what}"
