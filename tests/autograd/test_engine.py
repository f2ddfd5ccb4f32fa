"""The backward pass: values, graph keeping, hooks, errors."""

import gc
import weakref

import numpy as np
import pytest

import rushlight as torch


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def test_gradients_add_up_over_paths_and_calls():
    x = leaf(1.0, 2.0)
    y = x * x + 3 * x
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    (2 * x).sum().backward()
    assert x.grad.tolist() == [7.0, 9.0]


def test_gradient_is_not_shared_between_leaves():
    x, y = leaf(1.0), leaf(2.0)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1.0]


def test_gradient_given_by_the_caller_is_copied():
    x = leaf(1.0, 1.0)
    start = torch.tensor([1.0, 2.0], dtype=torch.float64)
    y = x.clone()
    y.backward(start)
    x.grad.zero_()
    assert start.tolist() == [1.0, 2.0]


def test_deep_chain_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(5000):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0]


def test_broadcast_gradients_have_the_inputs_shapes():
    a = torch.ones(3, 1, requires_grad=True)
    b = torch.ones(4, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.shape == (3, 1) and a.grad.flatten().tolist() == [4.0] * 3
    assert b.grad.tolist() == [3.0] * 4


@pytest.mark.parametrize("retain", [True, False])
def test_second_backward(retain):
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=retain)
    if retain:
        y.backward()
        assert x.grad.tolist() == [8.0]
    else:
        with pytest.raises(
            RuntimeError, match="Trying to backward through the graph a second time"
        ):
            y.backward()


def test_backward_twice_without_saved_tensors_is_allowed():
    x = leaf(2.0)
    y = (x + x).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4.0]


def test_non_scalar_needs_a_gradient():
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        (leaf(1.0, 2.0) * 2).backward()


def test_no_history():
    with pytest.raises(
        RuntimeError,
        match="element 0 of tensors does not require grad and does not have a grad_fn",
    ):
        torch.ones(1).backward()


def test_gradient_of_wrong_shape():
    with pytest.raises(RuntimeError, match=r"Mismatch in shape: grad_output\[0\] has a shape of"):
        (leaf(1.0, 2.0) * 2).backward(torch.ones(3, dtype=torch.float64))


def test_create_graph_gives_higher_derivatives():
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(x**4, x, create_graph=True)
    (second,) = torch.autograd.grad(first, x, create_graph=True)
    (third,) = torch.autograd.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (32.0, 48.0, 48.0)


def test_grad_of_inner_tensors_leaves_grad_alone():
    x = leaf(3.0)
    y = x * 2
    z = (y * y).sum()
    gy, gx = torch.autograd.grad(z, (y, x))
    assert gy.tolist() == [12.0] and gx.tolist() == [24.0] and x.grad is None


def test_unused_input():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        torch.autograd.grad((x * 2).sum(), (x, y))
    found = torch.autograd.grad((x * 2).sum(), (x, y), allow_unused=True)
    assert found[0].tolist() == [2.0] and found[1] is None
    found = torch.autograd.grad((x * 2).sum(), (x, y), materialize_grads=True)
    assert found[1].tolist() == [0.0]


def test_backward_into_chosen_inputs():
    x, y = leaf(1.0), leaf(2.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [2.0] and y.grad is None


def test_tensor_hooks_see_and_change_gradients():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle = y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [31.0, 31.0]
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_post_accumulate_hook():
    x = leaf(1.0)
    calls = []
    x.register_post_accumulate_grad_hook(lambda t: calls.append(t.grad.item()))
    (x * 5).sum().backward()
    assert calls == [5.0]


def test_retain_grad():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0] and y.retains_grad


def test_graph_as_seen_by_the_user():
    x = leaf(1.0)
    y = (x * 2).exp()
    assert y.grad_fn.name() == "ExpBackward0"
    assert type(y.grad_fn.next_functions[0][0]).__name__ == "MulBackward0"
    end = y.grad_fn.next_functions[0][0].next_functions[0][0]
    assert type(end).__name__ == "AccumulateGrad" and end.variable is x
    assert x.is_leaf and not y.is_leaf and x.grad_fn is None


def test_node_hooks():
    x = leaf(2.0)
    y = x * 3
    seen = []
    y.grad_fn.register_prehook(lambda gs: seen.append(("pre", gs[0].item())))
    y.grad_fn.register_hook(lambda ins, outs: seen.append(("post", ins[0].item(), outs[0].item())))
    y.sum().backward()
    assert seen == [("pre", 1.0), ("post", 3.0, 1.0)]


def test_saved_tensor_changed_in_place():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(
        RuntimeError,
        match=r"modified by an inplace operation: \[torch.DoubleTensor \[2\]\], which is output 0 "
        r"of Add, is at version 1; expected version 0 instead",
    ):
        z.sum().backward()


def test_saved_output_changed_in_place():
    x = leaf(1.0)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_graph_holds_no_cycles():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = (x.exp() * x.sigmoid()).sum()
        node = weakref.ref(y.grad_fn)
        y.backward()
        del y
        assert node() is None
    finally:
        gc.enable()


