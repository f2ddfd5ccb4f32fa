"""Random pictures, to try programs on."""

from collections.abc import Callable
from typing import Any

from rushlight.core.generator import default_generator
from rushlight.ops.random import randint, randn
from rushlight.vision.datasets.vision import VisionDataset
from rushlight.vision.transforms.functional import to_pil_image


class FakeData(VisionDataset):
    """Pictures of random pixels with random labels; each index always gives the same sample.

    Args:
        size: how many.
        image_size: (channels, height, width).
        num_classes: how many labels.
        random_offset: added to the index to seed the generator.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, ...] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        before = default_generator.get_state()
        default_generator.manual_seed(index + self.random_offset)
        image = randn(*self.image_size)
        target = randint(0, self.num_classes, size=(1,))[0]
        default_generator.set_state(before)
        picture, target = self._apply(to_pil_image(image), target)
        return picture, target.item()

    def __len__(self) -> int:
        return self.size
