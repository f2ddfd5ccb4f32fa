"""The folder's modules run when first used, once, whichever thread comes first."""

FIRST_USE = """
import sys, threading
import rushlight as torch
from rushlight import kernels

sys.setswitchinterval(1e-6)
wall = threading.Barrier(6)
failed = []

def use(k):
    x = torch.ones(40, 40)
    wall.wait()
    try:
        y = torch.tanh(x @ x) + torch.randn(20, 40).sum() + torch.exp(x)
        y.softmax(1), y.cumsum(0), torch.randperm(9), torch.nn.functional.layer_norm(y, (40,))
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=use, args=(k,)) for k in range(6)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not failed, failed
"""


def test_first_use_in_several_threads(run_python):
    for _ in range(3):
        run_python("-W", "error", "-c", FIRST_USE)


def test_a_module_costs_nothing_until_it_is_used(run_python):
    text = (
        "import sys; from rushlight.kernels import norm; m = sys.modules['rushlight.kernels.norm']\n"
        "assert m is norm and 'Callable' not in m.__dict__ and 'layer_norm' not in m.__dict__\n"
        "assert m.native and type(m) is type(sys) and 'native' in m.__dict__\n"
    )
    run_python("-c", text)
