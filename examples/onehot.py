"""Labels as one-hot vectors.   python onehot.py [folder of data]"""

import sys

import torch
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import Lambda, ToTensor

root = sys.argv[1] if len(sys.argv) > 1 else "data"
ds = datasets.FashionMNIST(
    root=root,
    train=True,
    download=True,
    transform=ToTensor(),
    target_transform=Lambda(
        lambda y: torch.zeros(10, dtype=torch.float).scatter_(dim=0, index=torch.tensor(y), value=1)
    ),
)
image, target = ds[0]
print(image.shape, image.dtype, target)
images, targets = next(iter(DataLoader(ds, batch_size=4)))
print(images.shape, f"{images.mean().item():.4f}")
print(targets)
