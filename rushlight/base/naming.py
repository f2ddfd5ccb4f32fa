"""PyTorch's names for rushlight's modules, and the way back."""

PACKAGES = (("rushlight.vision", "torchvision"), ("rushlight", "torch"))  # the longer one first


def to_torch(module: str) -> str:
    """PyTorch's name for one of rushlight's modules; other names stay.

    Examples::

        >>> from rushlight.base.naming import to_torch
        >>> to_torch("rushlight.nn.modules.linear")
        'torch.nn.modules.linear'
    """
    for ours, theirs in PACKAGES:
        if module == ours or module.startswith(ours + "."):
            return theirs + module[len(ours) :]
    return module


def from_torch(module: str) -> str:
    """rushlight's name for one of PyTorch's or torchvision's modules; other names stay.

    Examples::

        >>> from rushlight.base.naming import from_torch
        >>> from_torch("torchvision.models")
        'rushlight.vision.models'
    """
    for ours, theirs in PACKAGES:
        if module == theirs or module.startswith(theirs + "."):
            return ours + module[len(theirs) :]
    return module
