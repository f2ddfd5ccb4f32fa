"""Random numbers from machine code: PyTorch's bit for bit, NumPy's words, states that interlock."""

import zlib

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.generator import Generator
from rushlight.kernels import random as kernels
from rushlight.ops import _draw as draw

native = pytest.mark.skipif(not kernels.available(), reason="no generated code")

# CRC-32 of PyTorch's bytes after manual_seed(7) and rand(3): randn, uniform_(-0.37, 0.81), normal_(0.2, 3).
SINGLES = [
    (16, 1048920430, 1312044301, 684454190),
    (17, 1339369345, 3345607645, 2820320708),
    (31, 1345469821, 2236061988, 870363591),
    (40, 3829799517, 2291380837, 1364248481),
    (624, 4011080859, 1285588123, 2987421660),
    (1000, 4160919184, 735377358, 303193949),
    (4097, 2906006365, 383527148, 1982447118),
    (100003, 48420074, 3674893792, 450976715),
]
# The same of randn in float64, randperm, randint(-5, 1000), bernoulli_(0.3).
OTHERS = [
    (3, 4194580702, 1623304314, 2494819928, 4130370329),
    (15, 3949419066, 701099932, 2950892301, 3088780937),
    (16, 1554878704, 3172596862, 1366506980, 1435862739),
    (100, 1557334918, 257486922, 4086618385, 508666626),
]


def _begin():
    torch.manual_seed(7)
    torch.rand(3)


def _sums(*tensors):
    return tuple(zlib.crc32(t.numpy().tobytes()) for t in tensors)


@native
@pytest.mark.parametrize("n, sums", [(n, sums) for n, *sums in SINGLES])
def test_single_precision_is_pytorchs(n, sums):
    _begin()
    a, b, c = torch.randn(n), torch.empty(n).uniform_(-0.37, 0.81), torch.empty(n).normal_(0.2, 3.0)
    assert _sums(a, b, c) == tuple(sums)


@pytest.mark.parametrize("n, sums", [(n, sums) for n, *sums in OTHERS])
def test_others_are_pytorchs(n, sums):
    _begin()
    found = _sums(torch.randn(n, dtype=torch.float64), torch.randperm(n),
                  torch.randint(-5, 1000, (n,)), torch.empty(n).bernoulli_(0.3))  # fmt: skip
    if kernels.available() or n < 16:
        assert found[0] == sums[0]
    assert found[1:] == tuple(sums[1:])


@native
@pytest.mark.parametrize("n", [*range(1, 41), 623, 624, 625, 1248, 5000, 100003])
def test_words_are_numpys(n):
    g, numpy = Generator().manual_seed(n), Generator().manual_seed(n)
    for _ in range(2):
        assert (draw.uniform(g, n, draw.F32) == draw._uniform_numpy(numpy, n, draw.F32)).all()
        assert (draw.uniform(g, n, draw.F64) == draw._uniform_numpy(numpy, n, draw.F64)).all()
        assert g.word() == numpy.word()
    words = numpy.words(n).astype(np.int64)
    assert (draw.integers(g, n, -7, 1000, np.dtype(np.int64)) == words % 1000 - 7).all()
    largest = (1 << 28) - 1
    expected = numpy.words(n).astype(np.int64) % largest
    assert (draw.integers(g, n, 0, largest, np.dtype(np.int64)) == expected).all()
    wide = numpy.words64(n) & np.uint64((1 << 53) - 1)
    assert (draw.below(g, n, 0.3) == (wide < 0.3 * 2.0**53)).all()
    assert (g.get_state().numpy() == numpy.get_state().numpy()).all()


@native
@pytest.mark.parametrize("n", [2, 3, 100, 3000])
def test_permutation(n):
    g, numpy = Generator().manual_seed(n), Generator().manual_seed(n)
    expected = np.arange(n)
    for i, word in enumerate(numpy.words(n - 1).tolist()):
        j = i + word % (n - i)
        expected[[i, j]] = expected[[j, i]]
    assert (draw.permutation(g, n) == expected).all()


@native
def test_state_goes_on_after_setting_it():
    g = Generator().manual_seed(3)
    torch.rand(1000, generator=g)
    state = g.get_state()
    first = torch.randn(777, generator=g)
    g.set_state(state)
    assert torch.equal(torch.randn(777, generator=g), first)
    other = g.clone_state()
    assert torch.equal(torch.rand(5, generator=g), torch.rand(5, generator=other))
    g.manual_seed(3)
    assert torch.equal(
        torch.rand(3, generator=g), torch.rand(3, generator=torch.Generator().manual_seed(3))
    )


@native
def test_arrays_that_do_not_fit_are_refused():
    g = Generator().manual_seed(0)
    with pytest.raises(TypeError, match="contiguous"):
        kernels.uniform(np.empty((4, 4), np.float32)[:, ::2], g.address(), 0.0, 1.0)
    strided = torch.empty(4, 6)[:, ::2].uniform_()
    assert float(strided.min()) >= 0 and float(strided.max()) < 1
