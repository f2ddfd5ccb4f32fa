"""Machine code for running, recording and differentiating primitives, in place of Python's.

``install`` loads what ``_graph_code`` says, tells it the offsets of all fields and the objects
that it knows, and puts its functions where the Python ones of the same names were.
"""

import ctypes
import os
import sys
from typing import Any

import numpy as np

from rushlight.autograd import access, engine, node
from rushlight.base.size import Size
from rushlight.codegen import builtin, cache, numpy_abi
from rushlight.core import state, tensor
from rushlight.ops import _graph_code, _primitive, reduction
from rushlight.ops import complex as complex_numbers

_FIELDS: dict[type, tuple[str, ...]] = {
    tensor.Tensor: ("array", "edge", "index", "storage", "grad", "meta"),
    tensor.Storage: ("version",),
    tensor.Meta: (
        "view", "hooks", "accumulate_hooks", "accumulator", "name", "retains_grad", "inference",
    ),
    tensor.View: ("base", "steps", "version", "creation"),
    node.Node: ("edges", "extra", "outputs", "sequence"),
    node.OpNode: ("out", "params", "plan", "saved", "shapes", "versions"),
    _primitive.Primitive: ("eager", "node_class", "plans", "reason"),
    _primitive.Plan: ("code", "needs", "places", "rules"),
}  # fmt: skip
_PREFIX: dict[type, str] = {
    tensor.Tensor: "", tensor.Storage: "", tensor.Meta: "meta_", tensor.View: "view_",
    node.Node: "node_", node.OpNode: "op_", _primitive.Primitive: "primitive_",
    _primitive.Plan: "plan_",
}  # fmt: skip
_EXPORTS = (
    "rl_apply", "rl_apply1", "rl_apply2", "rl_apply_view", "rl_attach_call", "rl_backward", "rl_conj",
    "rl_filled", "rl_known", "rl_module_getattr", "rl_publish", "rl_record", "rl_set_grad", "rl_shape", "rl_walk",
)  # fmt: skip


_places: dict[str, int] = {}  # where the words of the code's table are


def _offsets() -> dict[str, int]:
    found = {
        f"{_PREFIX[cls]}{name}": numpy_abi.slot_offset(
            cls, f"_{name}" if cls is tensor.Tensor else name
        )
        for cls, names in _FIELDS.items()
        for name in names
    }
    for name in ("TYPE", "DATA", "NDIM", "DIMS", "BASE", "DESCR"):
        found[name.lower()] = getattr(numpy_abi, name)
    found["bytes_value"] = numpy_abi.BYTES_VALUE
    found["tuple_items"] = tuple.__basicsize__
    found["tuple_size"] = found["list_size"] = numpy_abi.HEAD
    found["list_items"] = numpy_abi.HEAD + 8
    return found


def _known(guard: Any, add: Any, add_out: Any) -> dict[str, Any]:
    """The objects that the code refers to, and plain addresses, by the names it has for them."""
    descrs = {name: np.dtype(full) for name, full in numpy_abi.NUMPY_NAMES.items()}
    return {
        "guard": guard.address,
        "new_array": numpy_abi.new_from_descr(),
        "tensor": tensor.Tensor,
        "ndarray": np.ndarray,
        "storage": tensor.Storage,
        "view": tensor.View,
        "meta": tensor.Meta,
        "op_node": node.OpNode,
        "LEAF": tensor.LEAF,
        "released": node.RELEASED,
        "empty": (),
        "no_grad": sys.intern("no_grad"),
        "zero": 0,
        "one": 1,
        **{name: descrs[name] for name in ("f32", "f64", "i64", "i32", "bool", "u8")},
        "count": node.next_sequence.__self__,
        "attach": _primitive.attach,
        "record": _record,
        "as_tensor": _as_tensor,
        "apply1": _primitive.apply1,
        "apply2": _primitive.apply2,
        "apply": _primitive.apply,
        "apply_view": _primitive.apply_view,
        "add": add,
        "add_out": add_out,
        "reach_leaf": engine.reach_leaf,
        "run_node": engine.run_node,
        "sum_to_size": engine.helpers.sum_to_size,
        "set_grad": state.set_grad,
        "state": state.state,
        "grad_enabled": sys.intern("grad_enabled"),
        "thread": sys.intern("thread"),
        "off": state.off,
        "conj": complex_numbers.conj,
        "size": Size,
        "filled": reduction.filled,
        "parameters": sys.intern("_parameters"),
        "modules": sys.intern("_modules"),
        "buffers": sys.intern("_buffers"),
        "module_getattr": None,
        "backward": access.tensor_backward,
    }


