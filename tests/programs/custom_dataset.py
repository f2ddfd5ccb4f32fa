"""Own data sets: from a table, from arrays, with transforms and collating; samplers; iterable ones."""

import csv
import os

import numpy as np
import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    WeightedRandomSampler,
    random_split,
)

torch.manual_seed(2)
rng = np.random.RandomState(1)
os.makedirs("faces", exist_ok=True)
with open("annotations.csv", "w", newline="") as file:
    writer = csv.writer(file)
    for i in range(12):
        name = f"img{i}.png"
        Image.fromarray(rng.randint(0, 255, (10 + i, 14, 3), dtype=np.uint8)).save(f"faces/{name}")
        writer.writerow([name, i % 3])


class Rescale:
    def __init__(self, size):
        self.size = size

    def __call__(self, sample):
        return {**sample, "image": sample["image"].resize((self.size, self.size), Image.NEAREST)}


class ToTensor:
    def __call__(self, sample):
        image = np.asarray(sample["image"]).transpose((2, 0, 1)).copy()
        return {
            "image": torch.from_numpy(image).float() / 255,
            "label": torch.tensor(sample["label"]),
        }


class FaceDataset(Dataset):
    """Pictures and the classes that a table gives them."""

    def __init__(self, table, root_dir, transforms=()):
        with open(table) as file:
            self.rows = list(csv.reader(file))
        self.root_dir = root_dir
        self.transforms = transforms

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, idx):
        if torch.is_tensor(idx):
            idx = idx.tolist()
        name, label = self.rows[idx]
        sample = {"image": Image.open(os.path.join(self.root_dir, name)), "label": int(label)}
        for t in self.transforms:
            sample = t(sample)
        return sample


faces = FaceDataset("annotations.csv", "faces", [Rescale(8), ToTensor()])
print(len(faces), faces[3]["image"].shape, faces[torch.tensor(4)]["label"])
loader = DataLoader(faces, batch_size=4, shuffle=True, num_workers=0)
for i_batch, batch in enumerate(loader):
    print(i_batch, batch["image"].size(), batch["label"], batch["image"].mean().item())

train, valid = random_split(faces, [0.75, 0.25], generator=torch.Generator().manual_seed(42))
print(len(train), len(valid), train.indices, valid.indices)
print(len(ConcatDataset([train, Subset(faces, [0, 1])])))
print(list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=False)))
print(list(RandomSampler(range(5))), list(RandomSampler(range(5), replacement=True, num_samples=8)))
print(list(WeightedRandomSampler([0.1, 0.9, 0.4], 6)))


class Words(Dataset):
    words = ["a", "to", "the", "moon", "stars"]

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        return torch.tensor([ord(c) for c in self.words[i]]), self.words[i]


def collate(samples):
    codes, words = zip(*samples)
    return pad_sequence(codes, batch_first=True), list(words)


for codes, words in DataLoader(Words(), batch_size=2, collate_fn=collate):
    print(codes, words)
for codes, words in DataLoader(Words(), batch_size=None):
    print(codes.shape, words)


class Stream(IterableDataset):
    def __init__(self, start, end):
        self.start, self.end = start, end

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        if info is None:
            return iter(range(self.start, self.end))
        return iter(range(self.start + info.id, self.end, info.num_workers))


print(list(DataLoader(Stream(3, 7), batch_size=3)))
print(sorted(int(t) for t in DataLoader(Stream(3, 9), num_workers=2, batch_size=None)))
print(
    [b.tolist() for b in DataLoader(list(range(10)), batch_size=4, num_workers=2, drop_last=True)]
)
print(next(iter(DataLoader([{"x": 1.5, "y": [np.float32(2), (3, "z")]}] * 2, batch_size=2))))
