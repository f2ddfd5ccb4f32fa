"""Whole models of torchvision."""

import torch
import torchvision.models as models
from torch import nn


def inference(build, size):
    def make():
        model = build().eval()
        x = torch.randn(1, 3, size, size)

        def step():
            with torch.no_grad():
                model(x)

        return step

    return make


def training(build, batch, size):
    def make():
        model = build(num_classes=10).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        x, y = torch.randn(batch, 3, size, size), torch.randint(0, 10, (batch,))
        loss_fn = nn.CrossEntropyLoss()

        def step():
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    return make


WORKLOADS = {
    "vgg16_inference": (inference(models.vgg16, 224), 2.3),
    "resnet18_inference": (inference(models.resnet18, 224), 1.5),
    "resnet18_training_64x64": (training(models.resnet18, 32, 64), 1.3),
    "alexnet_training_batch_16": (training(models.alexnet, 16, 224), 1.3),
}
