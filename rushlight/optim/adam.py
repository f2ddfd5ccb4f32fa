"""Adam, and AdamW through ``decoupled_weight_decay``."""

from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.kernels import optimizer as kernels
from rushlight.optim.optimizer import (
    Optimizer,
    _number,
    advance,
    as_float,
    check_betas,
    check_lr,
    check_not_negative,
    real,
    zeros_for,
)

__all__ = ["Adam"]


class Adam(Optimizer):
    """``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g**2``, ``p -= lr m' / (sqrt(v') + eps)``.

    ``m' = m / (1 - b1**t)`` and ``v' = v / (1 - b2**t)``. From "Adam: a method for stochastic
    optimization", Kingma and Ba, 2014.

    Args:
        params: see :class:`Optimizer`.
        lr: the learning rate.
        betas: ``b1`` and ``b2``.
        eps: see the formula.
        weight_decay: ``weight_decay * p`` is added to the gradient.
        amsgrad: use the largest ``v`` so far ("On the convergence of Adam and beyond").
        maximize: go up instead of down.
        decoupled_weight_decay: ``p *= 1 - lr * weight_decay`` instead, which is AdamW.
        foreach, capturable, differentiable, fused: accepted (``differentiable=True`` is not
            supported).

    Examples::

        >>> p = nn.Parameter(torch.ones(2))
        >>> optimizer = torch.optim.Adam([p], lr=0.1)
        >>> p.sum().backward()
        >>> optimizer.step()
        >>> p.data
        tensor([0.9000, 0.9000])
    """

    _defaults_of_old_groups = {  # noqa: RUF012
        "amsgrad": False, "maximize": False, "foreach": None, "capturable": False,
        "differentiable": False, "decoupled_weight_decay": False, "fused": None,
    }  # fmt: skip

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        check_lr(lr)
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_not_negative(weight_decay, "weight_decay")
        kinds = {Tensor if isinstance(b, Tensor) else type(b) for b in betas}
        if kinds not in ({float}, {Tensor}):
            raise ValueError("betas must be either both floats or both Tensors")
        options = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        amsgrad = group["amsgrad"]
        steps, states = [], []
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                state["exp_avg"] = zeros_for(p)
                state["exp_avg_sq"] = zeros_for(p)
                if amsgrad:
                    state["max_exp_avg_sq"] = zeros_for(p)
            steps.append(advance(state))
            states.append(state)
        first = steps[0]
        if steps.count(first) == len(steps):
            self._run(group, first, params, states)
            return
        for n in sorted(set(steps)):  # parameters that joined later are at an earlier step
            chosen = [i for i, step in enumerate(steps) if step == n]
            self._run(group, n, [params[i] for i in chosen], [states[i] for i in chosen])

    def _run(self, group: dict[str, Any], step: float, params: list[Any], states: Any) -> None:
        arrays = [p._array for p in params]
        grads = [p._grad._array for p in params]
        averages = [s["exp_avg"]._array for s in states]
        squares = [s["exp_avg_sq"]._array for s in states]
        most = [s["max_exp_avg_sq"]._array for s in states] if group["amsgrad"] else None
        if any(a.dtype.kind == "c" for a in arrays):
            arrays, grads = [real(a) for a in arrays], [real(a) for a in grads]
            averages, squares = [real(a) for a in averages], [real(a) for a in squares]
            most = None if most is None else [real(a) for a in most]
        table = self._tables.get(id(group))
        if table is None:
            table = self._tables[id(group)] = kernels.Table()
        beta1, beta2 = group["betas"]
        kernels.adam(
            table, arrays, grads, averages, squares, most, step=step, lr=as_float(group["lr"]),
            beta1=as_float(beta1), beta2=as_float(beta2), eps=group["eps"],
            weight_decay=as_float(group["weight_decay"]),
            decoupled=group["decoupled_weight_decay"], maximize=group["maximize"],
        )  # fmt: skip
