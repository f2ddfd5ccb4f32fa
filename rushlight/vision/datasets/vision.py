"""What all data sets of pictures share."""

import os
from collections.abc import Callable
from typing import Any

from rushlight.utils.data.dataset import Dataset


class VisionDataset(Dataset):
    """The base of data sets of pictures: a folder, transforms and a printed form.

    Args:
        root: the folder.
        transforms: takes a sample and its target, returns both; instead of the next two.
        transform: takes the picture.
        target_transform: takes the target.
    """

    _repr_indent = 4

    def __init__(
        self,
        root: Any = None,
        transforms: Callable[..., Any] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                "Only transforms or transform/target_transform can be passed as argument"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.transforms: Any = transforms
        if separate:
            self.transforms = StandardTransform(transform, target_transform)

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            body.append(repr(self.transforms))
        indent = " " * self._repr_indent
        return "\n".join([f"Dataset {type(self).__name__}", *[indent + line for line in body]])

    def extra_repr(self) -> str:
        """More lines of the printed form."""
        return ""

    def _apply(self, image: Any, target: Any) -> tuple[Any, Any]:
        """The sample after ``transform`` and ``target_transform``."""
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target


class StandardTransform:
    """A transform for the picture and one for the target."""

    def __init__(self, transform: Any = None, target_transform: Any = None) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, transform in (
            ("Transform: ", self.transform),
            ("Target transform: ", self.target_transform),
        ):
            if transform is not None:
                first, *rest = repr(transform).splitlines()
                lines += [head + first, *[" " * len(head) + line for line in rest]]
        return "\n".join(lines)
