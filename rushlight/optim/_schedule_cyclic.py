"""Schedules of cycles: up and down, and one cycle for the whole training."""

import math
from collections.abc import Callable
from typing import Any

from rushlight.optim._schedule import (
    LRScheduler,
    _format_param,
    check_optimizer,
    set_value,
    state_of_function,
)
from rushlight.optim.optimizer import Optimizer


class _WithMomentum(LRScheduler):
    """A schedule that moves momentum (or beta1) against the learning rate."""

    use_beta1: bool

    def _start_momentum(self, base: Any, highest: Any, last_epoch: int) -> tuple[Any, Any]:
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
            )
        self.use_beta1 = "betas" in defaults
        highest = _format_param("max_momentum", self.optimizer, highest)
        base = _format_param("base_momentum", self.optimizer, base)
        if last_epoch == -1:
            for high, low, group in zip(highest, base, self.optimizer.param_groups):
                self._set_momentum(group, high)
                group["max_momentum"] = high
                group["base_momentum"] = low
        return base, highest

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_WithMomentum):
    """The rate goes up from ``base_lr`` to ``max_lr`` and down again, over and over.

    From "Cyclical learning rates for training neural networks", Smith, 2015.

    Args:
        optimizer: whose learning rates are to be set.
        base_lr, max_lr: the limits, or one for each group.
        step_size_up, step_size_down: how many steps up and down (default: as many as up).
        mode: "triangular", "triangular2" (half the height each cycle) or "exp_range" (the height
            times ``gamma`` each step).
        gamma: see ``mode``.
        scale_fn, scale_mode: another function for the height, of the "cycle" or of "iterations".
        cycle_momentum: move the momentum the other way, between
        base_momentum, max_momentum: its limits.
        last_epoch: how many steps were made before.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: float = 2000,
        step_size_down: float | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = _format_param("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for rate, group in zip(base_lrs, optimizer.param_groups):
                set_value(group, "lr", rate)
        self.max_lrs = _format_param("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (float(step_size_down) if step_size_down is not None else up)
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            found = self._start_momentum(base_momentum, max_momentum, last_epoch)
            self.base_momentums, self.max_momentums = found
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of the cycle (or step) ``x``."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / (2.0 ** (x - 1)) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[Any]:
        self._called_by_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        rates = [
            low + (high - low) * part * height for low, high in zip(self.base_lrs, self.max_lrs)
        ]
        if self.cycle_momentum:
            for low, high, group in zip(
                self.base_momentums, self.max_momentums, self.optimizer.param_groups
            ):
                self._set_momentum(group, high - (high - low) * part * height)
        return rates

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; of a scale function, what a callable object holds."""
        state = super().state_dict()
        function = state["_scale_fn_custom"]
        state["_scale_fn_custom"] = None if function is None else state_of_function(function)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = dict(state_dict)
        held = state.pop("_scale_fn_custom")
        super().load_state_dict(state)
        if held is not None:
            self._scale_fn_custom.__dict__.update(held)


class OneCycleLR(_WithMomentum):
    """One cycle: up to ``max_lr``, then far down, in ``total_steps`` steps.

    From "Super-convergence: very fast training of neural networks using large learning rates", Smith
    and Topin, 2017.

    Args:
        optimizer: whose learning rates are to be set.
        max_lr: the highest rate, or one for each group.
        total_steps: the length; or ``epochs`` and ``steps_per_epoch``.
        pct_start: the part of the cycle that goes up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: move the momentum the other way, between
        base_momentum, max_momentum: its limits.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is the first one divided by this.
        three_phase: go down as slowly as up first.
        last_epoch: how many steps were made before.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_func_type = anneal_strategy
        highest = _format_param("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for high, group in zip(highest, optimizer.param_groups):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _anneal_func(self, start: Any, end: Any, part: float) -> Any:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[Any]:
        self._called_by_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        start = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            start = phase["end_step"]
        part = (step - start) / (phase["end_step"] - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal_func(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                first, last = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._anneal_func(first, last, part))
        return rates


def _total_steps(total: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total is not None:
        epochs, names = 1, ((total, "total_steps"),)
        steps_per_epoch = total
    elif epochs is not None and steps_per_epoch is not None:
        names = ((epochs, "epochs"), (steps_per_epoch, "steps_per_epoch"))  # type: ignore[assignment]
    else:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    for value, name in names:
        if value <= 0 or not isinstance(value, int):
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    return int(epochs * steps_per_epoch)


def _phases(total: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """For each phase its last step, and which options it goes from and to."""

    def phase(end: float, first: str, last: str, momentum: str, to: str) -> dict[str, Any]:
        return {
            "end_step": end, "start_lr": first, "end_lr": last,
            "start_momentum": momentum, "end_momentum": to,
        }  # fmt: skip

    high, low = "max_momentum", "base_momentum"
    up = phase(float(pct_start * total) - 1, "initial_lr", "max_lr", high, low)
    if not three_phase:
        return [up, phase(total - 1, "max_lr", "min_lr", low, high)]
    return [
        up,
        phase(float(2 * pct_start * total) - 2, "max_lr", "initial_lr", low, high),
        phase(total - 1, "initial_lr", "min_lr", high, high),
    ]
