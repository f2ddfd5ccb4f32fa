"""Automatic differentiation: gradients, functions of the graph, switching off, Jacobian products."""

import torch

torch.manual_seed(0)
x = torch.ones(5)
y = torch.zeros(3)
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w) + b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
print(f"Gradient function for z = {type(z.grad_fn).__name__}")
print(f"Gradient function for loss = {type(loss.grad_fn).__name__}")
loss.backward()
print(w.grad)
print(b.grad)

print(z.requires_grad)
with torch.no_grad():
    z = torch.matmul(x, w) + b
print(z.requires_grad)
print((torch.matmul(x, w) + b).detach().requires_grad)

inp = torch.eye(4, 5, requires_grad=True)
out = (inp + 1).pow(2).t()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"First call\n{inp.grad}")
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nSecond call\n{inp.grad}")
inp.grad.zero_()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nCall after zeroing gradients\n{inp.grad}")

a = torch.tensor([2.0, 3.0], requires_grad=True)
b = torch.tensor([6.0, 4.0], requires_grad=True)
q = 3 * a**3 - b**2
q.backward(gradient=torch.tensor([1.0, 1.0]))
print(9 * a**2 == a.grad, -2 * b == b.grad)

v = torch.tensor([0.5], requires_grad=True)
(g,) = torch.autograd.grad(torch.sin(v) * v, v, create_graph=True)
(gg,) = torch.autograd.grad(g, v)
print(g, gg)

node = q.grad_fn
while node is not None:
    print(node.name())
    node = node.next_functions[0][0] if node.next_functions else None


def f(u, s):
    return (u * s).sin().sum(), u.exp()


u, s = torch.rand(3), torch.rand(3)
print(torch.autograd.functional.jacobian(f, (u, s)))
print(torch.autograd.functional.hessian(lambda p: (p**3).sum(), u))
print(torch.autograd.functional.vjp(lambda p: p.sum(dim=0) * p, u, torch.ones(3)))
print(torch.autograd.functional.jvp(lambda p: p.sum(dim=0) * p, u, torch.ones(3)))
print(torch.autograd.functional.hvp(lambda p: (p**3).sum(), u, torch.ones(3)))

hits = []
h = torch.rand(2, requires_grad=True)
k = h * 2
k.register_hook(lambda grad: grad * 10)
k.retain_grad()
k.sum().backward()
print(h.grad, k.grad, k.is_leaf, h.is_leaf)
try:
    k.sum().backward()
    torch.ones(3, requires_grad=True).mul(2).backward()
except RuntimeError as error:
    print(str(error)[:60])
