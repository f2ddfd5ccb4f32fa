"""A data set of one's own: a table of file names and labels, and a folder of pictures."""

import os
import tempfile

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.io import read_image


class CustomImageDataset(Dataset):
    def __init__(self, annotations_file, img_dir, transform=None, target_transform=None):
        self.img_labels = pd.read_csv(annotations_file)
        self.img_dir = img_dir
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self):
        return len(self.img_labels)

    def __getitem__(self, idx):
        img_path = os.path.join(self.img_dir, self.img_labels.iloc[idx, 0])
        image = read_image(img_path)
        label = self.img_labels.iloc[idx, 1]
        if self.transform:
            image = self.transform(image)
        if self.target_transform:
            label = self.target_transform(label)
        return image, label


with tempfile.TemporaryDirectory() as folder:
    names = []
    for i in range(6):
        pixels = np.full((4, 5, 3), 40 * i, dtype=np.uint8)
        names.append(f"picture{i}.png")
        Image.fromarray(pixels).save(os.path.join(folder, names[-1]))
    table = os.path.join(folder, "labels.csv")
    pd.DataFrame({"name": names, "label": [i % 3 for i in range(6)]}).to_csv(table, index=False)

    torch.manual_seed(0)
    dataset = CustomImageDataset(table, folder, transform=lambda image: image.float() / 255)
    for images, labels in DataLoader(dataset, batch_size=2, shuffle=True):
        print(images.shape, images.dtype, labels, f"{images.mean().item():.4f}")
