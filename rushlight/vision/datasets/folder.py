"""Data sets in folders, one for each class."""

import os
from collections.abc import Callable
from typing import Any

from rushlight.vision import _pil
from rushlight.vision.datasets.vision import VisionDataset

IMG_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
)  # fmt: skip


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether the name ends in one of these extensions, in whatever case."""
    wanted = (extensions,) if isinstance(extensions, str) else tuple(extensions)
    return filename.lower().endswith(wanted)


def is_image_file(filename: str) -> bool:
    """Whether the name is that of a picture."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: Any) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in a folder, sorted, and their numbers.

    Raises FileNotFoundError if there are none.
    """
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: Any,
    class_to_idx: dict[str, int] | None = None,
    extensions: Any = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """The files below each class's folder, as (path, number of the class), sorted.

    Args:
        extensions: which files count, by the end of their name; or
        is_valid_file: a function of the path. One of the two must be given.
        allow_empty: whether a class may have no file; otherwise FileNotFoundError.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "Both extensions and is_valid_file cannot be None or not None at the same time"
        )
    found: list[tuple[str, int]] = []
    empty = set(class_to_idx)
    for name in sorted(class_to_idx):
        folder = os.path.join(directory, name)
        for path in _files_below(folder):
            valid = is_valid_file(path) if is_valid_file is not None else (
                has_file_allowed_extension(path, extensions)
            )  # fmt: skip
            if valid:
                found.append((path, class_to_idx[name]))
                empty.discard(name)
    if empty and not allow_empty:
        message = f"Found no valid file for the classes {', '.join(sorted(empty))}. "
        if extensions is not None:
            wanted = extensions if isinstance(extensions, str) else ", ".join(extensions)
            message += f"Supported extensions are: {wanted}"
        raise FileNotFoundError(message)
    return found


def _files_below(folder: str) -> list[str]:
    walk = sorted(os.walk(folder, followlinks=True))
    return [os.path.join(root, name) for root, _, names in walk for name in sorted(names)]


class DatasetFolder(VisionDataset):
    """Samples in ``root/class_name/anything.ext``.

    Args:
        root: the folder.
        loader: reads a sample, given its path.
        extensions: which files count; or
        is_valid_file: a function of the path.
        transform, target_transform: take the sample and the number of its class.
        allow_empty: whether a class may have no file.

    Attributes: ``classes`` (names), ``class_to_idx``, ``samples`` ((path, class) pairs), ``targets``.
    """

    def __init__(
        self,
        root: Any,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root, self.class_to_idx, extensions, is_valid_file, allow_empty=allow_empty
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: Any,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The samples; to be overridden where files are chosen differently."""
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
        """The classes; to be overridden where they are found differently."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._apply(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


def pil_loader(path: str) -> Any:
    """A picture file as an RGB Pillow image."""
    with open(path, "rb") as f:
        return _pil.image_module().open(f).convert("RGB")


def default_loader(path: str) -> Any:
    """The loader of ``ImageFolder``."""
    return pil_loader(path)


class ImageFolder(DatasetFolder):
    """Pictures in ``root/class_name/picture.png``: see :class:`DatasetFolder`.

    ``imgs`` is another name of ``samples``.
    """

    def __init__(
        self,
        root: Any,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples
