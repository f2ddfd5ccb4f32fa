"""``torch.functional``: some of the root's functions, under the name of the file PyTorch has them in."""

from rushlight.ops.table import FUNCTIONS

NAMES = (
    "align_tensors atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors "
    "cartesian_prod cdist chain_matmul einsum lu meshgrid norm split stft tensordot unique "
    "unique_consecutive unravel_index"
)
globals().update({name: FUNCTIONS[name] for name in NAMES.split() if name in FUNCTIONS})
