"""``torch.distributions``: random numbers with densities that can be differentiated.

Supported: Bernoulli, Categorical, Cauchy, Exponential, Geometric, Gumbel, HalfNormal, Independent,
Laplace, LogNormal, MultivariateNormal, Normal, OneHotCategorical, Poisson, Uniform, and
``kl_divergence`` for pairs of one kind. Samples are PyTorch's under the same seed.
"""

from rushlight.distributions import constraints
from rushlight.distributions.continuous import (
    Cauchy,
    Exponential,
    Gumbel,
    HalfNormal,
    Laplace,
    LogNormal,
    Normal,
    Uniform,
)
from rushlight.distributions.discrete import (
    Bernoulli,
    Categorical,
    Geometric,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    Poisson,
)
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.kl import kl_divergence, register_kl
from rushlight.distributions.multivariate import Independent, MultivariateNormal

__all__ = [
    "Bernoulli", "Categorical", "Cauchy", "Distribution", "Exponential", "Geometric", "Gumbel",
    "HalfNormal", "Independent", "Laplace", "LogNormal", "MultivariateNormal", "Normal",
    "OneHotCategorical", "OneHotCategoricalStraightThrough", "Poisson", "Uniform", "constraints",
    "kl_divergence", "register_kl",
]  # fmt: skip
