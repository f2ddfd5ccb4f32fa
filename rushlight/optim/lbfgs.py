"""Limited-memory BFGS."""

from typing import Any

import numpy as np

from rushlight.autograd.modes import enable_grad, no_grad
from rushlight.core.tensor import bump_version, wrap
from rushlight.optim.optimizer import Optimizer, as_float, check_lr, real

__all__ = ["LBFGS"]

Point = tuple[Any, float, np.ndarray, Any]  # step, loss, gradient, slope along the direction


def _cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> Any:
    """Where the cubic through two points with their slopes has its minimum, within ``bounds``."""
    (x1, f1, _, g1), (x2, f2, _, g2) = a, b
    low, high = bounds or ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = np.sqrt(square)
    if x1 <= x2:
        place = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        place = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(place, low), high)


class _LineSearch:
    """A step that meets the strong Wolfe conditions: algorithm 3.5 of Nocedal and Wright, 2006."""

    decrease, curvature, tolerance = 1e-4, 0.9, 1e-9

    def __init__(self, evaluate: Any, direction: np.ndarray, start: Point, limit: int) -> None:
        self.evaluate = evaluate
        self.direction = direction
        self.start = start
        self.limit = limit
        self.evaluations = 0

    def at(self, t: Any) -> Point:
        """Loss, gradient and slope after a step of length ``t``."""
        loss, grad = self.evaluate(t)
        self.evaluations += 1
        return t, loss, grad, grad.dot(self.direction)

    def too_high(self, point: Point) -> bool:
        """Whether the loss falls short of the decrease that the slope promises."""
        _, f0, _, g0 = self.start
        return bool(point[1] > f0 + self.decrease * point[0] * g0)

    def flat(self, point: Point) -> bool:
        """Whether the slope is small enough."""
        return bool(abs(point[3]) <= -self.curvature * self.start[3])

    def run(self, t: Any) -> Point:
        """The point to go to, starting with a step of length ``t``."""
        turns, bracket, done = self.find_bracket(t)
        if len(bracket) == 1:
            return bracket[0]
        return self.zoom(turns, bracket, done)

    def find_bracket(self, t: Any) -> tuple[int, list[Point], bool]:
        """Two points between which there is a good one, or one that is good itself."""
        previous, point = self.start, self.at(t)
        turns = 0
        while turns < self.limit:
            if self.too_high(point) or (turns > 1 and point[1] >= previous[1]):
                return turns, [previous, point], False
            if self.flat(point):
                return turns, [point], True
            if point[3] >= 0:
                return turns, [previous, point], False
            t = point[0]
            bounds = (t + 0.01 * (t - previous[0]), t * 10)
            longer = _cubic_minimum(previous, point, bounds)
            previous, point = point, self.at(longer)
            turns += 1
        return turns, [self.start, point], False

    def zoom(self, turns: int, bracket: list[Point], done: bool) -> Point:
        """Narrows the bracket down."""
        size = np.abs(self.direction).max()
        stuck = False
        low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        while not done and turns < self.limit:
            ends = (bracket[0][0], bracket[1][0])
            if abs(ends[1] - ends[0]) * size < self.tolerance:
                break
            t = _cubic_minimum(bracket[0], bracket[1])
            margin = 0.1 * (max(ends) - min(ends))
            if min(max(ends) - t, t - min(ends)) < margin:
                if stuck or t >= max(ends) or t <= min(ends):
                    nearer_top = abs(t - max(ends)) < abs(t - min(ends))
                    t = max(ends) - margin if nearer_top else min(ends) + margin
                    stuck = False
                else:
                    stuck = True
            else:
                stuck = False
            point = self.at(t)
            turns += 1
            if self.too_high(point) or point[1] >= bracket[low][1]:
                bracket[high] = point
                low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
                continue
            if self.flat(point):
                done = True
            elif point[3] * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = point
        return bracket[low]


