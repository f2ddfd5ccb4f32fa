"""``torch.onnx``: export is not supported yet."""

from rushlight.base.errors import refused

export = refused("torch.onnx.export yet", "save the state dict with torch.save")
dynamo_export = refused("torch.onnx.dynamo_export", "PyTorch has removed it, too")


def is_in_onnx_export() -> bool:
    """False."""
    return False
