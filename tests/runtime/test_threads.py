import pytest

from rushlight.base.config import config
from rushlight.runtime import cpu, threads


class Recorder:
    """In place of a pool."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def set_threads(self, number: int) -> None:
        self.numbers.append(number)

    def workers(self) -> int:
        return 5


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threads, "_number", 0)


def test_default_is_one_per_core(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "num_threads", 0)
    monkeypatch.setattr(cpu, "core_count", lambda: 7)
    assert threads.get_num_threads() == 7


def test_default_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "num_threads", 3)
    assert threads.get_num_threads() == 3


def test_number_is_remembered_until_a_pool_comes():
    threads.set_num_threads(4)
    assert threads.worker_count() == 0
    pool = Recorder()
    threads.install(pool)
    assert pool.numbers == [4]
    threads.set_num_threads(2)
    assert pool.numbers == [4, 2]
    assert threads.get_num_threads() == 2
    assert threads.worker_count() == 5


@pytest.mark.parametrize("number", [0, -1])
def test_not_positive(number: int):
    with pytest.raises(RuntimeError, match="set_num_threads expects a positive integer"):
        threads.set_num_threads(number)


@pytest.mark.parametrize("number", [1.5, "2", True, None])
def test_not_an_int(number: object):
    with pytest.raises(TypeError, match="set_num_threads expects an int"):
        threads.set_num_threads(number)  # type: ignore[arg-type]
