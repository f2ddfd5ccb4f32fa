"""Tensors: making them, their attributes, indexing, joining, arithmetic, the bridge to NumPy."""

import numpy as np
import torch

torch.manual_seed(3)

rows = [[1, 2], [3, 4]]
x_data = torch.tensor(rows)
print(x_data)
x_np = torch.from_numpy(np.array(rows))
print(x_np, x_np.dtype)
print(torch.ones_like(x_data))
print(torch.rand_like(x_data, dtype=torch.float))

shape = (2, 3)
print(f"Random:\n{torch.rand(shape)}\nOnes:\n{torch.ones(shape)}\nZeros:\n{torch.zeros(shape)}")

t = torch.rand(3, 4)
print(f"Shape: {t.shape}\nDatatype: {t.dtype}\nDevice: {t.device}")
if torch.cuda.is_available():
    t = t.to("cuda")

t = torch.ones(4, 4)
print(f"First row: {t[0]}")
print(f"First column: {t[:, 0]}")
print(f"Last column: {t[..., -1]}")
t[:, 1] = 0
print(t)
print(torch.cat([t, t, t], dim=1))
print(torch.stack([t, t]).shape)

y1 = t @ t.T
y2 = t.matmul(t.T)
y3 = torch.rand_like(y1)
torch.matmul(t, t.T, out=y3)
print(torch.equal(y1, y2), torch.equal(y2, y3))
z1 = t * t
z2 = t.mul(t)
z3 = torch.rand_like(t)
torch.mul(t, t, out=z3)
print(z1, z2, z3)

agg = t.sum()
item = agg.item()
print(item, type(item))
t.add_(5)
print(t)

t = torch.ones(5)
n = t.numpy()
print(t, n)
t.add_(1)
print(t, n)
n = np.ones(5)
t = torch.from_numpy(n)
np.add(n, 1, out=n)
print(t, n)

a = torch.arange(24).reshape(2, 3, 4)
print(a.permute(2, 0, 1).shape, a.transpose(0, 1).stride(), a[:, ::2].tolist())
print(a.float().mean(dim=(0, 2)), a.max(dim=2), a.argmax())
print(a[a % 5 == 0], a[[0, 1], [1, 2]], torch.where(a > 12, a, -a).sum())
print(
    torch.randint(0, 10, (3,)), torch.randn(2, 2), torch.randperm(6), torch.normal(0.0, 1.0, (2,))
)
print(torch.linspace(0, 1, 5), torch.logspace(0, 2, 3), torch.eye(2), torch.full((2,), 7.5))
print(a.chunk(2, dim=2)[0].shape, [p.shape for p in a.split([1, 2], dim=1)])
print(
    torch.tensor(3.0).item(), torch.tensor([1.5, 2.5]).to(torch.int32), torch.tensor([True, False])
)
