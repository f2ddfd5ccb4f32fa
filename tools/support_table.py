"""Makes docs/support.md: what of PyTorch's operators is here, in which forms, and with gradients.

``python tools/support_table.py`` writes the page. Names, forms and gradients are read from the
package itself: ``ops.table`` knows the names, the primitives' registry which have gradient rules,
and if they have none, why.
"""

import importlib
import inspect
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "support.md"
NAMES = json.loads((ROOT / "tools" / "torch_names.json").read_text())
NAMESPACES = {
    "torch": "rushlight",
    "torch.Tensor": "rushlight",
    "torch.nn.functional": "rushlight.nn.functional",
    "torch.linalg": "rushlight.linalg",
    "torch.fft": "rushlight.fft",
    "torch.special": "rushlight.special",
    "torch.signal.windows": "rushlight.signal.windows",
    "torch.masked": "rushlight.masked",
}
OPERATORS = ("torch.nn.functional", "torch.linalg", "torch.fft", "torch.special")

# Why a name of PyTorch's is missing: the first that fits. Words are parts of the name.
REASONS = (
    ("complex numbers of half precision: NumPy has none", "chalf complex32"),
    ("sparse, quantized and nested layouts: dense tensors only", "sparse indices_copy values_copy "
     "ccol crow col_indices row_indices coalesce quantiz qscheme qint quint q_per q_scale q_zero "
     "int_repr dsmm hsmm hspmm smm spmm sspaddmm saddmm fbgemm choose_qparams padded dense_dim "
     "indices values fused_moving qparams"),
    ("for other hardware or libraries: this is the CPU", "cudnn miopen mkldnn cuda ipu xla xpu "
     "vulkan mtia maia gpu Stream Event StreamObj DeviceObj batch_norm_ get_device_module "
     "has_mkl has_openmp has_lapack has_spectral record_stream grouped_mm scaled_mm Scaling Swizzle"),
    ("TorchScript: programs are compiled from Python", "Type Script Graph Code Alias Argument Await "
     "Block CallStack Capsule CompilationUnit Deserialization Serialization Dict Enum Error "
     "Exception ExecutionPlan FileCheck Schema Future Gradient IODescriptor Logger Lite Module "
     "Node Operator PyTorchFile StaticModule Tracing Use Value import_ir parse_ fork wait Benchmark "
     "merge_type unify_type Aggregation AVG SUM List Tag Iterator freeze"),
    ("shapes are always known numbers", "sym_ Sym"),
    ("dtypes that no operation computes with", "bits bit float4 float8 int1 int2 int3 int4 int5 "
     "int6 int7 uint1 uint2 uint3 uint4 uint5 uint6 uint7"),
    ("typed storages: UntypedStorage holds the bytes", "Storage storage_type"),
    ("PyTorch's dispatcher", "Dispatch torch_function DisableTorch ExcludeDispatch boolean_dispatch "
     "has_torch handle_torch"),
    ("settings of devices and thread pools that are not here", "autocast init_num_threads "
     "warn_always deterministic_debug thread_safe set_anomaly is_distributed"),
    ("names of types and notes, no operations", "BroadcastingList Callable DType TYPE_CHECKING "
     "_notes GRID_SAMPLE assert_int Tensor"),
    ("old names that PyTorch itself refuses or hides", "eig symeig lstsq solve reinforce resize "
     "resize_as volatile native_norm slice_inverse module_load map2_ const_data_ptr grad_dtype"),
)  # fmt: skip
OTHER = "not written yet"


def namespace(name: str) -> Any:
    """The module, or class, in which rushlight has the names of a namespace of PyTorch's."""
    module = importlib.import_module(NAMESPACES[name])
    return module.Tensor if name == "torch.Tensor" else module


def public(name: str) -> list[str]:
    """The operators of a namespace that rushlight has."""
    table = importlib.import_module("rushlight.ops.table")
    target = namespace(name)
    if name == "torch":
        found = set(table.FUNCTIONS)
    elif name == "torch.Tensor":
        found = set(table.METHODS)
    else:
        found = set(getattr(target, "__all__", ()) or vars(target))
    return sorted([n for n in found if not n.startswith("_") and _is_operator(target, n)])


def _is_operator(target: Any, name: str) -> bool:
    value = getattr(target, name, None)
    return callable(value) and not inspect.isclass(value) and not inspect.ismodule(value)


def origin(function: Any) -> Any:
    """The function itself, for one that loads when it is first used."""
    code = getattr(function, "__code__", None)
    if code is not None and code.co_freevars == ("module", "name", "target"):
        held = dict(zip(code.co_freevars, function.__closure__, strict=True))
        module = importlib.import_module(f"rushlight.ops.{held['module'].cell_contents}")
        return origin(getattr(module, held["name"].cell_contents))
    return function


def primitives(function: Any, skip: set[str], depth: int = 4) -> Iterator[Any]:
    """The primitives that a function runs, itself or through others that are not in ``skip``."""
    kind = importlib.import_module("rushlight.ops._primitive").Primitive
    functions = importlib.import_module("rushlight.ops.table").FUNCTIONS
    seen: set[int] = set()

    def walk(value: Any, left: int) -> Iterator[Any]:
        if isinstance(value, kind):
            yield value
        if isinstance(value, kind) or id(value) in seen or left < 0:
            return
        seen.add(id(value))
        if isinstance(value, dict):  # a table of primitives by mode
            for item in value.values():
                yield from walk(item, left)
            return
        value = origin(value)
        own = getattr(value, "primitive", None)
        if own is not None:
            yield own
            return
        value = inspect.unwrap(value) if callable(value) else value
        code = getattr(value, "__code__", None)
        if code is None or "rushlight" not in code.co_filename:
            return
        for found in _referred(value, code, functions, skip):
            yield from walk(found, left - 1)
        for cell in value.__closure__ or ():
            yield from walk(cell.cell_contents, left - 1)

    yield from walk(function, depth)


