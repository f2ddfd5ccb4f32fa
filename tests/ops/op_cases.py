"""What a case of the battery is: an expression and the inputs it is about.

A case is one line, ``expression | name: kind shape | ... | flags``. The expression calls functions
of ``torch`` and ``F`` on the named inputs. Kinds: ``f`` any float (the default), ``p`` positive,
``u`` between 0 and 1, ``s`` symmetric positive matrices, ``w`` well-conditioned matrices, ``i9``
integers below 9, ``b`` bools, ``c`` complex; after a ``k`` a float kind has no gradient. A shape is ``2,3``,
or ``-`` for none. Flags: ``nograd`` (no gradients), ``first`` (no second derivatives), ``dense``
(inputs without gaps in memory), ``real`` (not for complex numbers).

The values of the inputs depend on the line only, so that PyTorch and rushlight see the same.
"""

import importlib
import math
import pkgutil
import re
import zlib

import numpy as np

DIFFERENTIABLE = "fpuswc"
LOWER = ("float32", "float16", "bfloat16", "int64", "bool", "complex64")


class Case:
    """One line, taken apart."""

    def __init__(self, line):
        self.line = line
        self.call, *rest = [part.strip() for part in line.split(" | ")]
        self.specs, self.flags = {}, set()
        for part in rest:
            name, colon, spec = part.partition(":")
            if colon:
                *kind, shape = spec.split()
                self.specs[name] = (kind[0] if kind else "f", shape)
            else:
                self.flags |= set(part.split())
        form = re.fullmatch(r"torch\.(\w+)\(x(?:, (.*))?\)", self.call)
        self.name, self.rest = (form[1], form[2] or "") if form else (None, "")

    def __repr__(self):
        return self.line

    def arrays(self):
        """The inputs as arrays, by name."""
        random = np.random.RandomState(zlib.crc32(self.line.encode()) % 2**31)
        return {name: _array(random, *spec) for name, spec in self.specs.items()}

    def inputs(self, torch, dtype=None, grad=False, strided=False):
        """The inputs as tensors; floats in ``dtype`` if that is given."""
        found = {}
        for name, array in self.arrays().items():
            kind = self.specs[name][0]
            array = _spread(array) if strided else array
            t = torch.from_numpy(array)
            if kind[0] not in "ib" and dtype is not None:
                t = t.to(getattr(torch, dtype))
            differentiable = t.is_floating_point() or t.is_complex()
            if grad and kind in DIFFERENTIABLE and differentiable:
                t.requires_grad_()
            found[name] = t
        return found

    def run(self, torch, inputs, call=None):
        """What the expression gives, as a flat list."""
        torch.manual_seed(0)
        names = {"torch": torch, "F": torch.nn.functional, "math": math, **inputs}
        return flat(eval(call or self.call, names))

    def method(self):
        """The call as a method."""
        return f"x.{self.name}({self.rest})"

    def with_out(self):
        """The call with ``out=o``."""
        return f"{self.call[:-1]}, out=o)"


def _array(random, kind, shape):
    sizes = () if shape == "-" else tuple(int(n) for n in shape.split(","))
    n = int(np.prod(sizes))
    if kind[0] == "i":
        return random.randint(0, int(kind[1:]), sizes)
    if kind == "b":
        return random.randint(0, 2, sizes).astype(bool)
    kind = kind.removeprefix("k") or "f"
    low, high = {"p": (0.3, 1.7), "u": (0.1, 0.9)}.get(kind, (-1.7, 1.8))
    line = random.permutation(np.linspace(low, high, n + 2)[1:-1]) + random.uniform(-0.02, 0.02, n)
    array = line.reshape(sizes)
    if kind == "c":
        return array + 1j * random.permutation(line).reshape(sizes)
    if kind == "s":
        return array @ np.swapaxes(array, -1, -2) + np.eye(sizes[-1])
    if kind == "w":
        return array / 4 + 2 * np.eye(sizes[-2], sizes[-1])
    return np.ascontiguousarray(array)


def _spread(array):
    """The same values with gaps between them in memory."""
    if not array.ndim:
        return array
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def flat(x):
    """The members of nested tuples and lists."""
    if isinstance(x, (tuple, list)) and not hasattr(x, "numel"):
        return [y for v in x for y in flat(v)]
    return [x]


def is_tensor(x):
    """Whether ``x`` is a tensor of either framework."""
    return hasattr(x, "requires_grad")


def numbers(t):
    """Dtype, shape and values of a tensor; complex values as pairs."""
    plain = (t.detach() + 0 if t.is_floating_point() else t.detach()).resolve_conj().resolve_neg()
    array = np.ascontiguousarray(plain.numpy()).reshape(tuple(t.shape))
    pairs = array.view(array.real.dtype) if array.dtype.kind == "c" and array.ndim else array
    if array.dtype.kind == "c" and not array.ndim:
        pairs = np.array([array.real, array.imag])
    return [str(t.dtype).rpartition(".")[2], list(t.shape), pairs.reshape(-1).tolist()]


def loss(outs):
    """A sum of all results with fixed weights."""
    total = 0
    for out in outs:
        if is_tensor(out) and out.requires_grad:
            parts = (out.real, out.imag) if out.is_complex() else (out,)
            for k, part in enumerate(parts):
                weights = np.cos(np.arange(part.numel()) + k + 1.0).reshape(tuple(part.shape))
                total = total + (part * _like(part, weights)).sum()
    return total


def _like(part, array):
    new = part.detach().clone()
    new.copy_(type(new)(array.tolist()) if new.dim() else new * 0 + float(array))
    return new


def families():
    """The names of the modules with cases."""
    folder = __file__.rpartition("/")[0]
    return sorted([m.name for m in pkgutil.iter_modules([folder]) if m.name.startswith("cases_")])


def lines(family):
    """The lines of a family."""
    text = importlib.import_module(family).CASES
    return [line for line in text.strip().splitlines() if line.strip() and line[0] != "#"]


def all_cases():
    """Every case, with its family."""
    return [(family, Case(line)) for family in families() for line in lines(family)]
