"""The Kullback-Leibler divergence, by pairs of distributions."""

import math
from collections.abc import Callable
from typing import Any

from rushlight.distributions import continuous, discrete, multivariate
from rushlight.distributions.distribution import Distribution
from rushlight.ops import linalg_solve
from rushlight.ops._late import late

_RULES: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}
Rule = Callable[[Any, Any], Any]


def register_kl(type_p: type, type_q: type) -> Callable[[Rule], Rule]:
    """A decorator: the function computes the divergence of ``type_q`` from ``type_p``."""

    def decorate(function: Rule) -> Rule:
        _RULES[type_p, type_q] = function
        return function

    return decorate


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    r"""The divergence :math:`\int p(x) \log\frac{p(x)}{q(x)} dx`.

    Raises NotImplementedError for pairs without a rule.

    Examples::

        >>> normal = torch.distributions.Normal
        >>> torch.distributions.kl_divergence(normal(0., 1.), normal(1., 1.))
        tensor(0.5000)
    """
    for of_p in type(p).__mro__:
        for of_q in type(q).__mro__:
            rule = _RULES.get((of_p, of_q))
            if rule is not None:
                return rule(p, q)
    raise NotImplementedError(
        f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
    )


@register_kl(continuous.Normal, continuous.Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    shift = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + shift - 1 - ratio.log())


@register_kl(continuous.LogNormal, continuous.LogNormal)
def _log_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(continuous.HalfNormal, continuous.HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(continuous.Exponential, continuous.Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(continuous.Laplace, continuous.Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * late.exp(-distance / p.scale) - 1


@register_kl(continuous.Uniform, continuous.Uniform)
def _uniform(p: Any, q: Any) -> Any:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return found.masked_fill((q.low > p.low) | (q.high < p.high), math.inf)


@register_kl(discrete.Bernoulli, discrete.Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    one = p.probs * (_log_ratio(p.probs, q.probs))
    return one + (1 - p.probs) * _log_ratio(1 - p.probs, 1 - q.probs)


def _log_ratio(a: Any, b: Any) -> Any:
    """log(a / b), 0 where a is 0."""
    return late.where(a == 0, late.zeros_like(a), late.log(a) - late.log(b))


@register_kl(discrete.Categorical, discrete.Categorical)
def _categorical(p: Any, q: Any) -> Any:
    t = p.probs * (p.logits - q.logits)
    t = late.where((q.probs == 0).expand_as(t), math.inf, t)
    t = late.where((p.probs == 0).expand_as(t), 0.0, t)
    return t.sum(-1)


@register_kl(discrete.OneHotCategorical, discrete.OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(discrete.Geometric, discrete.Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - late.log1p(-q.probs) / p.probs - q.logits


@register_kl(discrete.Poisson, discrete.Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(multivariate.Independent, multivariate.Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    found = kl_divergence(p.base_dist, q.base_dist)
    return multivariate._sum_rightmost(found, p.reinterpreted_batch_ndims)


@register_kl(multivariate.MultivariateNormal, multivariate.MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be "
            "computed"
        )
    solved = linalg_solve.solve_triangular(q.scale_tril, p.scale_tril, upper=False)
    shift = (q.loc - p.loc).unsqueeze(-1)
    moved = linalg_solve.solve_triangular(q.scale_tril, shift, upper=False)
    trace = solved.pow(2).sum((-2, -1))
    distance = moved.squeeze(-1).pow(2).sum(-1)
    logs = q._log_determinant() - p._log_determinant()
    return logs + 0.5 * (trace + distance - p.event_shape[0])
