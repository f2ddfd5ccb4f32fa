"""Custom functions."""

import pytest

import rushlight as torch
from rushlight.autograd.function import once_differentiable


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad_output


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(x, factor):
        return x * factor, x + factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx, g, h):
        return g * ctx.factor + h, None


def test_first_and_second_order():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Cube.apply, (x,))
    assert torch.autograd.gradgradcheck(Cube.apply, (x,))


def test_several_outputs_and_plain_arguments():
    x = torch.tensor([2.0], requires_grad=True)
    a, _ = Scale.apply(x, 5.0)
    a.backward()
    assert x.grad.tolist() == [5.0]
    assert a.grad_fn.name() == "ScaleBackward"


def test_context():
    seen = {}

    class Probe(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, k):
            seen["needs"] = ctx.needs_input_grad
            return x + y, k

        @staticmethod
        def backward(ctx, g, _):
            return g, g, None

    x, y = torch.ones(1, requires_grad=True), torch.ones(1)
    out, k = Probe.apply(x, y, 3)
    out.backward()
    assert seen["needs"] == (True, False, False) and k == 3 and x.grad.tolist() == [1.0]


def test_wrong_number_of_gradients():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g

    x = torch.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"WrongBackward returned an incorrect number of grad"):
        Wrong.apply(x, x * 1).backward()


def test_wrong_shape_of_gradient():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return torch.ones(3)

    with pytest.raises(RuntimeError, match="returned an invalid gradient at index 0"):
        Wrong.apply(torch.ones(2, requires_grad=True)).sum().backward()


def test_once_differentiable():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = torch.tensor(3.0, requires_grad=True)
    start = torch.tensor(1.0, requires_grad=True)
    (g,) = torch.autograd.grad(Once.apply(x), x, start, create_graph=True)
    assert g.item() == 6.0
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.backward()


def test_in_place_function():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(2, requires_grad=True)
    y = x * 1
    z = Double.apply(y)
    assert z is y
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_freed_and_instantiated():
    x = torch.ones(1, requires_grad=True)
    y = Cube.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        Cube()


def test_non_differentiable_output():
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            mask = x > 0
            ctx.mark_non_differentiable(mask)
            ctx.save_for_backward(mask)
            return x * mask, mask

        @staticmethod
        def backward(ctx, g, _):
            return g * ctx.saved_tensors[0]

    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    y, mask = Both.apply(x)
    y.sum().backward()
    assert not mask.requires_grad and x.grad.tolist() == [0.0, 1.0]
