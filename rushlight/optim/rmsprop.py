"""RMSprop."""

from typing import Any

from rushlight.kernels import optimizer as kernels
from rushlight.optim.optimizer import (
    Optimizer,
    _number,
    advance,
    as_float,
    check_lr,
    check_not_negative,
    real,
    zeros_for,
)

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """``v = alpha * v + (1 - alpha) * g**2``, ``p -= lr * g / (sqrt(v) + eps)``.

    From Hinton's lectures, 2012.

    Args:
        params: see :class:`Optimizer`.
        lr: the learning rate.
        alpha, eps: see the formula.
        weight_decay: ``weight_decay * p`` is added to the gradient.
        momentum: ``b = momentum * b + g / (sqrt(v) + eps)``, ``p -= lr * b``.
        centered: divide by the standard deviation, ``v - mean(g)**2``.
        maximize: go up instead of down.
        capturable, foreach, differentiable: accepted (``differentiable=True`` is not supported).
    """

    _defaults_of_old_groups = {  # noqa: RUF012
        "momentum": 0, "centered": False, "foreach": None, "maximize": False,
        "differentiable": False, "capturable": False,
    }  # fmt: skip

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_not_negative(momentum, "momentum")
        check_not_negative(weight_decay, "weight_decay")
        check_not_negative(alpha, "alpha")
        options = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        momentum, centered = group["momentum"], group["centered"]
        arrays, grads, squares = [], [], []
        buffers: Any = [] if momentum > 0 else None
        averages: Any = [] if centered else None
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                state["square_avg"] = zeros_for(p)
                if momentum > 0:
                    state["momentum_buffer"] = zeros_for(p)
                if centered:
                    state["grad_avg"] = zeros_for(p)
            advance(state)
            arrays.append(real(p._array))
            grads.append(real(p._grad._array))
            squares.append(real(state["square_avg"]._array))
            if buffers is not None:
                buffers.append(real(state["momentum_buffer"]._array))
            if averages is not None:
                averages.append(real(state["grad_avg"]._array))
        table = self._tables.get(id(group))
        if table is None:
            table = self._tables[id(group)] = kernels.Table()
        kernels.rmsprop(
            table, arrays, grads, squares, averages, buffers, lr=as_float(group["lr"]),
            alpha=group["alpha"], eps=group["eps"], weight_decay=group["weight_decay"],
            momentum=momentum, maximize=group["maximize"],
        )  # fmt: skip
