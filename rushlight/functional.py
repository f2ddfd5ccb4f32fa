"""``torch.functional``: some of the root's functions, under the name of the file PyTorch has them in."""

from rushlight.ops.table import FUNCTIONS

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "align_tensors", "block_diag", "broadcast_shapes",
    "broadcast_tensors", "cartesian_prod", "cdist", "chain_matmul", "einsum", "lu", "meshgrid",
    "norm", "split", "stft", "tensordot", "unique", "unique_consecutive", "unravel_index",
]  # fmt: skip
__all__ = [name for name in __all__ if name in FUNCTIONS]
globals().update({name: FUNCTIONS[name] for name in __all__})
