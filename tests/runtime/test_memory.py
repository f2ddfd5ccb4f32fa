import numpy as np
import pytest

from rushlight.runtime import memory


class Recorder:
    """In place of a pool."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.ensured = 0

    def ensure(self) -> None:
        self.ensured += 1

    def trim(self, keep: int) -> None:
        self.kept.append(keep)

    def statistics(self) -> dict[str, int]:
        return {"live_bytes": 17}


def test_without_a_pool(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "_pool", None)
    assert set(memory.memory_stats().values()) == {0}
    memory.empty_cache()
    assert not memory.relieve()
    a = memory.empty((2, 3), np.int64)
    assert a.shape == (2, 3) and a.dtype == np.int64


def test_the_pool_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "_pool", None)
    pool = Recorder()
    memory.install(pool)
    assert pool.ensured == 1
    assert memory.memory_stats() == {"live_bytes": 17}
    assert memory.empty(5).dtype == np.float32
    assert pool.ensured == 2
    memory.empty_cache()
    assert pool.kept == [0]


def test_pressure(monkeypatch: pytest.MonkeyPatch):
    pool = Recorder()
    monkeypatch.setattr(memory, "_pool", pool)
    monkeypatch.setattr(memory, "total_bytes", lambda: 16_000)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000)
    assert not memory.relieve()
    monkeypatch.setattr(memory, "available_bytes", lambda: 999)
    assert memory.relieve()
    assert pool.kept == [0]


def test_the_systems_figures():
    assert 0 < memory.available_bytes() <= memory.total_bytes()


def test_limits_of_a_container(monkeypatch: pytest.MonkeyPatch):
    figures = {"memory.max": 1000, "memory.current": 400}
    monkeypatch.setattr(memory, "_group", figures.get)
    assert memory.total_bytes() == 1000
    assert memory.available_bytes() == 600
