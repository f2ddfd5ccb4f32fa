"""What parameters and values must satisfy."""

from collections.abc import Callable
from typing import Any

import numpy as np


class Constraint:
    """A condition on the values of a tensor.

    Args:
        name: how it is printed.
        check: takes a tensor and returns a tensor of truth values.
        event_dim: how many dimensions belong together.
        is_discrete: whether the values are integers.
    """

    def __init__(
        self, name: str, check: Callable[[Any], Any], event_dim: int = 0, is_discrete: bool = False
    ) -> None:
        self.name = name
        self.check = check
        self.event_dim = event_dim
        self.is_discrete = is_discrete

    def __repr__(self) -> str:
        return self.name


def greater_than(lower_bound: Any) -> Constraint:
    """Values above a bound."""
    return Constraint(f"GreaterThan(lower_bound={lower_bound})", lambda v: lower_bound < v)


def greater_than_eq(lower_bound: Any) -> Constraint:
    """Values not below a bound."""
    return Constraint(f"GreaterThanEq(lower_bound={lower_bound})", lambda v: lower_bound <= v)


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Values between bounds, these included."""
    name = f"Interval(lower_bound={lower_bound}, upper_bound={upper_bound})"
    return Constraint(name, lambda v: (lower_bound <= v) & (v <= upper_bound))


def integer_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Integers between bounds, these included."""
    name = f"IntegerInterval(lower_bound={lower_bound}, upper_bound={upper_bound})"
    return Constraint(
        name, lambda v: (v % 1 == 0) & (lower_bound <= v) & (v <= upper_bound), 0, True
    )


def independent(base: Constraint, count: int) -> Constraint:
    """A condition on each of the values that belong together."""

    def check(value: Any) -> Any:
        found = base.check(value)
        return found.reshape(*found.shape[: found.dim() - count], -1).all(-1) if count else found

    name = f"IndependentConstraint({base}, {count})"
    return Constraint(name, check, base.event_dim + count, base.is_discrete)


def _positive_definite(value: Any) -> Any:
    symmetric = (value - value.mT).abs().amax((-2, -1)) < 1e-6
    eigenvalues = (value + value.mT).div(2).detach()
    return symmetric & (_smallest(eigenvalues) > 0)


def _smallest(matrix: Any) -> Any:
    return matrix.new_tensor(np.linalg.eigvalsh(matrix.numpy())[..., 0])


real = Constraint("Real()", lambda v: v == v)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
boolean = Constraint("Boolean()", lambda v: (v == 0) | (v == 1), 0, True)
nonnegative_integer = Constraint(
    "IntegerGreaterThan(lower_bound=0)", lambda v: (v % 1 == 0) & (v >= 0), 0, True
)
simplex = Constraint("Simplex()", lambda v: (v >= 0).all(-1) & ((v.sum(-1) - 1).abs() < 1e-6), 1)
one_hot = Constraint("OneHot()", lambda v: ((v == 0) | (v == 1)).all(-1) & v.sum(-1).eq(1), 1, True)
real_vector = independent(real, 1)
positive_definite = Constraint("PositiveDefinite()", _positive_definite, 2)
lower_cholesky = Constraint(
    "LowerCholesky()",
    lambda v: (v.tril() == v).flatten(-2).all(-1) & (v.diagonal(dim1=-2, dim2=-1) > 0).all(-1),
    2,
)
