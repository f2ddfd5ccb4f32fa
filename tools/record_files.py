"""Records PyTorch's files for tests/serialization. Run by an interpreter that has PyTorch."""

import collections
import warnings
from pathlib import Path

import torch
from torch import nn

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "files"


def network() -> nn.Module:
    """A small network with a convolution, a norm, a pool and nested containers."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(inplace=True)),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(8, 3),
    )


def main() -> None:
    """Writes the files."""
    warnings.simplefilter("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    base = torch.arange(6.0)
    save = lambda obj, name, **kwargs: torch.save(obj, FOLDER / name, **kwargs)  # noqa: E731
    views = {"base": base, "matrix": base.view(2, 3), "part": base.view(2, 3)[:, 1:],
             "turned": base.view(2, 3).T, "wide": base[:2].expand(3, 2)}  # fmt: skip
    save(views, "views.pt")
    save(views, "views_legacy.pt", _use_new_zipfile_serialization=False)
    dtypes = [
        getattr(torch, name)
        for name in [
            "uint8",
            "int8",
            "int16",
            "int32",
            "int64",
            "float16",
            "bfloat16",
            "float32",
            "float64",
            "complex64",
            "complex128",
            "bool",
            "uint16",
            "uint32",
            "uint64",
            "float8_e4m3fn",
            "float8_e5m2",
        ]
    ]
    save({str(d): torch.tensor([0, 1, 1]).to(d) for d in dtypes}, "dtypes.pt")
    values = {"none": None, "flag": True, "int": -5, "big": 2**70, "float": 1.5, "text": "ü",
              "bytes": b"xyz", "list": [1, 2], "tuple": (1, 2, 3, 4), "set": {1, 2}, "complex": 1j,
              "counter": collections.Counter("aab"), "size": torch.Size([2, 3]),
              "dtype": torch.float32, "device": torch.device("cpu"), "empty": torch.zeros(0, 3),
              "number": torch.tensor(2.5), "grad": torch.ones(2, requires_grad=True),
              "parameter": nn.Parameter(torch.ones(2))}  # fmt: skip
    save(values, "values.pt")
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.rand(4, 1, 4, 4)
    model(x).sum().backward()
    optimizer.step()
    model.eval()
    save(model.state_dict(), "state.pt")
    save(model, "model.pt")
    save(optimizer.state_dict(), "adam.pt")
    save({"x": x, "y": model(x).detach()}, "output.pt")
    print(sum(f.stat().st_size for f in FOLDER.iterdir()), "bytes")


if __name__ == "__main__":
    main()
