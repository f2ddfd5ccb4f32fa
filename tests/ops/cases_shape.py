"""Cases: views, indices, parts and wholes."""

CASES = """
torch.reshape(x, (3, 2)) | x: 2,3
torch.permute(x, (2, 0, 1)) | x: 2,3,1
torch.transpose(x, 0, 1) | x: 2,3
torch.swapaxes(x, 0, 1) | x: 2,3
torch.t(x) | x: 2,3
torch.squeeze(x, 1) | x: 2,1,3
torch.squeeze(x, (0, 1)) | x: 1,1,3
torch.split(x, [1, 2], 1) | x: 2,3
torch.unsqueeze(x, 1) | x: 2,3
torch.flatten(x, 1) | x: 2,3,2
torch.unflatten(x, 1, (2, 2)) | x: 2,4
torch.ravel(x) | x: 2,3
torch.movedim(x, 0, 2) | x: 2,3,1
torch.narrow(x, 1, 1, 2) | x: 2,3
torch.select(x, 1, 2) | x: 2,3
torch.split(x, 2, 1) | x: 2,3
torch.chunk(x, 2, 1) | x: 2,3
torch.tensor_split(x, 2) | x: 3,2
torch.unbind(x, 1) | x: 2,3
torch.diagonal(x, 1) | x: 3,4
torch.diag(x) | x: 3
torch.diag_embed(x) | x: 2,3
torch.diagflat(x, 1) | x: 3
torch.tril(x, 1) | x: 3,4
torch.triu(x) | x: 3,4
torch.trace(x) | x: 3,3
torch.broadcast_to(x, (4, 2, 3)) | x: 2,3
x.expand(4, 2, 3) | x: 2,1
x.unfold(1, 2, 1) | x: 2,4
x.view(6) | x: 2,3
x.view(torch.int64) | x: k 2
torch.as_strided(x, (2, 2), (1, 2)) | x: 5 | dense
torch.view_as_real(x) | x: c 2,2
torch.view_as_complex(x) | x: 3,2 | dense
torch.cat([x, y], 1) | x: 2,3 | y: 2,1
torch.stack([x, y], 1) | x: 2,3 | y: 2,3
torch.hstack([x, y]) | x: 2,3 | y: 2,1
torch.dstack([x, y]) | x: 2,3 | y: 2,3
torch.block_diag(x, y) | x: 2,3 | y: 1,2
torch.cartesian_prod(x, y) | x: 2 | y: 3
torch.combinations(x, 2) | x: 4
torch.meshgrid(x, y, indexing="ij") | x: 2 | y: 3
torch.atleast_3d(x) | x: 2,3
torch.flip(x, (0, 1)) | x: 2,3
torch.fliplr(x) | x: 2,3
torch.roll(x, 1, 1) | x: 2,3
torch.rot90(x) | x: 2,3
torch.tile(x, (2, 2)) | x: 2,3
x.repeat(2, 1, 2) | x: 2,2
torch.repeat_interleave(x, 2, 1) | x: 2,2
torch.repeat_interleave(x, y, 0) | x: 3,2 | y: i3 3
torch.gather(x, 1, y) | x: 2,3 | y: i3 2,2
torch.take(x, y) | x: 2,3 | y: i6 4
torch.take_along_dim(x, y, 1) | x: 2,3 | y: i3 2,2
torch.index_select(x, 1, y) | x: 2,3 | y: i3 4
torch.index_add(x, 0, y, z) | x: 3,2 | y: i3 4 | z: 4,2
torch.index_copy(x, 0, torch.tensor([2, 0]), z) | x: 3,2 | z: 2,2
torch.index_fill(x, 0, y, 0.5) | x: 3,2 | y: i3 2
torch.index_put(x, (y,), z, accumulate=True) | x: 3,2 | y: i3 4 | z: 4,2
torch.index_reduce(x, 0, y, z, "amax") | x: 3,2 | y: i3 4 | z: 4,2 | first
torch.index_reduce(x, 0, y, z, "prod") | x: 3,2 | y: i3 4 | z: 4,2
x[y] | x: 3,2 | y: i3 4
x[:, y, None] | x: 2,3 | y: i3 2
x[y] | x: 2,3 | y: b 2,3
x[..., 1:, 0] | x: 2,3,2
torch.masked_fill(x, y, 0.5) | x: 2,3 | y: b 2,3
torch.masked_scatter(x, y, z) | x: 2,3 | y: b 2,3 | z: 6
torch.masked_select(x, y) | x: 2,3 | y: b 2,3
torch.put(x, torch.tensor([3, 0]), z) | x: 2,3 | z: 2
torch.scatter(x, 1, torch.tensor([[2, 0], [1, 0]]), z) | x: 2,3 | z: 2,2
torch.scatter(x, 1, y, 0.5) | x: 2,3 | y: i3 2,2
torch.scatter_add(x, 1, y, z) | x: 2,3 | y: i3 2,4 | z: 2,4
torch.scatter_reduce(x, 1, y, z, "mean") | x: 2,3 | y: i3 2,4 | z: 2,4
torch.scatter_reduce(x, 1, y, z, "amin", include_self=False) | x: 2,3 | y: i3 2,4 | z: 2,4 | first
torch.slice_scatter(x, z, 1, 1, 3) | x: 2,3 | z: 2,2
torch.select_scatter(x, z, 0, 1) | x: 2,3 | z: 3
torch.diagonal_scatter(x, z) | x: 2,3 | z: 2
torch.as_strided_scatter(x, z, (2, 2), (1, 2)) | x: k 5 | z: 2,2 | dense
torch.unravel_index(x, (4, 5)) | x: i20 3
torch.nonzero_static(x, size=4) | x: i2 2,3
torch.broadcast_tensors(x, y) | x: 2,3 | y: 3
torch.clone(x) | x: 2,3
torch.zeros_like(x) | x: k 2,3
torch.full_like(x, 3) | x: k 2,3
torch.vander(x, 3) | x: k 3
torch.polar(x, y) | x: p 2,3 | y: 2,3
torch.argwhere(x) | x: i2 2,3
x.sum_to_size(1, 3) | x: 2,3
x.to(torch.float32) | x: k 2,3
x.type_as(y) | x: 2,3 | y: k 1
"""
