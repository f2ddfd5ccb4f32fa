"""Stochastic gradient descent."""

from typing import Any

from rushlight.kernels import optimizer as kernels
from rushlight.optim.optimizer import Optimizer, as_float, check_lr, check_not_negative, zeros_for

__all__ = ["SGD"]


class SGD(Optimizer):
    """``p -= lr * g``; with momentum ``b = momentum * b + (1 - dampening) * g; p -= lr * b``.

    With ``nesterov``, ``p -= lr * (g + momentum * b)``. ``b`` starts as the first gradient.

    Args:
        params: see :class:`Optimizer`.
        lr: the learning rate.
        momentum, dampening, nesterov: see the formulas.
        weight_decay: ``weight_decay * p`` is added to the gradient.
        maximize: go up instead of down.
        foreach, differentiable, fused: accepted (``differentiable=True`` is not supported).

    Examples::

        >>> p = nn.Parameter(torch.ones(2))
        >>> optimizer = torch.optim.SGD([p], lr=0.1)
        >>> p.sum().backward()
        >>> optimizer.step()
        >>> p.data
        tensor([0.9000, 0.9000])
    """

    _defaults_of_old_groups = {  # noqa: RUF012
        "nesterov": False, "maximize": False, "foreach": None, "differentiable": False,
        "fused": False,
    }  # fmt: skip

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(momentum, "momentum")
        check_not_negative(weight_decay, "weight_decay")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        options = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        arrays = [p._array for p in params]
        grads = [p._grad._array for p in params]
        momentum = group["momentum"]
        buffers = None
        first: Any = False
        if momentum != 0:
            buffers = []
            new = []
            for p in params:
                state = self.state[p]
                buffer = state.get("momentum_buffer")
                new.append(buffer is None)
                if buffer is None:
                    buffer = state["momentum_buffer"] = zeros_for(p)
                buffers.append(buffer._array)
            if True in new:
                first = new
        table = self._tables.get(id(group))
        if table is None:
            table = self._tables[id(group)] = kernels.Table()
        kernels.sgd(
            table, arrays, grads, buffers, lr=as_float(group["lr"]), momentum=momentum,
            dampening=group["dampening"], weight_decay=as_float(group["weight_decay"]),
            nesterov=group["nesterov"], maximize=group["maximize"], first=first,
        )  # fmt: skip
