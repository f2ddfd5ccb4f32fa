"""FashionMNIST: iterating the loader, and an epoch of the optimisation tutorial's program."""

import os

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import Compose, Normalize, ToTensor

ROOT = os.environ["BENCHMARK_DATA"]


def loader(transform, shuffle):
    data = datasets.FashionMNIST(ROOT, train=True, download=False, transform=transform)
    return DataLoader(data, batch_size=64, shuffle=shuffle)


def iterate():
    batches = loader(ToTensor(), False)

    def step():
        for _x, _y in batches:
            pass

    return step


def iterate_normalized():
    batches = loader(Compose([ToTensor(), Normalize((0.2860,), (0.3530,))]), True)

    def step():
        for _x, _y in batches:
            pass

    return step


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.layers = nn.Sequential(
            nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
        )

    def forward(self, x):
        return self.layers(self.flatten(x))


def epoch():
    batches = loader(ToTensor(), False)
    model = Network()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def step():
        for i, (x, y) in enumerate(batches):
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if i % 100 == 0:
                loss.item()

    return step


WORKLOADS = {
    "fashion_loader_batch_64": (iterate, 15.0),
    "fashion_loader_shuffled_normalized": (iterate_normalized, 30.0),
    "fashion_epoch": (epoch, 3.0),
}
