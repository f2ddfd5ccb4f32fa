"""The data sets of ``rushlight train``, and where they are looked for."""

import os
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from rushlight.base.config import config
from rushlight.utils.data import Dataset, Subset
from rushlight.vision import datasets, transforms

NAMES = ("fashion-mnist", "mnist", "kmnist", "emnist", "cifar10", "fake", "folder")
_CLASSES: dict[str, Any] = {
    "fashion-mnist": datasets.FashionMNIST,
    "mnist": datasets.MNIST,
    "kmnist": datasets.KMNIST,
    "cifar10": datasets.CIFAR10,
}
# Mean and standard deviation of the training sets' pixels.
_STATISTICS = {
    "fashion-mnist": ((0.2860,), (0.3530,)),
    "mnist": ((0.1307,), (0.3081,)),
    "kmnist": ((0.1918,), (0.3483,)),
    "emnist": ((0.1751,), (0.3332,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
FOLDER_SIZE = 64  # pictures of a folder of one's own are brought to this size


class DataError(Exception):
    """The data cannot be had; the text says why, for the user."""


class Data:
    """A training and a test set and what is known about them."""

    def __init__(self, name: str, train: Any, test: Any, classes: list[str], origin: str) -> None:
        self.name = name
        self.train = train
        self.test = test
        self.classes = classes
        self.origin = origin  # where it was found


def default_folder() -> str:
    """Where data sets are downloaded to."""
    return os.path.join(config.cache_dir, "data")


def shape_of(name: str) -> tuple[int, int, int]:
    """Channels, height and width of the pictures."""
    if name in ("cifar10", "fake"):
        return 3, 32, 32
    if name == "folder":
        return 3, FOLDER_SIZE, FOLDER_SIZE
    return 1, 28, 28


def transform_for(name: str, size: int | None, channels: int) -> Any:
    """What turns a picture into the tensor that a model takes.

    Args:
        name: of the data set.
        size: of the side of the picture; None: as it is.
        channels: of the tensor; grey pictures are repeated.
    """
    own, height, width = shape_of(name)
    mean, std = _STATISTICS.get(name, _HALF)
    steps: list[Any] = []
    if name == "folder":
        steps.append(transforms.Resize((size or height, size or width)))
    elif size is not None and size != height:
        steps.append(transforms.Resize((size, size)))
    if channels != own:
        steps.append(transforms.Grayscale(channels))
        mean, std = mean * channels, std * channels
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])


def load(name: str, folder: str | None, transform: Any, say: Callable[[str], None]) -> Data:
    """The data set; downloaded if it is nowhere to be found.

    Args:
        name: one of ``NAMES``.
        folder: looked in first; None: rushlight's own folder.
        transform: for the pictures.
        say: shows a line to the user.

    Raises DataError.
    """
    if name == "fake":
        made = [datasets.FakeData(n, (3, 32, 32), 10, transform, random_offset=offset)
                for n, offset in ((2000, 0), (500, 2000))]  # fmt: skip
        return Data(name, *made, [str(i) for i in range(10)], "made up at random")
    if name == "folder":
        return _folder(folder, transform)
    return _known(name, folder, transform, say)


def _make(name: str, root: str, train: bool, transform: Any, download: bool) -> Any:
    options = {"train": train, "transform": transform, "download": download}
    if name == "emnist":
        return datasets.EMNIST(root, "balanced", **options)
    return _CLASSES[name](root, **options)


def _pair(name: str, root: str, transform: Any, download: bool = False) -> Data | None:
    """Both sets, or None if they are not in ``root`` (nor in the system's folder)."""
    if not download and os.path.isdir(root) and _holds_files(root):
        root = _link_free(name, root)
    try:
        train = _make(name, root, True, transform, download)
        test = _make(name, root, False, transform, download)
    except RuntimeError as error:
        if not download and "not found" in str(error):
            return None
        raise
    return Data(name, train, test, list(train.classes), root)


def _holds_files(root: str) -> bool:
    return any("-images-idx3-ubyte" in entry for entry in os.listdir(root))


def _link_free(name: str, root: str) -> str:
    """The folder to give to the data set's class when ``root`` itself holds the files."""
    parts = os.path.normpath(os.path.abspath(root)).split(os.sep)
    kind = "EMNIST" if name == "emnist" else _CLASSES[name].__name__
    if parts[-2:] == [kind, "raw"]:
        return os.sep.join(parts[:-2]) or os.sep
    raise DataError(f"the files of {kind} must be in DIR/{kind}/raw, for --data DIR")


def _known(name: str, folder: str | None, transform: Any, say: Callable[[str], None]) -> Data:
    root = folder or default_folder()
    found = _pair(name, root, transform)
    if found is not None:
        return found
    if folder is not None and not os.path.isdir(folder):
        raise DataError(f"there is no folder {folder}")
    problem = _unreachable(name)
    if problem is None:
        try:
            say(f"downloading {name} to {root}")
            downloaded = _pair(name, root, transform, download=True)
            if downloaded is not None:
                return downloaded
        except (RuntimeError, OSError) as error:
            problem = str(error).splitlines()[0]
    if name != "fashion-mnist":
        raise DataError(f"{name} is not in {root} and cannot be downloaded: {problem}")
    say(f"Fashion-MNIST is not in {root} and cannot be downloaded ({problem}); "
        "using the 6,000 + 1,000 pictures that come with rushlight")  # fmt: skip
    sets = [datasets.FashionMNISTSubset(train=t, transform=transform) for t in (True, False)]
    return Data(name, *sets, list(datasets.FashionMNIST.classes), "part of the package")


def _unreachable(name: str) -> str | None:
    """Why no mirror can be reached; None if one can, or if a proxy has to be asked."""
    if getproxies():
        return None
    kind = datasets.EMNIST if name == "emnist" else _CLASSES[name]
    places = getattr(kind, "mirrors", None) if name not in ("emnist", "cifar10") else [kind.url]
    problem = "no mirror"
    for place in places or []:
        address = urlsplit(place)
        port = address.port or (443 if address.scheme == "https" else 80)
        try:
            socket.create_connection((str(address.hostname), port), timeout=3).close()
        except OSError as error:
            problem = f"{address.hostname}: {error.strerror or error}"
        else:
            return None
    return problem


def _folder(folder: str | None, transform: Any) -> Data:
    """Pictures in one folder per class, perhaps below ``train`` and ``test``."""
    if folder is None:
        raise DataError("--dataset folder needs --data DIR: one folder of pictures for each class")
    if not os.path.isdir(folder):
        raise DataError(f"there is no folder {folder}")
    split = next((s for s in ("test", "val", "valid") if os.path.isdir(f"{folder}/{s}")), None)
    try:
        if split and os.path.isdir(f"{folder}/train"):
            train: Dataset = datasets.ImageFolder(f"{folder}/train", transform)
            test: Dataset = datasets.ImageFolder(f"{folder}/{split}", transform)
            classes = list(train.classes)  # type: ignore[attr-defined]
            if classes != list(test.classes):  # type: ignore[attr-defined]
                raise DataError(f"{folder}/train and {folder}/{split} have different classes")
            return Data("folder", train, test, classes, folder)
        whole = datasets.ImageFolder(folder, transform)
    except FileNotFoundError as error:
        raise DataError(str(error)) from None
    # every fifth picture is for the test, whatever the seed
    kept = [i for i in range(len(whole)) if i % 5 != 4]
    held = [i for i in range(len(whole)) if i % 5 == 4]
    if not held:
        raise DataError(f"{folder} has fewer than five pictures")
    return Data("folder", Subset(whole, kept), Subset(whole, held), list(whole.classes), folder)
