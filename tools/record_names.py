"""Records PyTorch's public names by namespace. Run by an interpreter that has PyTorch."""

import importlib
import json
from pathlib import Path

NAMESPACES = (
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils",
    "torch.optim", "torch.optim.lr_scheduler", "torch.autograd", "torch.utils.data",
    "torch.linalg", "torch.fft", "torch.special", "torch.amp", "torch.serialization",
    "torch.distributions",
)  # fmt: skip


def names_of(namespace: str) -> list[str]:
    """The documented names: those in ``__all__``, or what is defined without underscore."""
    if namespace == "torch.Tensor":
        target = importlib.import_module("torch").Tensor
    else:
        target = importlib.import_module(namespace)
    found = getattr(target, "__all__", None) or [n for n in dir(target) if not n.startswith("_")]
    kept = []
    for name in found:
        value = getattr(target, name, None)
        if name.startswith("_") or type(value).__name__ == "module":
            continue
        if namespace == "torch.nn.functional" and getattr(value, "__module__", "") == "typing":
            continue
        kept.append(name)
    return sorted(set(kept))


if __name__ == "__main__":
    table = {namespace: names_of(namespace) for namespace in NAMESPACES}
    path = Path(__file__).with_name("torch_names.json")
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in table.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print({k: len(v) for k, v in table.items()})
