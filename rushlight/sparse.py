"""``torch.sparse``: there are no sparse tensors."""

from rushlight.base.errors import refused

_WHY = "all tensors are dense; use index_add, scatter_add or embedding_bag where they fit"
mm = refused("torch.sparse.mm", _WHY)
sum = refused("torch.sparse.sum", _WHY)
addmm = refused("torch.sparse.addmm", _WHY)
softmax = refused("torch.sparse.softmax", _WHY)
log_softmax = refused("torch.sparse.log_softmax", _WHY)
spdiags = refused("torch.sparse.spdiags", _WHY)
sampled_addmm = refused("torch.sparse.sampled_addmm", _WHY)
check_sparse_tensor_invariants = refused("torch.sparse.check_sparse_tensor_invariants", _WHY)
sparse_coo_tensor = refused("torch.sparse_coo_tensor", _WHY)
sparse_csr_tensor = refused("torch.sparse_csr_tensor", _WHY)
sparse_csc_tensor = refused("torch.sparse_csc_tensor", _WHY)
sparse_bsr_tensor = refused("torch.sparse_bsr_tensor", _WHY)
sparse_bsc_tensor = refused("torch.sparse_bsc_tensor", _WHY)
sparse_compressed_tensor = refused("torch.sparse_compressed_tensor", _WHY)
