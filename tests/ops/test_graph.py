"""The graph in machine code does what the one in Python does, and counts references right."""

import gc
import sys
import threading

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import engine
from rushlight.codegen import builtin
from rushlight.ops import _primitive
from rushlight.ops._primitive import Primitive, apply, apply1

torch.ones(1) + 1.0  # the machine code is there from the first kernel on


class Leaves:
    """What the cases work on: leaves, a leaf of another dtype, plain tensors."""

    def __init__(self):
        draw = np.random.default_rng(5).standard_normal
        self.p = torch.tensor(draw((4, 6)).astype("f"), requires_grad=True)
        self.q = torch.tensor(draw((4, 6)).astype("f"), requires_grad=True)
        self.row = torch.tensor(draw(6).astype("f"), requires_grad=True)
        self.wide = torch.tensor(draw((4, 6)), requires_grad=True)
        self.a = torch.tensor(draw((4, 6)).astype("f"))


def _in_place(t):
    y = t.p * 2
    y.mul_(t.q)
    y[1:3] += t.row
    return y.relu_()


def _shared(t):
    y = t.p + t.q
    return y + y + t.p


def _fan_out(t):
    parts = [t.p * float(i) for i in range(40)]
    return torch.stack(parts[::-1]).sum(0) + sum(parts)


def _views(t):
    y = (t.p * t.a).view(6, 4).t()[1:3].reshape(-1)
    return y.view(3, 4)[0].unsqueeze(0).expand(3, 4)


def _several(t):
    values, _ = torch.max(t.p * t.q, 1)
    first, second = (t.p * t.a).chunk(2, 1)
    return values.sum() + (first * second[:, :1]).sum()


CASES = {
    "product": lambda t: t.p * t.a * t.q,
    "broadcast": lambda t: (t.p * t.row + t.row) / (t.row * t.row + 1),
    "numbers": lambda t: (2 - t.p * 3) / 4 + t.q**2,
    "saved output": lambda t: torch.exp(t.p) * torch.sigmoid(t.q) + torch.tanh(t.p),
    "in place": _in_place,
    "shared": _shared,
    "fan-out": _fan_out,
    "views": _views,
    "several outputs": _several,
    "dtypes": lambda t: t.p.double() * t.wide,
    "products": lambda t: (t.p @ t.q.t()).softmax(-1),
    "detached": lambda t: t.p.detach() * t.q + t.a,
    "leaf alone": lambda t: t.p,
}


def _gradients(build):
    t = Leaves()
    build(t).sum().backward()
    build(t).sum().backward()  # the second one adds up
    found = (t.p.grad, t.q.grad, t.row.grad, t.wide.grad)
    return [None if g is None else g.numpy().copy() for g in found]


@pytest.mark.parametrize("name", CASES)
def test_gradients_as_in_python(name, monkeypatch):
    got = _gradients(CASES[name])
    before = torch.Tensor.backward
    monkeypatch.setattr(torch.Tensor, "backward", lambda t: torch.autograd.backward(t))
    monkeypatch.setattr(engine.native, "walk", None)
    wanted = _gradients(CASES[name])
    assert torch.Tensor.backward is not before
    for g, w in zip(got, wanted, strict=True):
        assert (g is None) == (w is None)
        if g is not None:
            np.testing.assert_array_equal(g, w)


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_or_kept(name):
    t, build = Leaves(), CASES[name]

    def step():
        t.p.grad = t.q.grad = t.row.grad = t.wide.grad = None
        build(t).sum().backward()

    for _ in range(20):
        step()
    gc.collect()
    blocks, none = sys.getallocatedblocks(), sys.getrefcount(None)
    for _ in range(200):
        step()
    gc.collect()
    assert abs(sys.getallocatedblocks() - blocks) < 60
    assert abs(sys.getrefcount(None) - none) < 100


def test_a_graph_makes_no_cycles():
    t = Leaves()
    gc.collect()
    gc.disable()
    try:
        for build in CASES.values():
            build(t).sum().backward()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_saved_values_are_checked():
    t = Leaves()
    y = torch.exp(t.p)
    y.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    z = torch.exp(t.p).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        z.backward()
    a = t.a.clone()
    y = t.p * a
    a += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_keeping_the_graph():
    t = Leaves()
    y = torch.exp(t.p).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(t.p.grad.numpy(), 2 * np.exp(t.p.detach().numpy()), rtol=1e-6)


def test_gradients_that_others_hold_are_copied():
    t = Leaves()
    seen = []
    y = t.p * 1.0
    y.register_hook(seen.append)
    (y + t.q).sum().backward()
    t.q.grad.zero_()
    t.p.grad.zero_()
    assert seen[0].sum() == 24
    (t.p + t.q).backward(held := torch.ones(4, 6))
    assert held.sum() == 24
    t.p.grad.zero_()
    assert held.sum() == 24 and t.q.grad.sum() == 24


def test_hooks():
    t = Leaves()
    order = []
    y = t.p * t.q
    y.grad_fn.register_hook(lambda grads, outs: order.append("node"))
    y.grad_fn.register_prehook(lambda outs: (outs[0] * 2,))
    t.p.register_hook(lambda g: order.append("leaf") or g * 3)
    t.p.register_post_accumulate_grad_hook(lambda p: order.append("after"))
    y.retain_grad()
    y.sum().backward()
    assert order == ["node", "leaf", "after"]
    np.testing.assert_allclose(t.p.grad.numpy(), 6 * t.q.detach().numpy(), rtol=1e-6)
    assert y.grad.sum() == 24


class Failure(Exception):
    pass


