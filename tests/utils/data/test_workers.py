"""Worker processes: the same batches, errors with their tracebacks, no hang."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "data.json").read_text())
pytestmark = [
    pytest.mark.timeout(120),
    # one core is enough to test with two workers
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]


class Draws(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        import random

        return torch.rand(1).item(), random.random(), np.random.rand()


class Numbers(Dataset):
    def __init__(self, size=10, at=None, action=None):
        self.size, self.at, self.action = size, at, action

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if index == self.at:
            self.action()
        return index


class Shared(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, 7, info.num_workers))


def values(loader):
    return [batch.tolist() for batch in loader]


def fail():
    raise ValueError("no sample here")


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def test_generators_of_the_workers_are_seeded_as_in_pytorch():
    torch.manual_seed(1)
    loader = DataLoader(Draws(), batch_size=2, num_workers=2, persistent_workers=True)
    found = [[[part.tolist() for part in batch] for batch in loader] for _ in range(2)]
    assert found == GOLDEN["workers"]


def test_order_is_that_of_the_sampler():
    assert values(DataLoader(Numbers(), 3, num_workers=2)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    loader = DataLoader(Numbers(), 3, num_workers=2, in_order=False)
    assert sorted(values(loader)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_stream_is_shared_out_by_worker_info():
    assert values(DataLoader(Shared(), batch_size=2, num_workers=2)) == [
        [0, 2],
        [1, 3],
        [4, 6],
        [5],
    ]


def test_exception_comes_with_its_traceback():
    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process 0.") as e:
        list(DataLoader(Numbers(at=4, action=fail), 2, num_workers=2))
    text = str(e.value)
    assert "\nOriginal Traceback (most recent call last):\n" in text
    assert "in fail" in text
    assert text.endswith("ValueError: no sample here\n")


def test_iteration_goes_on_after_an_exception():
    loader = iter(DataLoader(Numbers(6, 2, fail), 2, num_workers=1))
    assert next(loader).tolist() == [0, 1]
    with pytest.raises(ValueError, match="Caught ValueError"):
        next(loader)
    assert next(loader).tolist() == [4, 5]


def test_exception_that_cannot_be_made_from_a_message():
    class Odd(Exception):
        def __init__(self, a, b):
            super().__init__(a, b)

    def action():
        raise Odd(1, 2)

    with pytest.raises(RuntimeError, match=r"Caught RuntimeError \(Odd\) in DataLoader worker"):
        list(DataLoader(Numbers(at=1, action=action), num_workers=1))


def test_key_error_is_readable():
    def action():
        {}["missing"]

    with pytest.raises(KeyError) as e:
        list(DataLoader(Numbers(at=1, action=action), num_workers=1))
    assert "Caught KeyError in DataLoader worker process 0.\n" in str(e.value)


def test_killed_worker_is_reported():
    loader = iter(DataLoader(Numbers(at=4, action=kill), 2, num_workers=2))
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexp") as e:
        list(loader)
    assert "is killed by signal: Killed. " in str(e.value.__cause__)


def test_timeout():
    loader = DataLoader(
        Numbers(2, 0, lambda: time.sleep(1.5)), num_workers=1, timeout=0.3, batch_size=2
    )
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.3 seconds"):
        list(loader)


def test_abandoned_iteration_ends_the_workers():
    loader = iter(DataLoader(Numbers(100), num_workers=2))
    next(loader)
    processes = [w.process for w in loader._workers]
    start = time.monotonic()
    del loader
    assert all(p.exitcode == 0 for p in processes)
    assert time.monotonic() - start < 3


def test_persistent_workers_are_reused_also_after_a_broken_epoch():
    loader = DataLoader(Numbers(8), 2, num_workers=2, persistent_workers=True)
    next(iter(loader))
    pids = [w.process.pid for w in loader._iterator._workers]
    assert values(loader) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert [w.process.pid for w in loader._iterator._workers] == pids


def test_large_batches_are_writable_and_keep_their_memory():
    class Large(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return torch.full((100, 100), float(index)), np.arange(5000) + index, "name", index

    batches = list(DataLoader(Large(), batch_size=2, num_workers=2))
    pictures, arrays, names, numbers = batches[1]
    assert pictures.shape == (2, 100, 100)
    assert (pictures[1] == 3).all()
    pictures.add_(1)
    assert pictures[0, 0, 0].item() == 3.0
    assert arrays[0, :3].tolist() == [2, 3, 4]
    assert tuple(names) == ("name", "name")
    assert numbers.tolist() == [2, 3]


def test_worker_init_and_info():
    def init(worker_id):
        info = get_worker_info()
        assert info.id == worker_id
        info.dataset.size = 100 + worker_id

    class Sized(Numbers):
        def __getitem__(self, index):
            return self.size

    loader = DataLoader(Sized(4), 1, num_workers=2, worker_init_fn=init)
    assert values(loader) == [[100], [101], [100], [101]]
    assert get_worker_info() is None


def test_failing_worker_init_is_reported():
    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process 0"):
        list(DataLoader(Numbers(4), num_workers=1, worker_init_fn=lambda _: fail()))


def test_spawned_workers():
    loader = DataLoader(
        torch.utils.data.TensorDataset(torch.arange(4)),
        batch_size=2, num_workers=1, multiprocessing_context="spawn",
    )  # fmt: skip
    assert [b[0].tolist() for b in loader] == [[0, 1], [2, 3]]


def test_non_leaf_tensors_are_refused():
    class History(Numbers):
        def __getitem__(self, index):
            return torch.ones(2, requires_grad=True) * 2

    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        list(DataLoader(History(2), batch_size=None, num_workers=1))


PROGRAM = """
import os, signal, sys
from rushlight.utils.data import DataLoader, Dataset

class Numbers(Dataset):
    def __len__(self):
        return 100
    def __getitem__(self, index):
        return index

loader = DataLoader(Numbers(), 2, num_workers=2, persistent_workers=True)
iterator = iter(loader)
other = iter(DataLoader(Numbers(), 2, num_workers=1))
next(iterator), next(other)
print(*[w.process.pid for i in (iterator, other) for w in i._workers], flush=True)
{ending}
"""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("raise ValueError('broken')", 1),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_workers_end_with_the_program(run_python, ending, code):
    start = time.monotonic()
    done = run_python("-c", PROGRAM.format(ending=ending), check=False, timeout=60)
    assert done.returncode == code
    if code in (0, 3):
        assert done.stderr == ""
    pids = [int(p) for p in done.stdout.split()]
    assert len(pids) == 3
    while any(alive(p) for p in pids):
        assert time.monotonic() - start < 30, "workers outlive the program"
        time.sleep(0.05)
