"""Models: names, initial values, outputs and printed form against PyTorch's modules."""

import json
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.vision import models

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "models.json").read_text())


@pytest.mark.parametrize("name", GOLDEN)
def test_as_on_pytorchs_modules(name):
    expected = GOLDEN[name]
    torch.manual_seed(0)
    model = models.get_model(name, num_classes=3)
    assert torch.rand(1).item() == expected["next"]
    state = model.state_dict()
    assert len(state) == expected["keys"]
    assert list(state)[::7] == list(expected["sums"])
    for key, total in expected["sums"].items():
        assert float(state[key].double().abs().sum()) == pytest.approx(total, rel=1e-5), key
    assert repr(model) == expected["repr"]
    model.eval()
    torch.manual_seed(1)
    with torch.no_grad():
        out = model(torch.rand(1, 3, 64, 64))
    assert out.tolist()[0] == pytest.approx(expected["output"][0], rel=2e-3, abs=1e-5)


def test_layers_of_vgg():
    layers = models.vgg.make_layers(models.vgg.cfgs["A"])
    assert [i for i, m in enumerate(layers) if isinstance(m, torch.nn.Conv2d)] == [
        0, 3, 6, 8, 11, 13, 16, 18,
    ]  # fmt: skip
    linear = torch.nn.Linear(100, 100)
    models.VGG._init(linear)
    assert linear.bias.abs().sum().item() == 0
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.slow
def test_vgg():
    model = models.VGG(models.vgg.make_layers([8, "M", 512, "M"], batch_norm=True), num_classes=2)
    names = [name for name, _ in model.named_parameters()]
    assert names[:4] == ["features.0.weight", "features.0.bias", "features.1.weight",
                         "features.1.bias"]  # fmt: skip
    assert names[-1] == "classifier.6.bias"
    assert model.classifier[6].bias.abs().sum().item() == 0
    assert model.classifier[6].weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_list_of_models():
    assert "vgg16" in models.list_models()
    assert models.list_models(include="resnet*", exclude=["*50", "*1*"]) == ["resnet34"]
    assert models.get_model_builder("AlexNet") is models.alexnet
    with pytest.raises(ValueError, match="Unknown model nothing"):
        models.get_model("nothing")


def test_weights():
    assert models.ResNet50_Weights.DEFAULT is models.ResNet50_Weights.IMAGENET1K_V2
    assert repr(models.VGG16_Weights.DEFAULT) == "VGG16_Weights.IMAGENET1K_V1"
    assert models.get_weight("VGG16_Weights.DEFAULT").url.endswith("/vgg16-397923af.pth")
    assert models.get_model_weights("alexnet") is models.AlexNet_Weights
    with pytest.raises(KeyError):
        models.squeezenet1_1(weights="NOTHING")
    with pytest.raises(TypeError, match="Invalid Weight class provided; expected SqueezeNet1_1_W"):
        models.squeezenet1_1(weights=models.VGG16_Weights.DEFAULT)


def test_download_that_fails_says_what_to_do(monkeypatch, tmp_path):
    from rushlight.vision.datasets import utils

    def no_network(url, path, md5=None, sha256=None):
        assert sha256 == "b8a52dc0"
        raise OSError("no network")

    monkeypatch.setattr(utils, "download_file", no_network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="put it at .*squeezenet1_1-b8a52dc0.pth; to build the"):
        models.squeezenet1_1(weights="DEFAULT")


def test_weights_from_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    trained = models.squeezenet1_1()
    torch.save(trained.state_dict(), folder / "squeezenet1_1-b8a52dc0.pth")
    torch.manual_seed(5)
    loaded = models.squeezenet1_1(weights=models.SqueezeNet1_1_Weights.IMAGENET1K_V1)
    for key, value in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


def test_old_arguments_warn():
    with pytest.warns(UserWarning) as w:
        models.squeezenet1_1(pretrained=False)
    assert "The parameter 'pretrained' is deprecated since 0.13" in str(w[0].message)
    assert "equivalent to passing `weights=None`." in str(w[1].message)
    with pytest.warns(UserWarning, match="Using 'weights' as positional parameter"):
        models.squeezenet1_1(None)
