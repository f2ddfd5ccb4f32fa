"""Writes the pages of docs/ that come from the code: the list of supported names, the reference.

``python tools/make_docs.py`` writes them; with ``--build`` the whole documentation is built too.
"""

import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import support_table

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NAMES = json.loads((ROOT / "tools" / "torch_names.json").read_text())
PAGES = (
    *NAMES,
    "torchvision.datasets",
    "torchvision.transforms",
    "torchvision.models",
    "torchvision.io",
    "torchvision.utils",
)


def namespace(name: str) -> Any:
    """rushlight's module (or class) for one of PyTorch's; None if there is none."""
    if name == "torch.Tensor":
        return importlib.import_module("rushlight").Tensor
    ours = name.replace("torchvision", "rushlight.vision").replace("torch", "rushlight", 1)
    try:
        return importlib.import_module(ours)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("rushlight"):
            raise
        return None


def members(name: str) -> Iterator[tuple[str, Any]]:
    """The public names of a namespace and what they stand for."""
    target = namespace(name)
    if target is None:
        return
    listed = set(getattr(target, "__all__", ()) or dir(target)) | set(NAMES.get(name, ()))
    for key in sorted(listed):
        if key.startswith("_"):
            continue
        try:
            value = getattr(target, key)
        except (AttributeError, ImportError):
            continue
        if not inspect.ismodule(value) and _belongs(value, name):
            yield key, value


def _belongs(value: Any, name: str) -> bool:
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or name == "torch.Tensor":
        return True
    return module.startswith("rushlight") or module == "torch"


def reference(name: str) -> str:
    """The page of one namespace: signatures and docstrings."""
    parts = [f"# {name}\n"]
    for key, value in members(name):
        text = inspect.getdoc(value) if not isinstance(value, (int, float, str)) else None
        if not text or (not callable(value) and not isinstance(value, property)):
            continue
        parts.append(f"\n## {key}\n")
        signature = _signature(key, value)
        if signature:
            parts.append(f"\n```python\n{signature}\n```\n")
        parts.append("\n" + markdown(text) + "\n")
    return "".join(parts)


def _signature(key: str, value: Any) -> str:
    try:
        shown = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    return key + re.sub(r"rushlight\.[\w.]+\.", "", shown.replace("'", ""))


def markdown(text: str) -> str:
    """A docstring as Markdown: examples as code, arguments as a list."""
    out: list[str] = []
    in_list = in_code = False
    for line in text.splitlines():
        bare = line.strip()
        if in_code:
            if bare and not line.startswith(" "):
                in_code = False
                out.append("")
            else:
                out.append(line)
                continue
        if bare.endswith("::"):
            out += [f"**{bare[:-2]}:**", ""]
            in_code, in_list = True, False
        elif re.fullmatch(r"(Args|Shape|Returns|Raises|Attributes|Variables|Keyword args):", bare):
            out += ["", f"**{bare}**", ""]
            in_list = True
        elif in_list and line.startswith(" "):
            head = re.match(r"\s{1,6}([*\w, ]+):\s", line)
            out.append(f"- `{head[1]}`: {line[head.end() :]}" if head else f"  {bare}")
        else:
            in_list = in_list and not bare
            out.append(_inline(bare))
    return "\n".join(out)


def _inline(text: str) -> str:
    text = re.sub(r":\w+:`~?([^`<]+)(?:\s*<[^>]*>)?`", r"`\1`", text)
    return text.replace("``", "`").replace("<", "&lt;")


def main() -> int:
    """Writes the pages; builds them with ``--build``."""
    sys.path.insert(0, str(ROOT))
    (DOCS / "support.md").write_text(support_table.page())
    pages = DOCS / "reference"
    pages.mkdir(exist_ok=True)
    for name in PAGES:
        if namespace(name) is not None:
            (pages / f"{name}.md").write_text(reference(name))
    if "--build" in sys.argv:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
