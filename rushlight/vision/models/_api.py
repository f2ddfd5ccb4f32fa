"""Models by name, and their weights."""

import functools
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from fnmatch import fnmatch
from typing import Any

from rushlight.nn.modules.module import Module

BASE_URL = "https://download.pytorch.org/models/"
MODELS: dict[str, Callable[..., Module]] = {}


class Weights:
    """Trained weights: where they come from, and what is known about them."""

    def __init__(self, url: str, meta: dict[str, Any], resize: int, crop: int = 224) -> None:
        self.url = url
        self.meta = meta
        self.resize = resize
        self.crop = crop

    def transforms(self) -> Any:
        """The transform that the model was trained for: takes a picture, gives a tensor."""
        transforms = importlib.import_module("rushlight.vision.transforms")
        return transforms.Compose([
            transforms.Resize(self.resize), transforms.CenterCrop(self.crop),
            _to_float_tensor,
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ])  # fmt: skip


def _to_float_tensor(img: Any) -> Any:
    functional = importlib.import_module("rushlight.vision.transforms.functional")
    if functional._pil.is_pil_image(img):
        img = functional.pil_to_tensor(img)
    return functional.convert_image_dtype(img)


class WeightsEnum(Enum):
    """The trained weights of a model; ``DEFAULT`` are the best."""

    @classmethod
    def verify(cls, obj: Any) -> "WeightsEnum | None":
        """``obj`` if it is None or one of these weights (or the name of one).

        Raises KeyError or TypeError for anything else.
        """
        if obj is None:
            return None
        if isinstance(obj, str):
            return cls[obj.replace(cls.__name__ + ".", "")]
        if not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received "
                f"{obj.__class__.__name__}."
            )
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The weights, downloaded unless they are in the cache folder."""
        return load_state_dict_from_url(self.url, *args, **kwargs)

    @property
    def url(self) -> str:
        """Where the weights come from."""
        return str(self.value.url)

    @property
    def transforms(self) -> Any:
        """Makes the transform that the model was trained for."""
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        """What is known about the weights."""
        found: dict[str, Any] = self.value.meta
        return found

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}.{self._name_}"


def weights_enum(class_name: str, files: Iterable[str], parameters: int, resize: int = 256) -> Any:
    """The enum of a model's weights: the first file is IMAGENET1K_V1, the last one the default."""
    members: dict[str, Weights] = {}
    for number, name in enumerate(files, 1):
        meta = {"num_params": parameters, "min_size": (32, 32)}
        members[f"IMAGENET1K_V{number}"] = Weights(
            BASE_URL + name, meta, resize if number == 1 else 232
        )
    members["DEFAULT"] = members[f"IMAGENET1K_V{len(members)}"]
    found: Any = WeightsEnum(class_name, members, module="rushlight.vision.models")  # type: ignore[call-overload]
    return found


def hub_dir() -> str:
    """The cache folder: ``$TORCH_HOME/hub``, by default below ``~/.cache/torch``."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """The object saved in a file of the web, downloaded unless it is in the cache folder.

    Args:
        model_dir: the folder; default: ``hub_dir()/checkpoints``.
        check_hash: compare the SHA-256 sum with the digits in the file's name (``name-<digits>.pth``).
        file_name: its name in the folder.

    Raises RuntimeError if the download fails, saying what to do.
    """
    folder = model_dir or os.path.join(hub_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or url.rsplit("/", 1)[-1].split("?", maxsplit=1)[0]
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        digits = name.rsplit(".", 1)[0].rpartition("-")[2] if check_hash else None
        utils = importlib.import_module("rushlight.vision.datasets.utils")
        try:
            utils.download_file(url, path, sha256=digits)
        except OSError as error:
            if utils.is_local_trouble(error):
                raise
            raise RuntimeError(
                f"the weights could not be downloaded from {url}: {error}. If you have the file, "
                f"put it at {path}; to build the model without trained weights, say weights=None"
            ) from error
    load = importlib.import_module("rushlight.serialization").load
    return load(path, map_location=map_location, weights_only=weights_only)


def register_model(weights: Any) -> Callable[[Callable[..., Module]], Callable[..., Module]]:
    """Makes a builder known by its name, with the arguments ``weights`` and (old) ``pretrained``."""

    def decorate(builder: Callable[..., Module]) -> Callable[..., Module]:
        @functools.wraps(builder)
        def build(*args: Any, progress: bool = True, **kwargs: Any) -> Module:
            chosen = weights.verify(_chosen(weights, args, kwargs))
            if chosen is not None:
                kwargs["num_classes"] = kwargs.get("num_classes", 1000)
            model = builder(trained=chosen is not None, **kwargs)
            if chosen is not None:
                model.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
            return model

        build.weights = weights  # type: ignore[attr-defined]
        MODELS[builder.__name__] = build
        return build

    return decorate


def _chosen(weights: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The weights asked for, in the new or the old way; the old one warns."""
    if len(args) > 1:
        raise TypeError(f"takes 1 positional argument, the weights, but {len(args)} were given")
    if args:
        warnings.warn(
            "Using 'weights' as positional parameter(s) is deprecated since 0.13 and may be "
            "removed in the future. Please use keyword parameter(s) instead.",
            stacklevel=3,
        )
        kwargs["weights"] = args[0]
    value = kwargs.pop("weights", None)
    if "pretrained" in kwargs:
        value = kwargs.pop("pretrained")
        warnings.warn(
            "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, "
            "please use 'weights' instead.",
            stacklevel=3,
        )
    elif not isinstance(value, bool):
        return value
    new = weights.IMAGENET1K_V1 if value else None
    warnings.warn(
        "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and "
        f"may be removed in the future. The current behavior is equivalent to passing "
        f"`weights={new!r}`."
        + (f" You can also use `weights={weights.__name__}.DEFAULT` to get the most up-to-date "
           "weights." if value else ""),
        stacklevel=3,
    )  # fmt: skip
    return new


def list_models(
    module: Any = None, include: str | Iterable[str] | None = None, exclude: Any = None
) -> list[str]:
    """The names of the models, sorted.

    Args:
        include, exclude: patterns such as ``"resnet*"``.
    """

    def matches(name: str, patterns: Any) -> bool:
        patterns = [patterns] if isinstance(patterns, str) else patterns
        return any(fnmatch(name, p) for p in patterns)

    return sorted(
        name for name in MODELS
        if (not include or matches(name, include)) and not (exclude and matches(name, exclude))
    )  # fmt: skip


def get_model_builder(name: str) -> Callable[..., Module]:
    """The function that builds the model called ``name``; ValueError if there is none."""
    found = MODELS.get(name.lower())
    if found is None:
        raise ValueError(f"Unknown model {name}")
    return found


def get_model(name: str, **config: Any) -> Module:
    """The model called ``name``, built with these arguments."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Any) -> Any:
    """The enum of the weights of a model, given its name or builder."""
    builder = get_model_builder(name) if isinstance(name, str) else name
    return builder.weights


def get_weight(name: str) -> Any:
    """The weights called, for example, ``"ResNet18_Weights.IMAGENET1K_V1"``."""
    class_name, _, member = name.partition(".")
    for builder in MODELS.values():
        enum: Any = builder.weights  # type: ignore[attr-defined]
        if enum.__name__ == class_name:
            return enum[member]
    raise ValueError(f"The weight enum '{class_name}' doesn't exist in this package.")