class LBFGS(Optimizer):
    """A quasi-Newton method: the curvature is estimated from the last ``history_size`` steps.

    Each ``step`` needs a closure, which is called several times. One parameter group only.

    Args:
        params: see :class:`Optimizer`.
        lr: the length of steps without line search.
        max_iter, max_eval: how many iterations and evaluations each step may take.
        tolerance_grad, tolerance_change: when to stop.
        history_size: how many steps are remembered.
        line_search_fn: None or "strong_wolfe".
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        options = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_eval, "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, options)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Any]:
        return self.param_groups[0]["params"]  # type: ignore[no-any-return]

    def _gradient(self) -> np.ndarray:
        """The gradients of all parameters in one row."""
        parts = []
        for p in self._params:
            array = np.zeros_like(p._array) if p._grad is None else p._grad._array
            parts.append(real(np.ascontiguousarray(array)).ravel())
        return np.concatenate(parts)

    def _move(self, length: Any, direction: np.ndarray) -> None:
        """Changes all parameters by ``length * direction``."""
        offset = 0
        for p in self._params:
            array = real(p._array)
            part = direction[offset : offset + array.size].reshape(array.shape)
            array += part * array.dtype.type(length)
            bump_version(p)
            offset += array.size

    def step(self, closure: Any) -> Any:  # type: ignore[override]
        """Runs up to ``max_iter`` iterations; returns the loss before them.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.
        """
        with no_grad():
            return self._iterate(enable_grad()(closure))

    def _iterate(self, closure: Any) -> Any:
        group = self.param_groups[0]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        grad = self._gradient()
        if np.abs(grad).max() <= group["tolerance_grad"]:
            return first_loss
        memory = _Memory(state)
        lr = as_float(group["lr"])
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = memory.direction(grad, state["n_iter"] == 1, group["history_size"])
            memory.previous_grad = grad.copy()
            previous_loss = loss
            t = min(1.0, 1.0 / np.abs(grad).sum()) * lr if state["n_iter"] == 1 else lr
            memory.t = t
            slope = grad.dot(d)
            if slope > -group["tolerance_change"]:
                break
            used, last = 0, n == group["max_iter"]
            if group["line_search_fn"] is not None:
                limit = group["max_eval"] - evaluations
                t, loss, grad, used = self._search(closure, t, d, (loss, grad, slope), limit)
                memory.t = t
                self._move(t, d)
            else:
                self._move(t, d)
                if not last:
                    loss = float(closure())
                    grad = self._gradient()
                    used = 1
            evaluations += used
            state["func_evals"] += used
            if (
                last
                or evaluations >= group["max_eval"]
                or np.abs(grad).max() <= group["tolerance_grad"]
                or np.abs(d * t).max() <= group["tolerance_change"]
                or abs(loss - previous_loss) < group["tolerance_change"]
            ):
                break
        memory.save(state, previous_loss, group["history_size"])
        return first_loss

    def _search(self, closure: Any, t: Any, d: np.ndarray, start: Any, limit: int) -> Any:
        """Length, loss and gradient of a step along ``d``, and how many evaluations it took."""
        if self.param_groups[0]["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        kept = [p._array.copy() for p in self._params]

        def evaluate(length: Any) -> tuple[float, np.ndarray]:
            self._move(length, d)
            loss = float(closure())
            grad = self._gradient()
            for p, array in zip(self._params, kept):
                p._array[...] = array
                bump_version(p)
            return loss, grad

        search = _LineSearch(evaluate, d, (0, *start), limit)
        length, loss, grad, _ = search.run(t)
        return length, loss, grad, search.evaluations


class _Memory:
    """The last steps and changes of the gradient, kept as tensors in the optimizer's state."""

    def __init__(self, state: dict[str, Any]) -> None:
        def array(name: str) -> Any:
            return None if state.get(name) is None else state[name]._array

        self.d, self.previous_grad = array("d"), array("prev_flat_grad")
        self.t = state.get("t")
        self.changes = [x._array for x in state.get("old_dirs") or []]
        self.steps = [x._array for x in state.get("old_stps") or []]
        self.ro = [x._array[()] for x in state.get("ro") or []]
        self.weights: list[Any] | None = None
        held = state.get("H_diag", 1)
        self.scale = held if isinstance(held, int) else held._array[()]

    def direction(self, grad: np.ndarray, first: bool, limit: int) -> np.ndarray:
        """Minus the gradient, multiplied by the estimated inverse of the second derivatives."""
        if first:
            self.changes, self.steps, self.ro, self.scale = [], [], [], 1
            self.d = -grad
            return self.d  # type: ignore[no-any-return]
        y = grad - self.previous_grad
        s = self.d * grad.dtype.type(self.t)
        ys = y.dot(s)
        if ys > 1e-10:
            if len(self.changes) == limit:
                for held in (self.changes, self.steps, self.ro):
                    held.pop(0)
            self.changes.append(y)
            self.steps.append(s)
            self.ro.append(grad.dtype.type(1.0 / ys))
            self.scale = ys / y.dot(y)
        q = -grad
        weights = []
        for y, s, ro in zip(reversed(self.changes), reversed(self.steps), reversed(self.ro)):
            weights.append(s.dot(q) * ro)
            q -= weights[-1] * y
        self.weights = weights[::-1]
        q = q * self.scale
        for y, s, ro, weight in zip(self.changes, self.steps, self.ro, self.weights):
            q += s * (weight - y.dot(q) * ro)
        self.d = q
        return q

    def save(self, state: dict[str, Any], loss: float, limit: int) -> None:
        """Puts everything into the state."""
        state["d"] = wrap(self.d)
        state["t"] = self.t if isinstance(self.t, (int, float)) else float(self.t)  # type: ignore[arg-type]
        state["old_dirs"] = [wrap(x) for x in self.changes]
        state["old_stps"] = [wrap(x) for x in self.steps]
        state["ro"] = [wrap(np.asarray(x)) for x in self.ro]
        state["H_diag"] = (
            self.scale if isinstance(self.scale, int) else wrap(np.asarray(self.scale))
        )
        state["prev_flat_grad"] = wrap(self.previous_grad)
        state["prev_loss"] = loss
        if self.weights is not None:
            held = [wrap(np.asarray(x)) for x in self.weights]
            state["al"] = held + [None] * (limit - len(held))
