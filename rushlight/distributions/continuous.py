"""Distributions of real numbers."""

import math
from typing import Any, ClassVar

from rushlight.base.typeinfo import finfo
from rushlight.distributions import constraints
from rushlight.distributions.distribution import EULER, LOG_2PI, Distribution, broadcast_all
from rushlight.ops._late import late


class _LocationScale(Distribution):
    """What has ``loc`` and ``scale``."""

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc

    @property
    def mode(self) -> Any:
        """The most probable value."""
        return self.loc

    def _standard(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return (value - self.loc) / self.scale


class Normal(_LocationScale):
    """The normal distribution.

    Args:
        loc: the mean.
        scale: the standard deviation.

    Examples::

        >>> normal = torch.distributions.Normal(torch.tensor([0.]), torch.tensor([1.]))
        >>> normal.sample()
        tensor([1.5410])
        >>> normal.log_prob(torch.zeros(1))
        tensor([-0.9189])
    """

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.scale

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.scale.pow(2)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws, without gradients."""
        shape = self._extended_shape(sample_shape)
        return late.normal(self.loc.detach().expand(shape), self.scale.detach().expand(shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that depend differentiably on the parameters."""
        eps = late.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + eps * self.scale

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        var = self.scale**2
        return -((value - self.loc) ** 2) / (2 * var) - self.scale.log() - LOG_2PI / 2

    def cdf(self, value: Any) -> Any:
        """The probability of at most ``value``."""
        return 0.5 * (1 + late.erf(self._standard(value) / math.sqrt(2)))

    def icdf(self, value: Any) -> Any:
        """The inverse of :meth:`cdf`."""
        return self.loc + self.scale * late.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Any:
        """The entropy."""
        return 0.5 + 0.5 * LOG_2PI + late.log(self.scale)


class LogNormal(Distribution):
    """The exponential of a normal distribution.

    Args:
        loc, scale: mean and standard deviation of the logarithm.
    """

    support = constraints.positive
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.base_dist = Normal(loc, scale, validate_args)
        super().__init__(self.base_dist.batch_shape, (), validate_args)

    @property
    def loc(self) -> Any:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Any:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Any:
        """The mean."""
        return (self.loc + self.scale.pow(2) / 2).exp()

    @property
    def mode(self) -> Any:
        """The most probable value."""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Any:
        """The variance."""
        square = self.scale.pow(2)
        return square.expm1() * (2 * self.loc + square).exp()

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws, without gradients."""
        return self.base_dist.sample(sample_shape).exp()

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that depend differentiably on the parameters."""
        return self.base_dist.rsample(sample_shape).exp()

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        x = value.log()
        return self.base_dist.log_prob(x) - x

    def cdf(self, value: Any) -> Any:
        """The probability of at most ``value``."""
        return self.base_dist.cdf(value.log())

    def entropy(self) -> Any:
        """The entropy."""
        return self.base_dist.entropy() + self.loc

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        base = self.base_dist.expand(batch_shape)
        return LogNormal(base.loc, base.scale, self._validate_args)


class HalfNormal(Distribution):
    """The absolute value of a normal distribution with mean 0.

    Args:
        scale: the standard deviation of the normal distribution.
    """

    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        self.base_dist = Normal(0, scale, validate_args=False)
        super().__init__(self.base_dist.batch_shape, (), validate_args)

    @property
    def scale(self) -> Any:
        """The standard deviation of the normal distribution."""
        return self.base_dist.scale

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def mode(self) -> Any:
        """0."""
        return late.zeros_like(self.scale)

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.scale.pow(2) * (1 - 2 / math.pi)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws, without gradients."""
        return self.base_dist.sample(sample_shape).abs()

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that depend differentiably on the parameters."""
        return self.base_dist.rsample(sample_shape).abs()

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        found = self.base_dist.log_prob(value) + math.log(2)
        return late.where(value >= 0, found, -math.inf)

    def cdf(self, value: Any) -> Any:
        """The probability of at most ``value``."""
        return 2 * self.base_dist.cdf(value) - 1

    def entropy(self) -> Any:
        """The entropy."""
        return self.base_dist.entropy() - math.log(2)


class Laplace(_LocationScale):
    """The Laplace distribution. Args: ``loc``, ``scale``."""

    @property
    def variance(self) -> Any:
        """The variance."""
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that depend differentiably on the parameters."""
        shape = self._extended_shape(sample_shape)
        u = self.loc.detach().new_empty(shape).uniform_(finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * late.log1p(-u.abs())

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density."""
        return -late.log(2 * self.scale) - self._standard(value).abs()

    def cdf(self, value: Any) -> Any:
        """The probability of at most ``value``."""
        z = self._standard(value)
        return 0.5 - 0.5 * z.sign() * late.expm1(-z.abs())

    def entropy(self) -> Any:
        """The entropy."""
        return 1 + late.log(2 * self.scale)


class Gumbel(_LocationScale):
    """The Gumbel distribution. Args: ``loc``, ``scale``."""

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc + self.scale * EULER

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.stddev.pow(2)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that depend differentiably on the parameters."""
        info = finfo(self.loc.dtype)
        shape = self._extended_shape(sample_shape)
        u = late.empty(shape, dtype=self.loc.dtype).uniform_(info.tiny, 1 - info.eps)
        return self.loc - self.scale * (-u.log()).log()

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density."""
        y = -self._standard(value)
        return (y - y.exp()) - self.scale.log()

    def cdf(self, value: Any) -> Any:
        """The probability of at most ``value``."""
        return (-(-self._standard(value)).exp()).exp()

    def entropy(self) -> Any:
        """The entropy."""
        return self.scale.log() + (1 + EULER)


class Cauchy(_LocationScale):
    """The Cauchy distribution, which has no mean. Args: ``loc``, ``scale``."""

    @property
    def mean(self) -> Any:
        """NaN."""
        return late.full(self._extended_shape(), math.nan, dtype=self.loc.dtype)

    @property
    def variance(self) -> Any:
        """Infinity."""
        return late.full(self._extended_shape(), math.inf, dtype=self.loc.dtype)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that depend differentiably on the parameters."""
        eps = self.loc.detach().new_empty(self._extended_shape(sample_shape)).cauchy_()
        return self.loc + eps * self.scale

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density."""
        return -math.log(math.pi) - self.scale.log() - (self._standard(value) ** 2).log1p()

    def cdf(self, value: Any) -> Any:
        """The probability of at most ``value``."""
        return late.atan(self._standard(value)) / math.pi + 0.5

    def entropy(self) -> Any:
        """The entropy."""
        return math.log(4 * math.pi) + self.scale.log()


class Exponential(Distribution):
    """The exponential distribution.

    Args:
        rate: one over the mean.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.rate.reciprocal()

    @property
    def mode(self) -> Any:
        """0."""
        return late.zeros_like(self.rate)

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.rate.reciprocal()

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that depend differentiably on the parameters."""
        shape = self._extended_shape(sample_shape)
        return self.rate.detach().new_empty(shape).exponential_() / self.rate

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Any) -> Any:
        """The probability of at most ``value``."""
        return 1 - late.exp(-self.rate * value)

    def icdf(self, value: Any) -> Any:
        """The inverse of :meth:`cdf`."""
        return -late.log1p(-value) / self.rate

    def entropy(self) -> Any:
        """The entropy."""
        return 1.0 - late.log(self.rate)


class Uniform(Distribution):
    """Evenly distributed numbers from ``low`` to ``high``."""

    arg_constraints: ClassVar[dict[str, Any]] = {"low": constraints.real, "high": constraints.real}
    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, (), validate_args)
        if self._validate_args and not bool(late.lt(self.low, self.high).all()):
            raise ValueError("Uniform is not defined when low>= high")

    @property
    def support(self) -> Any:  # type: ignore[override]
        """From ``low`` to ``high``."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Any:
        """The mean."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Any:
        """NaN: there is none."""
        return math.nan * self.high

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Any:
        """The variance."""
        return (self.high - self.low).pow(2) / 12

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that depend differentiably on the limits."""
        u = late.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        inside = self.low.le(value).type_as(self.low) * self.high.gt(value).type_as(self.low)
        return late.log(inside) - late.log(self.high - self.low)

    def cdf(self, value: Any) -> Any:
        """The probability of at most ``value``."""
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Any) -> Any:
        """The inverse of :meth:`cdf`."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Any:
        """The entropy."""
        return late.log(self.high - self.low)
