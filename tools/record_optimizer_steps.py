"""Record parameters after 100 steps of PyTorch's optimizers: tests/golden/optimizer_steps.json.

Run with PyTorch 2.13. The gradients are a formula of the step, so that nothing else is stored.
"""

import json
from pathlib import Path

import numpy as np
import torch

CASES = {
    "SGD": {"lr": 0.05},
    "SGD momentum": {"lr": 0.05, "momentum": 0.9},
    "SGD dampening": {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    "SGD nesterov": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "SGD maximize": {"lr": 0.01, "maximize": True},
    "Adam": {"lr": 0.01},
    "Adam decay": {"lr": 0.01, "weight_decay": 0.1},
    "Adam amsgrad": {"lr": 0.01, "amsgrad": True, "betas": (0.3, 0.9)},
    "AdamW": {"lr": 0.01},
    "AdamW maximize": {"lr": 0.01, "amsgrad": True, "maximize": True},
    "RMSprop": {"lr": 0.01},
    "RMSprop momentum": {"lr": 0.01, "momentum": 0.9, "centered": True},
    "RMSprop decay": {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1},
}
STEPS = 100


def start(k):
    return (np.arange(21 + 7 * k) % 11 - 5).astype(np.float32) / 4


def gradient(k, step):
    return ((np.arange(21 + 7 * k) * 7 + step * (3 + k)) % 13 - 6).astype(np.float32) / 8


def run(name, options):
    params = [torch.tensor(start(k), requires_grad=True) for k in range(2)]
    optimizer = getattr(torch.optim, name.split()[0])(params, foreach=False, **options)
    for step in range(STEPS):
        for k, p in enumerate(params):
            p.grad = torch.tensor(gradient(k, step))
        optimizer.step()
    return [p.detach().tolist() for p in params]


if __name__ == "__main__":
    recorded = {name: {"options": o, "params": run(name, o)} for name, o in CASES.items()}
    path = Path(__file__).parents[1] / "tests" / "golden" / "optimizer_steps.json"
    path.write_text(json.dumps(recorded, indent=1) + "\n")
