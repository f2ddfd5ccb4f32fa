"""The generator behind several threads."""

FIRST_NUMBERS = """
import sys, threading
import rushlight as torch

sys.setswitchinterval(1e-6)
wall = threading.Barrier(6)
failed = []

def use(k):
    wall.wait()
    try:
        for _ in range(300):
            torch.rand(600), torch.randn(600), torch.randperm(40)
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=use, args=(k,)) for k in range(6)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not failed, failed
assert torch.default_generator._place in (0, torch.default_generator._bits.ctypes.state_address)
"""


def test_first_numbers_in_several_threads(run_python):
    for _ in range(3):
        run_python("-W", "error", "-c", FIRST_NUMBERS)
