"""A convolutional network on MNIST, one picture at a time.   python cnn_mnist.py [data [steps]]"""

import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

root = sys.argv[1] if len(sys.argv) > 1 else "data"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 60000

torch.manual_seed(1)
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
train_set = datasets.MNIST(root, train=True, download=True, transform=transform)
test_set = datasets.MNIST(root, train=False, download=True, transform=transform)
train_loader = DataLoader(train_set, batch_size=1, shuffle=True)
test_loader = DataLoader(test_set, batch_size=1, shuffle=False)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 5, kernel_size=3, stride=1, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(5, 10, kernel_size=3, stride=1, padding=1)
        self.fc = nn.Linear(490, 10)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = x.view(-1, 490)
        return self.fc(x)


net = CNN()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-4)

net.train()
running_loss = 0.0
for i, (image, label) in enumerate(train_loader, 1):
    optimizer.zero_grad()
    output = net(image)
    loss = criterion(output, label)
    loss.backward()
    optimizer.step()
    running_loss += loss.item()
    if i % 500 == 0:
        print(f"step {i}: mean loss {running_loss / 500:.4f}")
        running_loss = 0.0
    if i == steps:
        break

net.eval()
right = total = 0
for image, label in test_loader:
    output = net(image)
    _, predicted = torch.max(output.data, dim=1)
    if predicted == label:
        right += 1
    total += 1
    if total == 1000:
        break
print(f"right: {right} of {total}")
