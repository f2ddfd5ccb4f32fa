"""Transfer learning: folders of pictures, a backbone, frozen parameters, phases, best weights."""

import copy
import os
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from PIL import Image
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
rng = np.random.RandomState(0)
data_dir = "bees"
for phase, count in (("train", 12), ("val", 6)):
    for c, name in enumerate(["ants", "bees"]):
        os.makedirs(os.path.join(data_dir, phase, name), exist_ok=True)
        for i in range(count):
            array = rng.randint(0, 120, (20, 24, 3)) + 100 * c
            path = os.path.join(data_dir, phase, name, f"{i:02d}.png")
            Image.fromarray(array.astype(np.uint8)).save(path)


class Folder(Dataset):
    def __init__(self, root, flip):
        self.classes = sorted(os.listdir(root))
        self.samples = [
            (os.path.join(root, c, f), i)
            for i, c in enumerate(self.classes)
            for f in sorted(os.listdir(os.path.join(root, c)))
        ]
        self.flip = flip

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        path, label = self.samples[i]
        with Image.open(path) as im:
            x = torch.from_numpy(np.array(im.convert("RGB"))).permute(2, 0, 1).float().div(255)
        if self.flip and torch.rand(1).item() < 0.5:
            x = torch.flip(x, [2])
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        return (x - mean) / std, label


image_datasets = {p: Folder(os.path.join(data_dir, p), p == "train") for p in ("train", "val")}
dataloaders = {
    p: DataLoader(image_datasets[p], batch_size=4, shuffle=True) for p in ("train", "val")
}
dataset_sizes = {p: len(image_datasets[p]) for p in ("train", "val")}
class_names = image_datasets["train"].classes
print(dataset_sizes, class_names)


def conv_block(inputs, outputs, stride):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
    )


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.one = conv_block(inputs, outputs, stride)
        self.two = conv_block(outputs, outputs, 1)
        self.down = conv_block(inputs, outputs, stride) if stride != 1 else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.two(self.relu(self.one(x))) + self.down(x))


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv_block(3, 8, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.layer1 = BasicBlock(8, 8)
        self.layer2 = BasicBlock(8, 16, 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, 5)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def train_model(model, criterion, optimizer, scheduler, num_epochs=3):
    with tempfile.TemporaryDirectory() as tempdir:
        best_path = os.path.join(tempdir, "best.pt")
        torch.save(model.state_dict(), best_path)
        best_acc = 0.0
        for epoch in range(num_epochs):
            for phase in ("train", "val"):
                model.train() if phase == "train" else model.eval()
                running_loss, running_corrects = 0.0, 0
                for inputs, labels in dataloaders[phase]:
                    optimizer.zero_grad()
                    with torch.set_grad_enabled(phase == "train"):
                        outputs = model(inputs)
                        _, preds = torch.max(outputs, 1)
                        loss = criterion(outputs, labels)
                        if phase == "train":
                            loss.backward()
                            optimizer.step()
                    running_loss += loss.item() * inputs.size(0)
                    running_corrects += torch.sum(preds == labels.data)
                if phase == "train":
                    scheduler.step()
                epoch_loss = running_loss / dataset_sizes[phase]
                epoch_acc = running_corrects.double() / dataset_sizes[phase]
                print(f"{epoch} {phase} Loss: {epoch_loss:.4f} Acc: {epoch_acc:.4f}")
                if phase == "val" and epoch_acc > best_acc:
                    best_acc = epoch_acc
                    torch.save(model.state_dict(), best_path)
        model.load_state_dict(torch.load(best_path, weights_only=True))
    return model


backbone = Backbone()
model_ft = copy.deepcopy(backbone)
model_ft.fc = nn.Linear(model_ft.fc.in_features, 2)
optimizer = optim.SGD(model_ft.parameters(), lr=0.01, momentum=0.9)
scheduler = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
train_model(model_ft, nn.CrossEntropyLoss(), optimizer, scheduler)

model_conv = copy.deepcopy(backbone)
for param in model_conv.parameters():
    param.requires_grad = False
model_conv.fc = nn.Linear(model_conv.fc.in_features, 2)
print([n for n, p in model_conv.named_parameters() if p.requires_grad])
optimizer = optim.Adam(model_conv.fc.parameters(), lr=0.01)
scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, "min")
print(type(scheduler).__name__, optimizer)
scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
train_model(model_conv, nn.CrossEntropyLoss(), optimizer, scheduler)
print(model_conv.layer1.one[0].weight.grad, model_conv.fc.weight.shape)
features = {}
handle = model_conv.avgpool.register_forward_hook(
    lambda module, args, output: features.update(pooled=output.flatten(1).detach())
)
model_conv(next(iter(dataloaders["val"]))[0])
handle.remove()
print(features["pooled"].shape, features["pooled"].requires_grad)
