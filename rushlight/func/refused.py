"""What ``torch.func`` has for compilers only."""

from rushlight.base.errors import refused

functionalize = refused("torch.func.functionalize", "operations run as they are written")
