"""MNIST and its relatives, read from the gzipped IDX files, served one picture at a time."""

import gzip
import os

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset


def _read(path):
    with gzip.open(path, "rb") as file:
        data = file.read()
    dims = data[3]
    shape = np.frombuffer(data, ">i4", dims, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dims).reshape(shape)


class MNIST(Dataset):
    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        folder = os.path.join(root, type(self).__name__, "raw")
        part = "train" if train else "t10k"
        images = _read(os.path.join(folder, f"{part}-images-idx3-ubyte.gz"))
        labels = _read(os.path.join(folder, f"{part}-labels-idx1-ubyte.gz"))
        self.data = torch.from_numpy(images.copy())
        self.targets = torch.from_numpy(labels.astype(np.int64))
        self.transform, self.target_transform = transform, target_transform

    def __getitem__(self, index):
        img, target = self.data[index], int(self.targets[index])
        img = Image.fromarray(img.numpy())
        if self.transform is not None:
            img = self.transform(img)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return img, target

    def __len__(self):
        return len(self.data)


class FashionMNIST(MNIST):
    pass
