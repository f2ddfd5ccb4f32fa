"""VGG16: the weights, then the whole model, saved and loaded."""

import os
import tempfile

import torch
import torchvision.models as models

torch.manual_seed(0)
model = models.vgg16()
print(model)
model.eval()
image = torch.rand(1, 3, 224, 224)
with torch.no_grad():
    expected = model(image)
print(f"sum of the weights: {sum(p.double().sum().item() for p in model.parameters()):.4f}")
print("output:", " ".join(f"{value:.4f}" for value in expected[0, :8].tolist()))

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model_weights.pth")
    torch.save(model.state_dict(), path)
    again = models.vgg16()
    again.load_state_dict(torch.load(path))
    again.eval()
    with torch.no_grad():
        print("weights loaded:", torch.equal(again(image), expected))
    os.unlink(path)

    path = os.path.join(folder, "model.pth")
    torch.save(model, path)
    again = torch.load(path, weights_only=False)
    with torch.no_grad():
        print("model loaded:", torch.equal(again(image), expected))