def _referred(function: Any, code: Any, functions: dict[str, Any], skip: set[str]) -> Iterator[Any]:
    """What the names in a function's code stand for."""
    names = [n for n in code.co_names if n not in skip]
    modules = [m for n in names if inspect.ismodule(m := function.__globals__.get(n))]
    for name in names:
        if name in function.__globals__:
            yield function.__globals__[name]
        elif "late" in code.co_names and name in functions:
            yield functions[name]
        for module in modules:
            if "rushlight" in module.__name__ and hasattr(module, name):
                yield getattr(module, name)
    for inner in code.co_consts:
        if inspect.iscode(inner):
            yield from _referred(function, inner, functions, skip)


# What nearly every function uses on its way; it counts only where there is nothing else.
_CASTS = {"cast", "write_out", "inplace", "apply", "apply1", "apply2", "apply_view", "common",
          "result_type", "operands", "add_at", "numpy", "from_numpy", "as_array", "CAST"}  # fmt: skip
_VIEWS = {"clone", "expand", "reshape", "unsqueeze", "squeeze", "transpose", "contiguous",
          "zeros_like", "permute", "select", "narrow", "detach"}  # fmt: skip
_NEW = ("creation", "sequences", "factories", "random")
_COUNTS = ("counting", "logical")
_KNOWN = {
    "polar": "yes", "vander": "yes", "positive": "yes", "broadcast_tensors": "yes",
    "geqrf": "no: PyTorch defines no gradient for it either",
    "embedding_renorm_": "no: it changes its input in place",
}  # fmt: skip


def gradient(function: Any) -> str:
    """ "yes", or why there is no gradient."""
    if function.__name__ in _KNOWN:
        return _KNOWN[function.__name__]
    module = getattr(function, "__module__", "").rpartition(".")[2]
    if module in _NEW or "_window" in function.__name__:
        return "no: a new tensor"
    found: list[Any] = []
    for skip in (_CASTS | _VIEWS, _CASTS):
        found = found or list(primitives(function, skip))
    if any(p.reason is None for p in found) and module not in _COUNTS:
        return "yes"
    reasons = [p.reason for p in found if p.reason and "recorded" not in p.reason]
    return f"no: {reasons[0]}" if reasons else "no: the result has no floating-point values"


def table(name: str) -> str:
    """The rows of a namespace."""
    methods = importlib.import_module("rushlight.ops.table").METHODS
    target = namespace(name)
    lines = [
        "| operator | method | in place | `out=` | gradient |",
        "| --- | --- | --- | --- | --- |",
    ]
    names = public(name)
    for key in names:
        if key.endswith("_") and key[:-1] in names:
            continue
        function = origin(getattr(target, key))
        shared = name in ("torch", "torch.Tensor")
        place = (shared and key + "_" in methods) or key + "_" in names
        marks = ["yes" if shared and key in methods else "", "yes" if place else ""]
        why = "no: a new tensor" if "windows" in name else gradient(function)
        lines.append(f"| `{key}` | {' | '.join(marks)} | {_takes_out(function)} | {why} |")
    return "\n".join(lines) + "\n"


def _takes_out(function: Any) -> str:
    try:
        return "yes" if "out" in inspect.signature(function).parameters else ""
    except (TypeError, ValueError):
        return ""


def reason(name: str) -> str:
    """Why PyTorch's ``name`` is not here."""
    for text, words in REASONS:
        if any(name == w or (len(w) > 3 and w in name) for w in words.split()):
            return text
    return OTHER


def missing(name: str) -> list[str]:
    """PyTorch's names that the namespace lacks."""
    target = namespace(name)
    return [n for n in NAMES.get(name, ()) if not hasattr(target, n)]


def page() -> str:
    """The whole page."""
    parts = [
        "# Supported operators\n\nMade by `tools/support_table.py` from the package. An operator that is "
        "not here raises an AttributeError, an\nargument that is not supported an error that says so.\n\n"
        "| namespace | PyTorch 2.13's public names | of these here |\n| --- | --- | --- |\n"
    ]
    for name in NAMESPACES:
        known = NAMES.get(name, public(name))
        parts.append(f"| `{name}` | {len(known)} | {len(known) - len(missing(name))} |\n")
    parts.append("\n## Not supported\n\nBy reason:\n")
    lacking = {(name, n): reason(n) for name in NAMESPACES for n in missing(name)}
    for text, count in Counter(lacking.values()).most_common():
        listed = " ".join(dict.fromkeys(f"`{n}`" for (_, n), why in lacking.items() if why == text))
        parts.append(f"\n**{text}** ({count}): {listed}\n")
    for name in NAMESPACES:
        if name == "torch.Tensor":
            continue
        parts.append(f"\n## {name}\n\n{table(name)}")
    own = sorted(set(public("torch.Tensor")) - set(public("torch")))
    own = [n for n in own if not (n.endswith("_") and n[:-1] in public("torch"))]
    parts.append("\n## Methods only\n\n" + " ".join(f"`{n}`" for n in own) + "\n")
    return "".join(parts)


def main() -> None:
    """Writes the page."""
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
