"""Distributions of integers and classes."""

import math
from functools import cached_property
from typing import Any, ClassVar

from rushlight.autograd.modes import no_grad
from rushlight.base.typeinfo import finfo
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution, broadcast_all
from rushlight.ops._late import late


def _clamped(probs: Any) -> Any:
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def _logits(probs: Any) -> Any:
    p = _clamped(probs)
    return late.log(p) - late.log1p(-p)


def _negative_log_likelihood(logits: Any, target: Any) -> Any:
    positive = logits.clamp(min=0)
    return positive - logits * target + late.log1p(late.exp(-logits.abs()))


def _one_of(probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class _Binary(Distribution):
    """What has the probability of an event, as ``probs`` or as ``logits``."""

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        _one_of(probs, logits)
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
            shape = self.probs.shape
        else:
            (self.logits,) = broadcast_all(logits)
            shape = self.logits.shape
        super().__init__(shape, (), validate_args)

    @cached_property
    def logits(self) -> Any:
        """log(p / (1 - p))."""
        return _logits(self.probs)

    @cached_property
    def probs(self) -> Any:
        """The probability."""
        return late.sigmoid(self.logits)


class Bernoulli(_Binary):
    """0 or 1.

    Args:
        probs: the probability of 1.
        logits: its logit, instead.

    Examples::

        >>> torch.distributions.Bernoulli(torch.tensor([0.3])).log_prob(torch.ones(1))
        tensor([-1.2040])
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.boolean

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.probs

    @property
    def mode(self) -> Any:
        """The most probable value; NaN for equal chances."""
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return mode.masked_fill(self.probs == 0.5, math.nan)

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.probs * (1 - self.probs)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._batch_shape

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws."""
        with no_grad():
            return late.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -_negative_log_likelihood(logits, value)

    def entropy(self) -> Any:
        """The entropy."""
        return _negative_log_likelihood(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Any:
        """0 and 1."""
        values = late.arange(2, dtype=self.probs.dtype).view(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class Geometric(_Binary):
    """The number of failures before the first success.

    Args:
        probs: the probability of success.
        logits: its logit, instead.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    @property
    def mean(self) -> Any:
        """The mean."""
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Any:
        """0."""
        return late.zeros_like(self.probs)

    @property
    def variance(self) -> Any:
        """The variance."""
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            tiny = finfo(self.probs.dtype).tiny
            u = self.probs.new_empty(shape).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        return value * (-probs).log1p() + probs.log()

    def entropy(self) -> Any:
        """The entropy."""
        return _negative_log_likelihood(self.logits, self.probs) / self.probs


class Categorical(Distribution):
    """One of several classes, along the last dimension of the parameter.

    Args:
        probs: weights, which are divided by their sum.
        logits: their logarithms, instead.

    Examples::

        >>> classes = torch.distributions.Categorical(torch.tensor([0.25, 0.25, 0.5]))
        >>> classes.log_prob(torch.tensor(2))
        tensor(-0.6931)
        >>> classes.entropy()
        tensor(1.0397)
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        _one_of(probs, logits)
        given = probs if probs is not None else logits
        if given.dim() < 1:
            name = "probs" if probs is not None else "logits"
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], (), validate_args)

    @cached_property
    def logits(self) -> Any:
        """The logarithms of the probabilities."""
        return late.log(_clamped(self.probs))

    @cached_property
    def probs(self) -> Any:
        """The probabilities."""
        return late.softmax(self.logits, -1)

    @property
    def support(self) -> Any:  # type: ignore[override]
        """The numbers of the classes."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return (self.__dict__.get("probs") if "probs" in self.__dict__ else self.logits).shape  # type: ignore[union-attr]

    @property
    def mean(self) -> Any:
        """NaN: classes have no mean."""
        return late.full(self._extended_shape(), math.nan, dtype=self.probs.dtype)

    @property
    def mode(self) -> Any:
        """The most probable class."""
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Any:
        """NaN."""
        return late.full(self._extended_shape(), math.nan, dtype=self.probs.dtype)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws: the numbers of classes."""
        count = math.prod(sample_shape)
        with no_grad():
            flat = self.probs.reshape(-1, self._num_events)
            drawn = late.multinomial(flat, count, True).T
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        value = value.long().unsqueeze(-1)
        value, logits = late.broadcast_tensors(value, self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Any:
        """The entropy."""
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        """All classes."""
        values = late.arange(self._num_events).view(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class OneHotCategorical(Distribution):
    """:class:`Categorical` with draws as vectors of zeros and a one."""

    support = constraints.one_hot

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        shape = self._categorical.param_shape
        super().__init__(self._categorical.batch_shape, shape[-1:], validate_args)

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def mean(self) -> Any:
        """The probabilities."""
        return self.probs

    @property
    def mode(self) -> Any:
        """The most probable class."""
        return self._hot(self._categorical.mode)

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.probs * (1 - self.probs)

    def _hot(self, index: Any) -> Any:
        zeros = late.zeros(*index.shape, *self._event_shape, dtype=self.probs.dtype)
        return zeros.scatter(-1, index.unsqueeze(-1), 1.0)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws."""
        return self._hot(self._categorical.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self) -> Any:
        """The entropy."""
        return self._categorical.entropy()


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """The same; the gradients of draws are those of the probabilities."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Poisson(Distribution):
    """The number of events at a rate.

    Args:
        rate: the mean.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.rate

    @property
    def mode(self) -> Any:
        """The most probable number."""
        return self.rate.floor()

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws."""
        with no_grad():
            return late.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()