def test_modes():
    x = leaf(1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled() and not (x * 2).requires_grad
    assert torch.is_grad_enabled()

    @torch.no_grad()
    def frozen(t):
        return t * 2

    @torch.no_grad
    def steps(t):
        yield t * 2

    assert not frozen(x).requires_grad and not next(steps(x)).requires_grad
    assert torch.is_grad_enabled()


def test_anomaly_mode_names_the_operation():
    x = leaf(-1.0)
    with (
        pytest.warns(UserWarning, match="Anomaly Detection has been enabled"),
        torch.autograd.detect_anomaly(),
    ):
        y = x.sqrt().sum()
        with (
            pytest.warns(UserWarning, match="Error detected in SqrtBackward0"),
            pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values"),
        ):
            y.backward()


def test_requires_grad_rules():
    with pytest.raises(RuntimeError, match="^only Tensors of floating point dtype can"):
        torch.ones(1, dtype=torch.int64).requires_grad_()
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf"):
        y.requires_grad = False
    with pytest.raises(
        RuntimeError, match=r"^attempting to assign a gradient of size '\[2\]' to a "
    ):
        leaf(1.0).grad = torch.ones(2, dtype=torch.float64)
    with pytest.raises(
        RuntimeError, match="^attempting to assign a gradient with dtype 'float' to"
    ):
        leaf(1.0).grad = torch.ones(1)


NODE_NAMES = {
    "x.sum()": "SumBackward0",
    "x.sum(0)": "SumBackward1",
    "x.mean()": "MeanBackward0",
    "x.mean((0, 1))": "MeanBackward1",
    "x.clamp(0, 1)": "ClampBackward1",
    "x.squeeze()": "SqueezeBackward0",
    "x.squeeze(0)": "SqueezeBackward1",
    "x.squeeze((0, 1))": "SqueezeBackward2",
    "x.unbind()[0]": "UnbindBackward0",
    "x.split(1)[0]": "SplitBackward0",
    "x.chunk(2)[0]": "SplitBackward0",
    "x.split([1, 1])[0]": "SplitWithSizesBackward0",
}


@pytest.mark.parametrize("line", NODE_NAMES)
def test_names_of_nodes(line):
    x = torch.ones(2, 2, requires_grad=True)
    assert eval(line, {"x": x}).grad_fn.name() == NODE_NAMES[line]


@pytest.mark.parametrize(
    "change, name",
    [
        (lambda y: y.exp_(), "Exp"),
        (lambda y: y[0].mul_(2), "torch::autograd::CopySlices"),
        (lambda y: y.clamp_(0, 1), "Clamp1"),
    ],
)
def test_names_in_the_message_about_changes(change, name):
    y = leaf(1.0, 2.0) * 2
    z = y * y
    change(y)
    with pytest.raises(RuntimeError, match=f", which is output 0 of {name}, is at version 1"):
        z.sum().backward()


@pytest.mark.parametrize(
    "views, name",
    [
        (lambda y: y.unbind(), "Unbind"),
        (lambda y: y.split(1), "Split"),
        (lambda y: y.split([1, 1]), "SplitWithSizes"),
    ],
)
def test_one_of_several_views_is_not_changed(views, name):
    part = views(leaf(1.0, 2.0) * 2)[0]
    with pytest.raises(RuntimeError, match=f"^Output 0 of {name} is a view and is being modified"):
        part.add_(1)


def test_unused_tensor_is_named_by_its_place():
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(RuntimeError, match="^The differentiated Tensor at index 1 appears to not"):
        torch.autograd.grad((x * 2).sum(), [x, y])


def test_data_and_detach_share_memory():
    x = leaf(1.0, 2.0)
    x.data[0] = 5.0
    d = x.detach()
    d[1] = 7.0
    assert x.tolist() == [5.0, 7.0] and not d.requires_grad
    assert x._version == 1  # detach counts with x, data does not


def test_complex_gradient_convention():
    z = torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128, requires_grad=True)
    (z * z.conj()).real.sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), 2 * np.array([1 + 2j, 3 - 1j]))


def test_gradient_of_what_is_no_leaf():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match=r"^The .grad attribute of a Tensor that is not a leaf"):
        assert y.grad is None
    y.retain_grad()
    assert y.grad is None  # no warning
    y.backward()
    assert y.grad.tolist() == [1.0]


def test_views_and_versions():
    y = leaf(1.0, 2.0) * 2
    assert y[0]._is_view() and not y._is_view()
    with torch.inference_mode():
        z = torch.ones(1)
    with pytest.raises(RuntimeError, match="^Inference tensors do not track version counter"):
        _ = z._version


@pytest.mark.parametrize("create_graph", [False, True])
def test_hooks_of_leaves_see_the_whole_gradient(create_graph):
    seen = []
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: seen.append(g.tolist()) or g.clamp(max=2.5))
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    (x * 1 + x * 2).sum().backward(create_graph=create_graph)
    assert seen == [[3.0, 3.0], [2.5, 2.5]]
    seen.clear()
    x.grad = None
    torch.autograd.backward([x.sum(), (x * 2).sum()], create_graph=create_graph)
    assert seen == [[3.0, 3.0], [2.5, 2.5]]
    seen.clear()
    assert torch.autograd.grad((x * 1 + x * 2).sum(), x)[0].tolist() == [2.5, 2.5]
    assert seen == [[3.0, 3.0]]


def test_hook_of_a_leaf_where_a_part_is_missing():
    class Drop(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a.clone()

        @staticmethod
        def backward(ctx, g):
            return None

    seen = []
    x = leaf(1.0)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2 + Drop.apply(x) + x).sum().backward()
    assert seen == [[3.0]]
    assert x.grad.tolist() == [3.0]