def _as_tensor(value: Any) -> tensor.Tensor:
    return tensor.wrap(np.asarray(value))


def _record(primitive: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], out: Any) -> None:
    """Records if this thread does; for when the guard's words cannot tell."""
    if state.state.grad_enabled:
        _primitive.attach(primitive, inputs, params, out)


def load(guard: Any, add: Any, add_out: Any) -> dict[str, int] | None:
    """The addresses of the functions, ready to be called; None where they cannot be had."""
    offsets = _offsets()
    known = _known(guard, add, add_out)
    folder = os.path.dirname(str(_graph_code.__file__))
    paths = [os.path.join(folder, f"{name}.py") for name in _graph_code.FILES]

    def make_ir() -> str:
        from rushlight.codegen import lowlevel  # noqa: PLC0415  (loads ``ast``)

        texts = []
        for path in paths:
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
        return lowlevel.compile_files(texts, offsets, list(known), _EXPORTS)

    compiler = os.path.join(os.path.dirname(str(cache.__file__)), "lowlevel.py")
    sources = cache.emitter_hash(compiler, __file__, *paths)
    key = f"{sources} {sorted(offsets.items())} {list(known)} {numpy_abi.key()}"
    try:
        found = cache.load("graph", key, make_ir, _EXPORTS, opt=True)
    except (ImportError, OSError):
        return None
    words = (ctypes.c_int64 * len(known)).from_address(found["rl_known"])
    for i, (name, value) in enumerate(known.items()):
        words[i] = value if name in ("guard", "new_array") else id(value)
    builtin.keep(known)
    _places.update({name: found["rl_known"] + 8 * i for i, name in enumerate(known)})
    return found


def install(found: dict[str, int]) -> None:
    """Puts the functions in place of the Python ones."""
    _primitive_functions = ("apply1", "apply2", "apply", "apply_view", "attach")
    for module, names in (
        (_primitive, _primitive_functions),
        (state, ("set_grad", "publish")),
        (complex_numbers, ("conj",)),
        (reduction, ("filled",)),
    ):
        for name in names:
            old = getattr(module, name)
            entry = found["rl_attach_call" if name == "attach" else f"rl_{name}"]
            _rebind(name, old, builtin.function(name, entry, old.__doc__))
    reduction.FILLED.eager = reduction.filled
    engine.native.walk = builtin.function("walk", found["rl_walk"], None)
    cls, backward = tensor.Tensor, access.tensor_backward
    method = builtin.descriptor(cls, "backward", found["rl_backward"], backward.__doc__)
    engine.native.begin_in_python = lambda: setattr(cls, "backward", backward)
    if not engine.leaves_have_hooks:
        cls.backward = method  # type: ignore[attr-defined]
    shape = cls.__dict__["shape"]
    cls.shape = builtin.getter(cls, "shape", found["rl_shape"], shape.__doc__)  # type: ignore[assignment]


def install_getattr(found: dict[str, int], cls: type) -> None:
    """Puts the look-up of parameters and submodules in place of the ``__getattr__`` of ``cls``."""
    old = cls.__dict__["__getattr__"]
    builtin.keep(old)
    ctypes.c_int64.from_address(_places["module_getattr"]).value = id(old)
    entry = found["rl_module_getattr"]
    method = builtin.descriptor(cls, "__getattr__", entry, old.__doc__, one=True)
    cls.__getattr__ = method  # type: ignore[attr-defined]


def _rebind(name: str, old: Any, new: Any) -> None:
    """Replaces a function in all modules that imported it by name."""
    for module in [*sys.modules.values()]:
        names = getattr(module, "__dict__", {})
        if names.get(name) is old:
            names[name] = new
