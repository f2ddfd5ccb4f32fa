import json
from pathlib import Path

import numpy as np
import pytest

from rushlight.codegen import builtin
from rushlight.kernels import optimizer
from rushlight.runtime import cpu, threads

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "optimizer_steps.json").read_text(encoding="utf-8")
)
STEPS = 100


def start(k):
    return (np.arange(21 + 7 * k) % 11 - 5).astype(np.float32) / 4


def gradient(k, step):
    return ((np.arange(21 + 7 * k) * 7 + step * (3 + k)) % 13 - 6).astype(np.float32) / 8


class Run:
    """The optimizer of a recorded case."""

    def __init__(self, name, options, params):
        self.name, self.options, self.params = name, dict(options), params
        self.table = optimizer.Table()
        self.states = [[np.zeros_like(p) for p in params] for _ in range(3)]
        self.count = 0

    def step(self, grads):
        options, (a, b, c) = dict(self.options), self.states
        family = self.name.split()[0]
        self.count += 1
        if family == "SGD":
            buffers = a if options.get("momentum") else None
            first = self.count == 1
            optimizer.sgd(self.table, self.params, grads, buffers, first=first, **options)
        elif family == "RMSprop":
            centered = b if options.pop("centered", False) else None
            buffers = c if options.get("momentum") else None
            optimizer.rmsprop(self.table, self.params, grads, a, centered, buffers, **options)
        else:
            decoupled = family == "AdamW"
            options = {"weight_decay": 0.01 if decoupled else 0.0} | options
            beta1, beta2 = options.pop("betas", (0.9, 0.999))
            most = c if options.pop("amsgrad", False) else None
            given = (self.table, self.params, grads, a, b, most)
            betas = {"beta1": beta1, "beta2": beta2, "decoupled": decoupled}
            optimizer.adam(*given, step=self.count, **betas, **options)


def relative(got, expected):
    return (np.abs(got - expected) / np.maximum(np.abs(expected), 0.1)).max()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("name", GOLDEN)
def test_a_hundred_steps_are_pytorchs(name, native, monkeypatch):
    if not native:
        monkeypatch.setattr(optimizer.Table, "fill", lambda *args: False)
    elif builtin.available():
        monkeypatch.setattr(optimizer, "_one", None)  # every step must be native
    recorded = GOLDEN[name]
    params = [start(k) for k in range(2)]
    run = Run(name, recorded["options"], params)
    for step in range(STEPS):
        run.step([gradient(k, step) for k in range(2)])
    for got, expected in zip(params, recorded["params"]):
        # PyTorch's figures come from a processor that rounds products with their sums at once
        fused = "fma" in cpu.features() or cpu.architecture() == "aarch64"
        limit = 0.0 if native and fused and name.startswith("SGD") else 5e-6 if fused else 2e-3
        assert relative(got, np.array(expected, np.float32)) <= limit


@pytest.mark.parametrize("name", ["SGD momentum", "Adam decay", "RMSprop momentum"])
def test_other_dtypes_and_layouts_run_the_same_rule(name):
    recorded = GOLDEN[name]
    wide = [start(k).astype("f8") for k in range(2)]
    strided = [np.repeat(start(k), 2)[::2] for k in range(2)]
    mixed = [start(0), start(1).astype("f8")]
    for params in (wide, strided, mixed):
        run = Run(name, recorded["options"], params)
        for step in range(STEPS):
            run.step([gradient(k, step).astype(p.dtype) for k, p in enumerate(params)])
        for got, expected in zip(params, recorded["params"]):
            assert relative(got, np.array(expected)) < 5e-3


def test_many_blocks_and_threads_change_nothing():
    rng = np.random.default_rng(0)
    sizes = [(300, 211), (3,), (1,), (70001,), (0,), (5, 5)]
    begin = [rng.standard_normal(s).astype(np.float32) for s in sizes]
    grads = [rng.standard_normal(s).astype(np.float32) for s in sizes]
    before, found = threads.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            run = Run("Adam", {"lr": 0.01}, [p.copy() for p in begin])
            for _ in range(3):
                run.step(grads)
            found.append(run.params)
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)
    for k, p in enumerate(begin):  # each parameter alone
        alone = Run("Adam", {"lr": 0.01}, [p.copy()])
        for _ in range(3):
            alone.step([grads[k]])
        np.testing.assert_array_equal(alone.params[0], found[0][k])


def test_the_table_follows_changed_lists():
    table = optimizer.Table()
    for sizes in ([(4, 5), (3,)], [(4, 5)], [(7,), (2, 2), (1,)], []):
        params = [np.ones(s, np.float32) for s in sizes]
        optimizer.sgd(table, params, [np.ones(s, np.float32) for s in sizes], None, lr=0.5)
        for p in params:
            np.testing.assert_array_equal(p, np.full_like(p, 0.5))


def test_buffers_that_have_no_values_yet():
    params = [np.ones(3, np.float32), np.ones(4, np.float32)]
    buffers = [np.full(3, np.nan, np.float32), np.full(4, 2, np.float32)]
    grads = [np.ones(3, np.float32), np.ones(4, np.float32)]
    optimizer.sgd(
        optimizer.Table(),
        params,
        grads,
        buffers,
        lr=1.0,
        momentum=0.5,
        dampening=0.5,
        first=[True, False],
    )
    np.testing.assert_array_equal(buffers[0], np.ones(3))
    np.testing.assert_array_equal(buffers[1], np.full(4, 1.5))
    np.testing.assert_array_equal(params[1], np.full(4, -0.5))


def test_a_gradient_of_another_size_is_refused():
    params = [np.ones(3, np.float32)]
    with pytest.raises(ValueError, match="one shape: param \\(3,\\), grad \\(4,\\)"):
        optimizer.sgd(optimizer.Table(), params, [np.ones(4, np.float32)], None, lr=1.0)
    np.testing.assert_array_equal(params[0], np.ones(3))
    with pytest.raises(ValueError, match="argument"):
        optimizer.sgd(optimizer.Table(), params, [], None, lr=1.0)
