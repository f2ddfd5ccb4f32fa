"""Is a file there, and is it the right one? Is an argument one of the valid ones?"""

import importlib
import os
from typing import Any


def calculate_md5(fpath: Any, chunk_size: int = 1 << 20) -> str:
    """The MD5 sum of a file, as hexadecimal digits."""
    md5 = importlib.import_module("hashlib").md5(usedforsecurity=False)
    with open(fpath, "rb") as f:
        while chunk := f.read(chunk_size):
            md5.update(chunk)
    return str(md5.hexdigest())


def check_md5(fpath: Any, md5: str) -> bool:
    """Whether a file has this MD5 sum."""
    return md5 == calculate_md5(fpath)


def check_integrity(fpath: Any, md5: str | None = None) -> bool:
    """Whether a file exists and, if ``md5`` is given, has this sum."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def verify_str_arg(
    value: Any, arg: str | None = None, valid_values: Any = None, custom_msg: str | None = None
) -> str:
    """``value`` if it is one of the valid strings; ValueError otherwise."""
    where = "type str" if arg is None else f"type str for argument {arg}"
    if not isinstance(value, str):
        raise ValueError(f"Expected {where}, but got type {type(value)}.")
    if valid_values is not None and value not in valid_values:
        if custom_msg is not None:
            raise ValueError(custom_msg)
        valid = "{" + ", ".join(map(repr, valid_values)) + "}"
        raise ValueError(f"Unknown value '{value}' for argument {arg}. Valid values are {valid}.")
    return value
