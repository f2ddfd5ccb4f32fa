"""Cases: reductions, running sums, sorting, counting."""

CASES = """
torch.sum(x) | x: 2,3
torch.sum(x, 1) | x: 2,3
torch.sum(x, (0, 2), True) | x: 2,3,2
torch.sum(x, 0, dtype=torch.float32) | x: 2,3 | nograd
torch.mean(x) | x: 2,3
torch.mean(x, 0, True) | x: 2,3
torch.prod(x) | x: 2,3
torch.prod(x, 1) | x: 2,3
torch.prod(x * y, 0) | x: 2,3 | y: i2 2,3
torch.amax(x, 1) | x: 2,3
torch.amin(x, (0, 1)) | x: 2,3
torch.aminmax(x, dim=1) | x: 2,3
torch.max(x) | x: 2,3
torch.max(x, 1) | x: 2,3
torch.min(x) | x: 2,3
torch.min(x, 0, True) | x: 2,3
torch.argmax(x, 1) | x: 2,3
torch.argmin(x) | x: 2,3
torch.all(x, 1) | x: b 2,3
torch.any(x) | x: b 2,3
torch.count_nonzero(x, 1) | x: i2 2,3
torch.logsumexp(x, 1) | x: 2,3
torch.logsumexp(x, (0, 1), True) | x: 2,3
torch.nansum(x, 1) | x: 2,3
torch.nanmean(x, 1) | x: 2,3
torch.norm(x) | x: 2,3
torch.norm(x, 1.5, 1) | x: 2,3
torch.std(x, 1) | x: 2,3
torch.std(x, correction=0) | x: 2,3
torch.std_mean(x, 1) | x: 2,3
torch.var(x, 0) | x: 3,2
torch.var(x, 1, correction=0, keepdim=True) | x: 2,3
torch.var_mean(x) | x: 2,3
torch.median(x) | x: 2,3
torch.median(x, 1) | x: 2,3
torch.nanmedian(x, 1) | x: 2,3
torch.mode(x, 1) | x: 2,3
torch.nanquantile(x, y) | x: 3 | y: u 2
torch.quantile(x, 0.3, 1) | x: 2,4
torch.quantile(x, y, interpolation="midpoint") | x: 2,3 | y: ku 2 | nograd
torch.nanquantile(x, 0.6) | x: 2,4
torch.kthvalue(x, 2, 1) | x: 2,4
torch.topk(x, 2) | x: 2,4
torch.sort(x, 1, True) | x: 2,4
torch.argsort(x, 0) | x: 4,2
torch.msort(x) | x: 4,2
torch.cumsum(x, 1) | x: 2,3
torch.cumprod(x, 1) | x: 2,3
torch.cumprod(x * y, 0) | x: 3,2 | y: i2 3,2
torch.cummax(x, 1) | x: 2,3
torch.cummin(x, 0) | x: 3,2
torch.logcumsumexp(x, 1) | x: 2,3
torch.logcumsumexp(x, 0) | x: c 3 | first
torch.diff(x) | x: 2,4
torch.diff(x, 2, 0, y) | x: 3,2 | y: 1,2
torch.trapezoid(x, dx=0.5) | x: 2,4
torch.trapezoid(x, y) | x: 2,4 | y: 4
torch.cumulative_trapezoid(x) | x: 2,4
torch.gradient(x, spacing=0.5, dim=1) | x: 2,4
torch.gradient(x, spacing=(y,), dim=1, edge_order=2) | x: 2,4 | y: k 4
torch.cov(x) | x: 3,4
torch.cov(x, fweights=y) | x: 2,4 | y: i5 4
torch.corrcoef(x) | x: 3,4
torch.histc(x, 4) | x: k 9
torch.histogram(x, 3, range=(-1.0, 1.0)) | x: k 9
torch.bincount(x) | x: i5 9
torch.bucketize(x, y) | x: k 5 | y: k 1
torch.searchsorted(y.sort()[0], x) | x: k 5 | y: k 4
torch.searchsorted(y, x) | x: k 0,2 | y: k 0,3
torch.frexp(x) | x: k -
torch.unique(x, return_counts=True) | x: i4 9
torch.unique_consecutive(x) | x: i2 9
torch.nonzero(x) | x: i2 2,3
torch.isin(x, y) | x: i9 5 | y: i9 4
torch.equal(x, x) | x: k 3
torch.allclose(x, x) | x: k 3
torch.dist(x, y, 3) | x: 2,3 | y: 3
torch.renorm(x, 2, 0, 0.7) | x: 2,3
torch.softmax(x, 1) | x: 2,3
torch.log_softmax(x, 0) | x: 3,2
F.normalize(x) | x: 2,3
torch.masked.mean(x, 1, mask=y) | x: 2,3 | y: b 2,3
torch.masked.softmax(x, 1, mask=y) | x: 2,4 | y: b 2,4
torch.masked.var(x, 1, correction=0) | x: 2,4
torch.segment_reduce(x, "sum", lengths=torch.tensor([1, 0, 3])) | x: 4,2
torch.segment_reduce(x, "max", lengths=torch.tensor([1, 3]), initial=-9) | x: 4,2
torch.hash_tensor(x, 0) | x: i9 4,2
"""
