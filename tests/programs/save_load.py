"""Saving and loading: state dicts, whole modules, checkpoints, several models, warm starts."""

import os

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(0)


class TheModelClass(nn.Module):
    def __init__(self):
        super(TheModelClass, self).__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 20)
        self.bn = nn.BatchNorm1d(20)
        self.fc3 = nn.Linear(20, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        return self.fc3(self.bn(F.relu(self.fc1(x))))


model = TheModelClass()
optimizer = optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
print("Model's state_dict:")
for param_tensor in model.state_dict():
    print(param_tensor, "\t", model.state_dict()[param_tensor].size())
print("Optimizer's state_dict:")
for var_name in optimizer.state_dict():
    print(var_name, "\t", optimizer.state_dict()[var_name])

torch.save(model.state_dict(), "model_weights.pth")
other = TheModelClass()
print(other.load_state_dict(torch.load("model_weights.pth", weights_only=True)))
other.eval()
model.eval()
x = torch.randn(2, 3, 32, 32)
print(torch.equal(model(x), other(x)))
torch.save(model, "model.pth")
whole = torch.load("model.pth", weights_only=False)
print(torch.equal(whole(x), other(x)), type(whole).__name__)
try:
    torch.load("model.pth")
except Exception as error:
    print(type(error).__name__, str(error).splitlines()[0][:80])

model.train()
for step in range(3):
    loss = F.cross_entropy(model(x), torch.tensor([1, 7]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(
    {
        "epoch": 5,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "loss": loss,
    },
    "checkpoint.tar",
)
resumed = TheModelClass()
optimizer2 = optim.SGD(resumed.parameters(), lr=0.5)
checkpoint = torch.load("checkpoint.tar", map_location=torch.device("cpu"))
resumed.load_state_dict(checkpoint["model_state_dict"])
optimizer2.load_state_dict(checkpoint["optimizer_state_dict"])
print(checkpoint["epoch"], checkpoint["loss"], optimizer2.param_groups[0]["lr"])
for m, o in ((model, optimizer), (resumed, optimizer2)):
    loss = F.cross_entropy(m(x), torch.tensor([1, 7]))
    o.zero_grad()
    loss.backward()
    o.step()
    print(loss.item(), m.fc3.weight.sum().item())

smaller = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
partial = {"0.weight": torch.ones(3, 4), "9.bias": torch.zeros(1)}
print(smaller.load_state_dict(partial, strict=False))
for bad in (partial, {"0.weight": torch.ones(2, 4), "0.bias": torch.ones(3)}):
    try:
        smaller.load_state_dict(bad)
    except RuntimeError as error:
        print(error)
print(sorted(os.listdir()))
a = torch.arange(10)
torch.save([a[:4], {"b": a[2:], "n": (1, "x", None, 2.5)}], "tensors.pt")
b = torch.load("tensors.pt")
b[0][3] = 100
print(b)
