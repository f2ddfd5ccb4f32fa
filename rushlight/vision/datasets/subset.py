"""The small part of Fashion-MNIST that the package carries: for trying things without a network."""

import os
from collections.abc import Callable
from typing import Any

from rushlight.vision.datasets.mnist import FashionMNIST

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_subset")


class FashionMNISTSubset(FashionMNIST):
    """The first 600 training and 100 test pictures of each class of Fashion-MNIST.

    They come in the order of the full data set. The licence (MIT, Zalando SE) and the source are
    beside the files.

    Examples::

        >>> from rushlight.vision.datasets import FashionMNISTSubset
        >>> len(FashionMNISTSubset()), len(FashionMNISTSubset(train=False))
        (6000, 1000)
    """

    system_folders: tuple[str, ...] = ()

    def __init__(
        self,
        root: Any = FOLDER,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, train, transform, target_transform)

    @property
    def raw_folder(self) -> str:
        """Where the files are."""
        return os.fspath(self.root)
