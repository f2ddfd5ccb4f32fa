"""Which operations there are, and under which names: collected from the families.

Each family ends with up to four lists of names:

    BOTH     functions of ``torch`` that are methods of ``Tensor`` as well
    TORCH    functions only
    METHODS  methods only
    INPLACE  functions that have an in-place form, ``name_``, as a method
             (those of one tensor also as a function of ``torch``)
"""

from types import ModuleType
from typing import Any

from rushlight.autograd.engine import helpers
from rushlight.ops import (
    complex,
    creation,
    elementwise,
    fill,
    linear_algebra,
    pointwise,
    reduction,
    shape,
)
from rushlight.ops._dispatch import inplace_form
from rushlight.ops._late import late
from rushlight.ops._promote import cast

FAMILIES: tuple[ModuleType, ...] = (
    complex,
    elementwise,
    pointwise,
    shape,
    reduction,
    creation,
    fill,
    linear_algebra,
)

FUNCTIONS: dict[str, Any] = {}  # of torch
METHODS: dict[str, Any] = {}  # of Tensor


def _names(family: ModuleType, kind: str) -> list[str]:
    return str(getattr(family, kind, "")).split()


def _collect(family: ModuleType) -> None:
    for name in _names(family, "BOTH"):
        FUNCTIONS[name] = METHODS[name] = getattr(family, name)
    for name in _names(family, "TORCH"):
        FUNCTIONS[name] = getattr(family, name)
    for name in _names(family, "METHODS"):
        METHODS[name] = getattr(family, name)
    for name in _names(family, "INPLACE"):
        function = getattr(family, name)
        form = METHODS[name + "_"] = inplace_form(function, name + "_")
        primitive = getattr(function, "primitive", None)
        if primitive is not None and len(primitive.inputs) == 1:
            FUNCTIONS[name + "_"] = form


for _family in FAMILIES:
    _collect(_family)
late.__dict__.update(METHODS)
late.__dict__.update(FUNCTIONS)

helpers.add = elementwise.add
helpers.add_ = METHODS["add_"]
helpers.clone = shape.clone
helpers.copy_ = fill.copy_
helpers.zero_ = fill.zero_
helpers.ones_like = creation.ones_like
helpers.sum_to_size = shape.sum_to_size
helpers.to_dtype = cast
