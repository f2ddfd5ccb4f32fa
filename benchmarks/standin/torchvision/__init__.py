"""What the benchmarks and the recorded logs need of torchvision, where it is not installed."""

from torchvision import datasets, models, transforms

__all__ = ["datasets", "models", "transforms"]
