"""``rushlight predict``: what a checkpoint's model sees in pictures."""

from typing import Any

import numpy as np

from rushlight.autograd.modes import no_grad
from rushlight.cli import data as data_sets
from rushlight.cli import networks
from rushlight.cli.training import Settings
from rushlight.vision import _pil


class PictureError(Exception):
    """A file is no picture; the text says why, for the user."""


class Predictor:
    """A trained model and what it takes."""

    def __init__(self, checkpoint: dict[str, Any]) -> None:
        self.settings = Settings(**checkpoint["settings"])
        self.classes: list[str] = checkpoint["classes"]
        name = self.settings.dataset
        self.shape = data_sets.shape_of(name)
        channels, size = networks.input_of(self.settings.model, self.shape)
        self.model = networks.build(self.settings.model, self.shape, len(self.classes))
        self.model.load_state_dict(checkpoint["model"])
        self.model.eval()
        self.transform = data_sets.transform_for(name, size, channels)

    def picture(self, path: str) -> tuple[Any, bool]:
        """The picture as the model takes it, and whether light and dark were exchanged.

        The data sets of one channel are light on black: a picture on a light ground is inverted.
        """
        image_module = _pil.image_module()
        try:
            with image_module.open(path) as opened:
                picture = opened.convert("L" if self.shape[0] == 1 else "RGB")
        except (OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or "it is not a picture that Pillow can read"
            raise PictureError(f"{path}: {text}") from None
        picture = picture.resize((self.shape[2], self.shape[1]), image_module.Resampling.BILINEAR)
        inverted = False
        if self.shape[0] == 1:
            pixels = np.asarray(picture)
            border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
            inverted = bool(np.median(border) > 127)
            if inverted:
                picture = _pil.from_array(255 - pixels)
        return self.transform(picture), inverted

    @no_grad()
    def predict(self, path: str, top: int = 3) -> tuple[list[tuple[str, float]], bool]:
        """The likeliest classes with their probabilities, and whether the picture was inverted."""
        picture, inverted = self.picture(path)
        scores = self.model(picture.unsqueeze(0)).numpy()[0].astype(np.float64)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")[:top]
        return [(self.classes[i], float(shares[i])) for i in order], inverted
