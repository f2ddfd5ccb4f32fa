import numpy as np
import pytest
from native_checks import close, machine, numbers

from rushlight.kernels import embedding


@pytest.mark.parametrize("shape", [(1,), (7,), (4, 9), (300,)])
@pytest.mark.parametrize("columns", [1, 16, 37])
def test_forward_and_backward(shape, columns):
    weight = numbers((50, columns), 1)
    indices = np.random.default_rng(2).integers(0, 50, shape)
    np.testing.assert_array_equal(machine(embedding, "embedding")(weight, indices), weight[indices])
    g = numbers((*shape, columns), 3)
    for padding in (-1, int(indices.flat[0])):
        expected = np.zeros((50, columns))
        kept = indices.ravel() != padding
        np.add.at(expected, indices.ravel()[kept], g.reshape(-1, columns)[kept])
        got = machine(embedding, "embedding_backward")(g, indices, 50, padding)
        close(got, expected, rtol=1e-5, atol=1e-6)
        got = embedding.embedding_backward(g.astype("f8"), indices, 50, padding)
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("bad", [50, -1, 1 << 60])
def test_an_index_out_of_range(bad):
    weight, indices = numbers((50, 8), 1), np.arange(12).reshape(3, 4)
    indices[1, 2] = bad
    for table in (weight, weight.astype("f8")):
        with pytest.raises(IndexError, match="index out of range in self"):
            embedding.embedding(table, indices)
    # a gradient for no row is left out
    got = embedding.embedding_backward(np.ones((3, 4, 8), np.float32), np.abs(indices), 12, 12)
    assert got.sum() == 11 * 8 or bad == -1


def test_empty_and_strided():
    weight = numbers((6, 4), 1)
    assert embedding.embedding(weight, np.zeros((0, 2), np.int64)).shape == (0, 2, 4)
    np.testing.assert_array_equal(embedding.embedding(weight.T, np.array([1, 3])), weight.T[[1, 3]])
