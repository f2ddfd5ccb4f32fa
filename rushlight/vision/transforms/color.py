"""Transforms that change values: colours, contrast, blur, erasing."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor
from rushlight.nn.modules.module import Module
from rushlight.ops.creation import empty, tensor
from rushlight.ops.random import rand, randint, randperm
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._setup import size_of, uniform


def _jitter_range(
    value: Any,
    name: str,
    center: float = 1,
    bound: tuple[float, float] = (0, math.inf),
    from_zero: bool = True,
) -> tuple[float, float] | None:
    """The range of a factor; None if nothing is to change."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        limits = [center - float(value), center + float(value)]
        if from_zero:
            limits[0] = max(limits[0], 0.0)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        limits = [float(value[0]), float(value[1])]
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= limits[0] <= limits[1] <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {limits}.")
    return None if limits[0] == limits[1] == center else (limits[0], limits[1])


class ColorJitter(Module):
    """Random brightness, contrast, saturation and hue, in random order.

    Args:
        brightness, contrast, saturation: the range of the factor, or one number x: from
            ``max(0, 1 - x)`` to ``1 + x``.
        hue: the range of the shift, or one number: from minus it to it; within -0.5 and 0.5.
    """

    def __init__(
        self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0
    ) -> None:
        super().__init__()
        self.brightness = _jitter_range(brightness, "brightness")
        self.contrast = _jitter_range(contrast, "contrast")
        self.saturation = _jitter_range(saturation, "saturation")
        self.hue = _jitter_range(hue, "hue", 0, (-0.5, 0.5), from_zero=False)

    @staticmethod
    def get_params(
        brightness: Any, contrast: Any, saturation: Any, hue: Any
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """The order of the four, and their factors."""
        order = randperm(4)
        ranges = (brightness, contrast, saturation, hue)
        b, c, s, h = [None if r is None else uniform(r[0], r[1]) for r in ranges]
        return order, b, c, s, h

    def forward(self, img: Any) -> Any:
        """The picture with other colours."""
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        steps = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = steps[i](img, factors[i])
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class Grayscale(Module):
    """Without colour, in 1 or 3 channels."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        """The grey picture."""
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class _WithProbability(Module):
    """A change that happens with probability ``p``."""

    _arguments: tuple[str, ...] = ()

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def change(self, img: Any) -> Any:
        """The changed picture."""
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        """The picture, changed or not."""
        return self.change(img) if rand(1).item() < self.p else img

    def __repr__(self) -> str:
        arguments = [f"{name}={getattr(self, name)}" for name in (*self._arguments, "p")]
        return f"{type(self).__name__}({','.join(arguments)})"


class RandomGrayscale(_WithProbability):
    """Without colour (the number of channels stays), with probability ``p``."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        """The grey picture."""
        return F.rgb_to_grayscale(img, F.get_image_num_channels(img))

    def forward(self, img: Any) -> Any:
        """The picture, grey or not."""
        return self.change(img) if rand(1) < self.p else img


class RandomInvert(_WithProbability):
    """The negative, with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        """The negative."""
        return F.invert(img)


class RandomPosterize(_WithProbability):
    """Only the highest ``bits`` of each value, with probability ``p``."""

    _arguments = ("bits",)

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, img: Any) -> Any:
        """The picture with fewer values."""
        return F.posterize(img, self.bits)


class RandomSolarize(_WithProbability):
    """The negative of values from ``threshold`` on, with probability ``p``."""

    _arguments = ("threshold",)

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        """The solarized picture."""
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_WithProbability):
    """Sharper or softer, with probability ``p``."""

    _arguments = ("sharpness_factor",)

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        """The picture, sharper or softer."""
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_WithProbability):
    """The values spread over the whole range, with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        """The picture with full contrast."""
        return F.autocontrast(img)


class RandomEqualize(_WithProbability):
    """The values made equally frequent, with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        """The equalized picture."""
        return F.equalize(img)


class GaussianBlur(Module):
    """Blurred, by a random width.

    Args:
        kernel_size: odd numbers (x, y), or one for both.
        sigma: the range of the standard deviation, or one number.
    """

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = size_of(
            kernel_size, "Kernel size should be a tuple/list of two integers"
        )
        if any(k <= 0 or k % 2 == 0 for k in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, (int, float)):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The standard deviation."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        """The blurred picture."""
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class RandomErasing(Module):
    """A random rectangle of a tensor erased, with probability ``p``.

    Args:
        scale: the range of its area, as a share of the picture's.
        ratio: the range of height / width.
        value: a number, one for each channel, or "random".
        inplace: change the tensor itself.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Any = None
    ) -> tuple[int, int, int, int, Tensor]:
        """(top, left, height, width, values) of the rectangle."""
        channels, height, width = img.shape[-3:]
        log_ratio = np.log(np.array(ratio, np.float32))
        for _ in range(10):
            area = height * width * uniform(scale[0], scale[1])
            drawn = tensor([uniform(float(log_ratio[0]), float(log_ratio[1]))])
            aspect = drawn.exp().item()
            h = round(math.sqrt(area * aspect))
            w = round(math.sqrt(area / aspect))
            if not (h < height and w < width):
                continue
            if value is None:
                v = empty([channels, h, w], dtype=img.dtype).normal_()
            else:
                v = tensor(value, dtype=img.dtype)[:, None, None]
            i = int(randint(0, height - h + 1, size=(1,)).item())
            j = int(randint(0, width - w + 1, size=(1,)).item())
            return i, j, h, w, v
        return 0, 0, height, width, img

    def forward(self, img: Tensor) -> Tensor:
        """The picture, with or without the hole."""
        if not rand(1) < self.p:
            return img
        value: Any
        if isinstance(self.value, (int, float)):
            value = [float(self.value)]
        elif isinstance(self.value, str):
            value = None
        else:
            value = [float(v) for v in self.value]
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{img.shape[-3]} (number of input channels)"
            )
        x, y, h, w, v = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, x, y, h, w, v, self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
