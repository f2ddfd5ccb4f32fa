"""The shortest training program: build, one step, end."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
loss = nn.CrossEntropyLoss()(model(torch.rand(64, 1, 28, 28)), torch.randint(0, 10, (64,)))
loss.backward()
optimizer.step()
print(loss.item())
