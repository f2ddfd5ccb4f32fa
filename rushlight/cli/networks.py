"""The models of ``rushlight train``."""

from typing import Any

from rushlight import nn
from rushlight.vision import models

NAMES = ("mlp", "cnn", "alexnet", "vgg16", "resnet18")
# The side of the pictures that torchvision's models are given here: the least they work well with.
SIZES = {"alexnet": 64, "vgg16": 32, "resnet18": 32}


def input_of(name: str, shape: tuple[int, int, int]) -> tuple[int, int | None]:
    """The channels and the size that a model takes, for pictures of a shape."""
    if name in SIZES:
        return 3, max(SIZES[name], shape[1])
    return shape[0], None


def build(name: str, shape: tuple[int, int, int], classes: int) -> Any:
    """A new model.

    Args:
        name: one of ``NAMES``.
        shape: channels, height and width of the data set's pictures.
        classes: the number of classes.
    """
    if name == "mlp":
        return mlp(shape, classes)
    if name == "cnn":
        return cnn(shape, classes)
    return getattr(models, name)(num_classes=classes)


def mlp(shape: tuple[int, int, int], classes: int) -> Any:
    """Three linear layers with ReLU between them."""
    channels, height, width = shape
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * height * width, 512),
        nn.ReLU(),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Linear(512, classes),
    )


def cnn(shape: tuple[int, int, int], classes: int) -> Any:
    """Two convolutions with pooling, then two linear layers with dropout."""
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (height // 4) * (width // 4), 128),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(128, classes),
    )
