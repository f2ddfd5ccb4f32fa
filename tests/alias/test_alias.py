"""import torch, without PyTorch."""

import textwrap

import pytest

import rushlight
from rushlight import alias
from rushlight.alias.version import TorchVersion


@pytest.fixture
def torch_alias():
    alias.install()
    yield
    alias.uninstall()


@pytest.fixture
def script(run_python, tmp_path):
    """Runs a program by ``rushlight run``."""

    def run(text, *arguments, **kwargs):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(text))
        return run_python("-m", "rushlight", "run", path, *arguments, **kwargs)

    return run


def test_same_modules(torch_alias):
    import torch
    import torch.nn.functional as F
    import torchvision
    import torchvision.models as models
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision import datasets
    from torchvision.transforms import Compose, Lambda, Normalize, ToTensor

    assert torch is rushlight
    assert nn is rushlight.nn
    assert rushlight.nn.functional is F
    assert DataLoader is rushlight.utils.data.DataLoader
    assert torchvision is rushlight.vision
    assert models is rushlight.vision.models
    assert datasets is rushlight.vision.datasets
    for name in (Compose, Lambda, Normalize, ToTensor):
        assert getattr(rushlight.vision.transforms, name.__name__) is name


def test_modules_keep_their_own_names(torch_alias):
    import torch.serialization

    assert torch.serialization.__name__ == "rushlight.serialization"
    assert torch.serialization.__spec__.name == "rushlight.serialization"


@pytest.mark.parametrize(
    "first",
    [
        "import torch.utils.data.dataloader",
        "from torch.nn.modules.linear import Linear",
        "import torchvision.datasets",
        "import torch.optim.lr_scheduler as s",
        "import rushlight.nn",
        "from torch.autograd import Function",
    ],
)
def test_any_order_of_imports(script, first):
    done = script(f"""
        {first}
        import torch, rushlight, sys
        import torch.nn
        assert torch is rushlight and torch.nn is rushlight.nn
        assert sys.modules["torch.nn"] is sys.modules["rushlight.nn"]
        print("fine")
    """)
    assert done.stdout == "fine\n"


def test_version(torch_alias):
    import torch

    assert torch.__version__ == f"2.13.0+rushlight.{rushlight.base.version.__version__}"
    assert torch.__version__ >= (2, 0)
    assert torch.__version__ > "2.9.1"
    assert not torch.__version__ < "2.13"
    assert torch.version.cuda is None
    assert isinstance(torch.__version__, str)


def test_version_is_ours_without_the_alias():
    assert rushlight.__version__ == rushlight.base.version.__version__


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("2.13.0", "2.14"), ("2.9", "2.10"), ("2.0.0a0", "2.0.0"), ("2.0.0", "2.0.0+cpu"),
        ("2.0.0rc1", "2.0.0rc2"), ("2.0.0.dev1", "2.0.0a1"), ("1.13.1", (2, 0)),
    ],
)  # fmt: skip
def test_order_of_versions(a, b):
    assert TorchVersion(a) < b
    assert TorchVersion(a) <= b
    assert TorchVersion(a) != b
    assert not TorchVersion(a) > b
    assert not TorchVersion(a) >= b
    assert TorchVersion("2.0") == "2.0.0"


def test_missing_names(torch_alias):
    import torch

    where = "the list of supported names is docs/support.md"
    with pytest.raises(AttributeError, match=f"'torch' has no attribute 'nonsense'.*{where}"):
        torch.nonsense
    with pytest.raises(ImportError, match=f"cannot import name 'nonsense' from 'torch'.*{where}"):
        from torch import nonsense  # noqa: F401
    with pytest.raises(
        ImportError, match=f"cannot import name 'Nonsense' from 'torch.nn'.*{where}"
    ):
        from torch.nn import Nonsense  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=f"'torch.nonsense'.*{where}"):
        import torch.nonsense
    with pytest.raises(ModuleNotFoundError, match=f"'torchvision.nonsense'.*{where}"):
        import torchvision.nonsense  # noqa: F401
    assert not hasattr(torch, "nonsense")


def test_asking_for_a_module_is_no_error(torch_alias):
    import importlib.util

    assert importlib.util.find_spec("torch.nonsense") is None
    assert importlib.util.find_spec("torch.nn") is not None


def test_uninstall():
    alias.install()
    import torch

    alias.uninstall()
    with pytest.raises(ModuleNotFoundError):
        import torch  # noqa: F401


def test_pytorch_itself_is_not_replaced(monkeypatch):
    import sys
    import types

    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    with pytest.raises(ImportError, match="torch itself is already imported"):
        alias.install()
    assert not alias.installed()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_processes_have_the_alias(script, method):
    done = script(f"""
        import multiprocessing
        import torch

        def work(x):
            import torch
            return x * 2, torch.__version__

        if __name__ == "__main__":
            with multiprocessing.get_context("{method}").Pool(1) as pool:
                y, version = pool.apply(work, (torch.ones(2),))
            assert version == torch.__version__
            print(y)
    """)
    assert done.stdout == "tensor([2., 2.])\n"


def test_pickling(script):
    done = script("""
        import copy, pickle
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 1)

        net = pickle.loads(pickle.dumps(Net()))
        print(type(net).__name__, net.fc.weight.shape)
        things = [torch.ones(1), torch.float32, torch.Size([2]), torch.device("cpu")]
        print(pickle.loads(pickle.dumps(things)), copy.deepcopy(things))
    """)
    shown = "[tensor([1.]), torch.float32, torch.Size([2]), device(type='cpu')]"
    assert done.stdout == f"Net torch.Size([1, 2])\n{shown} {shown}\n"
