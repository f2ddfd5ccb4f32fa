"""``torch.hub``: not supported; only the folder's name can be asked for."""

import os

from rushlight.base.errors import refused

_folder: str | None = None


def get_dir() -> str:
    """The folder that PyTorch's hub keeps downloads in."""
    if _folder is not None:
        return _folder
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Sets that folder."""
    global _folder
    _folder = os.path.expanduser(d)


_WHY = "it runs programs from the network; get the file yourself and use torch.load"
load = refused("torch.hub.load", _WHY)
list = refused("torch.hub.list", _WHY)
help = refused("torch.hub.help", _WHY)
load_state_dict_from_url = refused("torch.hub.load_state_dict_from_url", _WHY)
download_url_to_file = refused("torch.hub.download_url_to_file", _WHY)