def _raise(*args):
    raise Failure


def test_errors_in_rules_leave_nothing_behind():
    failing = Primitive("test_graph_failing", lambda a: a * 1, vjp={"input": _raise})
    _raise_rule = failing.rules
    failing.rules = (lambda g: _raise(),)
    t = Leaves()
    try:
        gc.collect()
        blocks = sys.getallocatedblocks()
        for _ in range(100):
            with pytest.raises(Failure):
                (t.p * t.q + apply1(failing, t.p) + t.q).sum().backward()
            assert torch.is_grad_enabled()
        t.p.grad = t.q.grad = None
        gc.collect()
        assert abs(sys.getallocatedblocks() - blocks) < 100
    finally:
        del _primitive.REGISTRY["test_graph_failing"]
    assert _raise_rule


def test_errors_in_eager_rules():
    failing = Primitive("test_graph_eager", _raise, vjp={"input": lambda g: g})
    pair = Primitive("test_graph_pair", lambda a, b, c: (a + b, None, c), inputs=("a", "b"),
                     params=("c",), vjp=lambda g: (g[0], g[0]), materialize=False)  # fmt: skip
    t = Leaves()
    try:
        for call in (
            lambda: apply1(failing, t.p),
            lambda: apply(failing, (t.p,)),
            lambda: _primitive.apply_view(failing, t.p),
        ):
            with pytest.raises(Failure):
                call()
        total, nothing, number = apply(pair, (t.p, t.q), 3)
        assert nothing is None and number.item() == 3 and number.grad_fn is None
        assert total.grad_fn is not None
        total.sum().backward()
        assert t.q.grad.sum() == 24
    finally:
        del _primitive.REGISTRY["test_graph_eager"], _primitive.REGISTRY["test_graph_pair"]


def test_a_tensor_without_fields():
    bare = torch.Tensor.__new__(torch.Tensor)
    del bare._array
    for use in (
        lambda: bare.shape,
        lambda: bare.backward(),
        lambda: bare + 1.0,
        lambda: torch.exp(bare),
        lambda: bare.view(1),
    ):
        with pytest.raises((AttributeError, TypeError, RuntimeError)):
            use()


def test_gradients_are_off_by_thread():
    p = torch.ones(3, requires_grad=True)
    ready, go, found = threading.Barrier(3), threading.Barrier(3), []

    def work(on):
        with torch.set_grad_enabled(on):
            ready.wait()
            results = [(p * 2.0).requires_grad, torch.exp(p).requires_grad]
            results.append(p.view(3, 1).requires_grad)
            go.wait()
            found.append((on, results))

    threads = [threading.Thread(target=work, args=(False,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait()
    assert (p * 2.0).requires_grad and torch.exp(p).requires_grad
    go.wait()
    for thread in threads:
        thread.join()
    assert found == [(False, [False] * 3)] * 2
    # a thread that ended with gradients off says nothing about the next one of its identity
    for _ in range(3):
        thread = threading.Thread(target=torch.set_grad_enabled, args=(False,))
        thread.start()
        thread.join()
        thread = threading.Thread(target=lambda: found.append((p * 2.0).requires_grad))
        thread.start()
        thread.join()
        assert found.pop() is True


def test_backward_in_many_threads():
    t = Leaves()
    errors = []

    def work():
        try:
            for _ in range(100):
                p = t.a.clone().requires_grad_()
                (torch.exp(p) * p).sum().backward()
                want = np.exp(p.detach().numpy()) * (1 + p.detach().numpy())
                np.testing.assert_allclose(p.grad.numpy(), want, rtol=1e-5)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_attributes_of_modules():
    nn = torch.nn

    class Odd(nn.Module):
        def __getattr__(self, name):
            return 5 if name == "odd" else super().__getattr__(name)

    module = Odd()
    module.child = nn.Linear(2, 3)
    module.register_buffer("mean", torch.zeros(2))
    module.register_parameter("none", None)
    assert module.odd == 5 and module.none is None and module.mean.shape == (2,)
    assert module.child.weight is module.child._parameters["weight"]
    module._modules["child"] = other = nn.ReLU()
    assert module.child is other
    before = sys.getrefcount(other)
    for _ in range(100):
        assert module.child
    assert sys.getrefcount(other) == before
    with pytest.raises(AttributeError, match="'Odd' object has no attribute 'missing'"):
        _ = module.missing
    assert not hasattr(nn.Module.__new__(nn.Module), "weight")


def test_one_graph_in_many_threads():
    t = Leaves()
    big = torch.ones(300, 300)
    p = torch.ones(300, 300, requires_grad=True)
    for _ in range(10):
        y = torch.tanh(p * big).sum()
        errors = []

        def work(y=y, errors=errors):
            try:
                torch.autograd.backward(y)
            except RuntimeError as error:  # another was first
                errors.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all("a second time" in text for text in errors)
    assert t.p.grad is None


def test_another_array_while_a_kernel_runs():
    t = torch.ones(400, 400)
    stop = threading.Event()

    def replace():
        while not stop.is_set():
            t.data = torch.ones(400, 400)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(300):
            out = t * t
            assert out[-1, -1] == 1.0
    finally:
        stop.set()
        thread.join()


@pytest.mark.skipif(not builtin.available(), reason="no machine code")
def test_it_is_in_use():
    assert engine.native.walk is not None
    assert type(_primitive.apply1).__name__ == "builtin_function_or_method"
    kind = type(torch.Tensor.__dict__["backward"]).__name__
    assert kind == ("function" if engine.leaves_have_hooks else "method_descriptor")
