"""In-place operations under autograd: leaves, views, histories."""

import pytest

import rushlight as torch


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_leaf_may_not_be_changed():
    x = leaf(1.0, 2.0)
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad is being used in an"
    ):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad is being"):
        x.view(1, 2).add_(1)
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0]


def test_history_goes_on():
    x = leaf(2.0, 3.0)
    y = x * 1
    y.mul_(x)
    y += 1
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]


def test_function_of_itself_keeps_the_old_values():
    x = leaf(2.0)
    y = x * 1
    y.pow_(3)
    y.sum().backward()
    assert x.grad.tolist() == [12.0]


def test_change_through_a_view_reaches_the_base():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    y[1:].mul_(10)
    assert y.tolist() == [1.0, 20.0, 30.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 10.0, 10.0]


def test_change_of_the_base_reaches_the_view():
    x = leaf(1.0, 2.0)
    y = x * 1
    v = y.view(2, 1)
    y.mul_(5)
    assert v.flatten().tolist() == [5.0, 10.0]
    v.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_view_of_a_view():
    x = leaf(*[1.0] * 6)
    y = (x * 1).view(2, 3)
    v = y.t()[1]
    v.mul_(2)
    v.add_(x[:2])
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 3.0, 1.0, 1.0, 2.0, 1.0]


def test_values_with_history_into_a_plain_tensor():
    x = leaf(3.0)
    y = torch.zeros(2, dtype=torch.float64)
    y[0] = x[0] * 2
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [2.0]


def test_constant_into_a_tensor_with_history_stops_the_gradient():
    x = leaf(1.0, 2.0)
    y = x * 3
    y[0] = 7.0
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 3.0]


def test_zero_keeps_requiring_grad():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.zero_()
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_views_taken_without_gradients():
    x = leaf(1.0, 2.0)
    y = x * 1
    with torch.no_grad():
        v = y[:1]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode and is being"):
        v.mul_(x[0])


def test_one_of_several_views():
    a, _ = (leaf(1.0, 2.0) * 1).unbind()
    with pytest.raises(RuntimeError, match="This view is the output of a function that returns"):
        a.add_(1)


def test_versions_are_shared():
    x = torch.zeros(4)
    v = x.view(2, 2)
    v.add_(1)
    x[0] = 3
    assert x._version == v._version == 2
    assert x.detach()._version == 2


def test_result_must_fit():
    x = torch.ones(2, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output"):
        x.add_(0.5)
    with pytest.raises(RuntimeError, match=r"output with shape \[2\] doesn't match the broadcast"):
        torch.ones(2).add_(torch.ones(3, 2))


def test_expanded_tensor_may_not_be_written():
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers"):
        torch.zeros(1).expand(3).add_(1)


def test_second_order_through_in_place():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)

    def f(t):
        y = t * t
        y[0] = y[0].clone() * t[1]
        y.mul_(t)
        return y

    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))
