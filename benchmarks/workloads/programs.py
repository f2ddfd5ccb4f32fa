"""Training steps of plain eager scripts."""

import torch
from torch import nn


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 5, 3, padding=1)
        self.conv2 = nn.Conv2d(5, 10, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc = nn.Linear(490, 10)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        return self.fc(x.view(-1, 490))


def training(model, optimizer, x, y, loss_fn):
    def step():
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def cnn(batch):
    def make():
        model = CNN()
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
        x, y = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
        return training(model, optimizer, x, y, nn.CrossEntropyLoss())

    return make


def wide_mlp():
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))
    return training(model, optimizer, x, y, nn.CrossEntropyLoss())


def mlp(width):
    def make():
        model = nn.Sequential(
            nn.Linear(10, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        x, y = torch.randn(128, 10), torch.randn(128, 10)
        return training(model, optimizer, x, y, nn.MSELoss())

    return make


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(64, 128, num_layers=2, batch_first=True)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def lstm():
    model = Recurrent()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = torch.randn(32, 50, 64), torch.randint(0, 10, (32,))
    return training(model, optimizer, x, y, nn.CrossEntropyLoss())


def adam():
    parameters = [nn.Parameter(torch.randn(1000, 1000)) for _ in range(10)]
    for p in parameters:
        p.grad = torch.randn(1000, 1000)
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    return optimizer.step


WORKLOADS = {
    "cnn_step_batch_1": (cnn(1), 10.0),
    "cnn_step_batch_64": (cnn(64), 3.0),
    "mlp_784_512_512_10_step": (wide_mlp, 1.3),
    "mlp_width_32_step": (mlp(32), 6.0),
    "mlp_width_46_step": (mlp(46), 6.0),
    "mlp_width_256_step": (mlp(256), 2.0),
    "lstm_64_128_step": (lstm, 1.5),
    "adam_10m_step": (adam, 1.5),
}
