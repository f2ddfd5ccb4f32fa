"""Cases: products, factorisations, solutions, norms, Fourier transforms."""

CASES = """
torch.addbmm(x, y, z, beta=0.5, alpha=2) | x: 2,2 | y: 3,2,2 | z: 3,2,2
torch.addmm(x, y, z, beta=0.5, alpha=2) | x: 2 | y: 2,3 | z: 3,2
torch.addmv(x, y, z) | x: 2 | y: 2,3 | z: 3
torch.addr(x, y, z) | x: 2,3 | y: 2 | z: 3
torch.baddbmm(x, y, z, alpha=2) | x: 2,2 | y: 3,2,2 | z: 3,2,2
torch.bmm(x, y) | x: 2,2,3 | y: 2,3,2
torch.mm(x, y) | x: 2,3 | y: 3,2
torch.mm(x, y) | x: c 2,2 | y: c 2,2
torch.mv(x, y) | x: 2,3 | y: 3
torch.matmul(x, y) | x: 2,1,2,3 | y: 3,2
torch.matmul(x, y) | x: 3 | y: 2,3,2
torch.dot(x, y) | x: 3 | y: 3
torch.vdot(x, y) | x: c 3 | y: c 3
torch.inner(x, y) | x: 2,3 | y: 4,3
torch.outer(x, y) | x: 2 | y: 3
torch.kron(x, y) | x: 2,2 | y: 1,3
torch.tensordot(x, y, 1) | x: 2,3 | y: 3,2
torch.einsum("ij,jk->ki", x, y) | x: 2,3 | y: 3,2
torch.einsum("...ii->...i", x) | x: 2,3,3
torch.einsum("bi,bj,b->ij", x, y, z) | x: 2,3 | y: 2,2 | z: 2
torch.chain_matmul(x, y, z) | x: 2,3 | y: 3,2 | z: 2,2
torch.cross(x, y, 1) | x: 2,3 | y: 2,3
torch.linalg.cross(x, y) | x: 2,3 | y: 1,3
torch.linalg.vecdot(x, y) | x: 2,3 | y: 2,3
torch.linalg.multi_dot([x, y, z]) | x: 3 | y: 3,2 | z: 2,2
torch.matrix_power(x, 3) | x: 2,2
torch.matrix_power(x, -2) | x: w 2,2
torch.linalg.cholesky((x + x.mT) / 2) | x: s 3,3
torch.linalg.cholesky((x + x.mT) / 2, upper=True) | x: s 2,2,2
torch.cholesky_solve(y, x.tril()) | x: w 3,3 | y: 3,2
torch.cholesky_inverse(x.tril()) | x: w 3,3
torch.linalg.qr(x)[1].abs() | x: w 3,2
torch.linalg.qr(x)[0].abs() | x: w 2,3
torch.linalg.svd(x, False)[1] | x: 3,2
torch.linalg.svd(x, False)[0].abs() | x: 3,2
torch.linalg.svd(x, False)[2].abs() | x: 2,3
torch.linalg.svdvals(x) | x: 2,2,3
torch.linalg.eigh((x + x.mT) / 2)[0] | x: s 3,3
torch.linalg.eigh((x + x.mT) / 2)[1].abs() | x: s 3,3
torch.linalg.eigvalsh((x + x.mT) / 2, UPLO="U") | x: s 3,3
torch.linalg.eig(x)[0].real.sort()[0] | x: s 3,3
torch.linalg.eig(x)[1].abs().sum() | x: s 3,3
torch.linalg.lu(x) | x: w 3,3
torch.linalg.lu(x) | x: w 3,2
torch.linalg.lu(x) | x: w 2,3
torch.linalg.lu_factor(x) | x: w 3,3
torch.linalg.ldl_factor(x) | x: s 3,3 | nograd
torch.linalg.inv(x) | x: w 3,3
torch.linalg.pinv(x) | x: w 3,2
torch.linalg.pinv(x) | x: w 2,3
torch.linalg.solve(x, y) | x: w 3,3 | y: 3,2
torch.linalg.solve(x, y, left=False) | x: w 3,3 | y: 2,3
torch.linalg.solve_triangular(x, y, upper=True) | x: w 3,3 | y: 3,2
torch.triangular_solve(y, x)[0] | x: w 3,3 | y: 3,2
torch.linalg.lstsq(x, y)[0] | x: w 3,2 | y: 3,1
torch.linalg.det(x) | x: 2,2,2
torch.linalg.slogdet(x) | x: w 3,3
torch.logdet(x) | x: s 3,3
torch.linalg.matrix_exp(x) | x: 2,2
torch.linalg.matrix_norm(x) | x: 2,3
torch.linalg.matrix_norm(x, "nuc") | x: 3,3
torch.linalg.matrix_norm(x, 2) | x: 2,3
torch.linalg.matrix_norm(x, 2) | x: k 0,2
torch.linalg.matrix_norm(x, 1) | x: 2,3
torch.linalg.vector_norm(x, 3, 1) | x: 2,3
torch.linalg.vector_norm(x, float("inf")) | x: 2,3
torch.linalg.vector_norm(x, 0.7, 0, True) | x: 2,3
torch.linalg.norm(x, "fro") | x: 2,3
torch.linalg.cond(x) | x: w 3,3
torch.linalg.matrix_rank(x) | x: w 3,2 | nograd
torch.linalg.householder_product(x, y) | x: 3,2 | y: 2
torch.linalg.tensorinv(x.reshape(2, 2, 4)) | x: w 4,4
torch.linalg.tensorsolve(x.reshape(4, 2, 2), y) | x: w 4,4 | y: 4
torch.linalg.vander(x) | x: 3
torch.fft.fft(x) | x: 4
torch.fft.fft(x, 3) | x: c 4
torch.fft.ifft(x, dim=0) | x: c 3,2
torch.fft.rfft(x) | x: 2,4
torch.fft.rfft(x, 5, norm="ortho") | x: 4
torch.fft.irfft(x) | x: c 3
torch.fft.irfft(x, 5) | x: c 3
torch.fft.hfft(x) | x: c 3
torch.fft.ihfft(x) | x: 4
torch.fft.fft2(x) | x: 2,3
torch.fft.rfftn(x) | x: 2,3
torch.fft.irfftn(x) | x: c 2,3
torch.fft.fftshift(x) | x: 2,3
torch.stft(x, 4, window=y, return_complex=True) | x: 8 | y: p 4
torch.istft(x, 4, window=y) | x: c 3,3 | y: kp 4
torch.signal.windows.hann(x.shape[0]) | x: k 5
torch.signal.windows.kaiser(x.shape[0], beta=8.0) | x: k 5
torch.hamming_window(x.shape[0], False) | x: k 5
"""
