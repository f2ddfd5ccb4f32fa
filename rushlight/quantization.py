"""``torch.quantization``: not supported."""

from rushlight.base.errors import refused

_WHY = "there are no quantized tensors; use float32, bfloat16 or float16"
quantize = refused("torch.quantization.quantize", _WHY)
quantize_dynamic = refused("torch.quantization.quantize_dynamic", _WHY)
quantize_qat = refused("torch.quantization.quantize_qat", _WHY)
prepare = refused("torch.quantization.prepare", _WHY)
prepare_qat = refused("torch.quantization.prepare_qat", _WHY)
convert = refused("torch.quantization.convert", _WHY)
fuse_modules = refused("torch.quantization.fuse_modules", _WHY)
get_default_qconfig = refused("torch.quantization.get_default_qconfig", _WHY)
