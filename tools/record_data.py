"""Records the golden values of tests/utils and tests/vision. Run it where PyTorch is installed.

python tools/record_data.py
"""

import json
import random
from typing import Any

import numpy as np
import torch
from oracle_models import ROOT, load
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)


class Draws(Dataset):
    """Each sample is drawn from the three generators of its worker."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        return torch.rand(1).item(), random.random(), np.random.rand()


def batches(loader: Any) -> Any:
    return [[part.tolist() for part in batch] for batch in loader]


def orders() -> dict[str, Any]:
    """Two epochs of a loader, and the next number of the default generator."""
    data = TensorDataset(torch.arange(10))
    found = {}
    for name, options in LOADERS.items():
        torch.manual_seed(3)
        options = dict(options)
        if "generator" in options:
            options["generator"] = torch.Generator().manual_seed(options["generator"])
        loader = DataLoader(data, **options)
        found[name] = [batches(loader), batches(loader), torch.rand(1).item()]
        if "generator" in options:
            found[name].append(torch.rand(1, generator=options["generator"]).item())
    return found


LOADERS: dict[str, dict[str, Any]] = {
    "in order": {"batch_size": 4},
    "shuffled": {"batch_size": 4, "shuffle": True},
    "full batches": {"batch_size": 5, "shuffle": True},
    "drop_last": {"batch_size": 4, "shuffle": True, "drop_last": True},
    "generator": {"batch_size": 3, "shuffle": True, "generator": 5},
    "generator, full batches": {"batch_size": 5, "shuffle": True, "generator": 5},
    "workers": {"batch_size": 3, "shuffle": True, "num_workers": 2},
}


def samplers() -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "random": list(RandomSampler(range(7))),
        "replacement": list(RandomSampler(range(7), True, 40)),
        "num_samples": list(RandomSampler(range(7), num_samples=17)),
        "subset": list(SubsetRandomSampler([5, 6, 9])),
        "weighted": list(WeightedRandomSampler([0.1, 0.9, 0.5], 6)),
        "weighted without replacement": list(WeightedRandomSampler([0.1, 0.9, 0.5], 3, False)),
        "split": [list(part.indices) for part in random_split(range(10), [0.3, 0.3, 0.4])],
        "next": torch.rand(1).item(),
    }


def distributed() -> list[list[int]]:
    found = []
    for shuffle in (False, True):
        for drop_last in (False, True):
            for rank in range(4):
                sampler = DistributedSampler(range(11), 4, rank, shuffle, 1, drop_last)
                sampler.set_epoch(2)
                found.append(list(sampler))
    return found


def workers() -> Any:
    torch.manual_seed(1)
    loader = DataLoader(Draws(), batch_size=2, num_workers=2, persistent_workers=True)
    return [batches(loader), batches(loader)]


def models() -> dict[str, Any]:
    """Parameter names with sums, and the printed form, of the small models."""
    found = {}
    for name, build in load().items():
        if name not in ("alexnet", "resnet18", "squeezenet1_1", "mobilenet_v2", "densenet121"):
            continue
        torch.manual_seed(0)
        model = build(num_classes=3)
        state = model.state_dict()
        found[name] = {
            "sums": {k: float(v.double().abs().sum()) for k, v in list(state.items())[::7]},
            "keys": len(state),
            "repr": repr(model),
            "next": torch.rand(1).item(),
        }
        model.eval()
        torch.manual_seed(1)
        with torch.no_grad():
            found[name]["output"] = model(torch.rand(1, 3, 64, 64)).tolist()
    return found


def main() -> None:
    golden = ROOT / "tests" / "golden"
    data = {"orders": orders(), "samplers": samplers(), "distributed": distributed(),
            "workers": workers(), "loaders": LOADERS}  # fmt: skip
    (golden / "data.json").write_text(json.dumps(data, indent=1) + "\n")
    (golden / "models.json").write_text(json.dumps(models(), indent=1) + "\n")


if __name__ == "__main__":
    main()
