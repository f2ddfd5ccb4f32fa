"""Running primitives. See ``apply1`` and the others in ``ops/_primitive.py``."""

from rushlight.codegen.lowlevel import at, c, half, invoke, known, put, put_half, room, word
from rushlight.ops._graph_code.objects import (
    FAILED,
    OFFSET,
    PYTHON,
    ROOM,
    elements,
    field,
    is_tensor,
    new_tensor,
    recording,
    replace,
    storage_of,
    tuple_of,
)
from rushlight.ops._graph_code.record import attach_python, floating, rl_attach

SMALL = 4096  # elements that are filled at once


def tensor_from(result: int) -> int:
    """A tensor on what a kernel returned (stolen)."""
    if word(result, at.type) == known.ndarray:
        return new_tensor(result)
    if result == c._Py_NoneStruct:
        return result
    values = room(2)
    put(values, 8, result)
    t = c.PyObject_Vectorcall(known.as_tensor, values + 8, 1 + OFFSET, 0)
    c.Py_DecRef(result)
    return t


def wrap_result(result: int) -> int:
    """Tensors on what an eager rule returned (stolen): one, or a tuple of them."""
    if word(result, at.type) != c.PyTuple_Type:
        return tensor_from(result)
    count = word(result, at.tuple_size)
    group = c.PyTuple_New(count)
    i = 0
    while group and i < count:
        item = word(result, at.tuple_items + 8 * i)
        c.Py_IncRef(item)
        t = tensor_from(item)
        if t == 0:
            c.Py_DecRef(group)
            group = 0
        else:
            put(group, at.tuple_items + 8 * i, t)
        i += 1
    c.Py_DecRef(result)
    return group


def eager(primitive: int, inputs: int, count: int, params: int, extra: int) -> int:
    """What the eager rule returns for the inputs' arrays and ``extra`` params."""
    values = room(ROOM)
    i = 0
    while i < count:
        t = word(inputs, 8 * i)
        if is_tensor(t):
            t = word(t, at.array)
        c.Py_IncRef(t)
        put(values, 8 * i + 8, t)
        i += 1
    while i < count + extra:
        put(values, 8 * i + 8, word(params, 8 * (i - count)))
        i += 1
    rule = word(primitive, at.primitive_eager)
    result = c.PyObject_Vectorcall(rule, values + 8, count + extra + OFFSET, 0)
    i = 0
    while i < count:
        c.Py_DecRef(word(values, 8 * i + 8))
        i += 1
    return result


def has_history(inputs: int, count: int) -> int:
    """Whether an input has an edge, or something rare about it."""
    none = c._Py_NoneStruct
    i = 0
    while i < count:
        t = word(inputs, 8 * i)
        if is_tensor(t) and (word(t, at.edge) != none or word(t, at.meta) != none):
            return 1
        i += 1
    return 0


def run(primitive: int, inputs: int, count: int, params: int, extra: int) -> int:
    """Runs a primitive: the result, 0 on an exception, or PYTHON."""
    on = recording()
    if on < 0 or count + extra >= ROOM:
        return PYTHON
    result = eager(primitive, inputs, count, params, extra)
    if result == 0:
        return 0
    out = wrap_result(result)
    if out and on and has_history(inputs, count):
        return record(primitive, inputs, count, params, extra, out)
    return out


def record(primitive: int, inputs: int, count: int, params: int, extra: int, out: int) -> int:
    """Records a result (stolen) and returns it; 0 on an exception."""
    group = tuple_of(params, extra)
    status = FAILED
    if group:
        status = rl_attach(primitive, inputs, count, group, out)
        if status == PYTHON:
            status = attach_python(known.attach, primitive, inputs, count, group, out)
        c.Py_DecRef(group)
    if status:
        c.Py_DecRef(out)
        return 0
    return out


def python(function: int, args: int, n: int) -> int:
    """The answer of a Python function to the same arguments."""
    return c.PyObject_Vectorcall(function, args, n, 0)


def rl_apply1(self: int, args: int, n: int) -> int:
    """``apply1(primitive, x, *params)``."""
    if n < 2 or is_tensor(word(args, 8)) == 0:
        return python(known.apply1, args, n)
    out = run(word(args, 0), args + 8, 1, args + 16, n - 2)
    if out == PYTHON:
        return python(known.apply1, args, n)
    return out


def rl_apply2(self: int, args: int, n: int) -> int:
    """``apply2(primitive, x, y, *params)``."""
    if n < 3:
        return python(known.apply2, args, n)
    out = run(word(args, 0), args + 8, 2, args + 24, n - 3)
    if out == PYTHON:
        return python(known.apply2, args, n)
    return out


def rl_apply(self: int, args: int, n: int) -> int:
    """``apply(primitive, inputs, *params)``."""
    if n < 2 or word(word(args, 8), at.type) != c.PyTuple_Type:
        return python(known.apply, args, n)
    inputs = word(args, 8)
    count = word(inputs, at.tuple_size)
    out = run(word(args, 0), inputs + at.tuple_items, count, args + 16, n - 2)
    if out == PYTHON:
        return python(known.apply, args, n)
    return out


def rl_apply_view(self: int, args: int, n: int) -> int:
    """``apply_view(primitive, x, *params)``."""
    on = recording()
    if n < 2 or n >= ROOM or on < 0 or is_tensor(word(args, 8)) == 0:
        return python(known.apply_view, args, n)
    primitive = word(args, 0)
    x = word(args, 8)
    array = eager(primitive, args + 8, 1, args + 16, n - 2)
    if array == 0:
        return 0
    if word(array, at.type) != known.ndarray:
        c.Py_DecRef(array)
        return python(known.apply_view, args, n)
    copied = word(array, at.base) == 0 and array != word(x, at.array) and elements(array)
    out = new_tensor(array)
    if out == 0:
        return 0
    if copied == 0 and track(primitive, x, args + 16, n - 2, out, on):
        c.Py_DecRef(out)
        return 0
    if on and has_history(args + 8, 1):
        return record(primitive, args + 8, 1, args + 16, n - 2, out)
    return out


def track(primitive: int, x: int, params: int, extra: int, out: int, on: int) -> int:
    """Notes that ``out`` is a view of ``x``: 0 or FAILED."""
    none = c._Py_NoneStruct
    storage = storage_of(x)
    if storage == 0:
        return FAILED
    c.Py_IncRef(storage)
    replace(out, at.storage, storage)
    parent = none
    if word(x, at.meta) != none:
        parent = word(word(x, at.meta), at.meta_view)
    steps = steps_of(primitive, params, extra, parent)
    if steps == 0:
        return FAILED
    view = c.PyType_GenericAlloc(known.view, 0)
    if view == 0:
        c.Py_DecRef(steps)
        return FAILED
    put(view, at.view_steps, steps)
    field(view, at.view_version, word(storage, at.version))
    creation = none
    base = x
    if parent != none:
        creation = word(parent, at.view_creation)
        base = word(parent, at.view_base)
    if on == 0:
        creation = known.no_grad
    field(view, at.view_creation, creation)
    field(view, at.view_base, base)
    meta = c.PyType_GenericAlloc(known.meta, 0)
    if meta == 0:
        c.Py_DecRef(view)
        return FAILED
    put(meta, at.meta_view, view)
    field(meta, at.meta_hooks, none)
    field(meta, at.meta_accumulate_hooks, none)
    field(meta, at.meta_accumulator, none)
    field(meta, at.meta_name, none)
    field(meta, at.meta_retains_grad, c._Py_FalseStruct)
    inference = c._Py_FalseStruct
    if word(x, at.meta) != none:
        inference = word(word(x, at.meta), at.meta_inference)
    field(meta, at.meta_inference, inference)
    return replace(out, at.meta, meta)


def steps_of(primitive: int, params: int, extra: int, parent: int) -> int:
    """The steps from the base to a view, this one the last; 0 on an exception."""
    group = tuple_of(params, extra)
    if group == 0:
        return 0
    values = room(2)
    put(values, 0, primitive)
    put(values, 8, group)
    step = tuple_of(values, 2)
    c.Py_DecRef(group)
    if step == 0:
        return 0
    put(values, 0, step)
    steps = tuple_of(values, 1)
    c.Py_DecRef(step)
    if steps == 0 or parent == c._Py_NoneStruct:
        return steps
    longer = c.PySequence_Concat(word(parent, at.view_steps), steps)
    c.Py_DecRef(steps)
    return longer


# Small things


def rl_conj(self: int, args: int, n: int) -> int:
    """``conj(x)``: a real tensor or number is its own."""
    x = word(args, 0)
    if n == 1 and word(x, at.type) == known.tensor:
        if floating(x) >= 0:
            c.Py_IncRef(x)
            return x
    elif n == 1 and word(x, at.type) == c.PyFloat_Type:
        c.Py_IncRef(x)
        return x
    return python(known.conj, args, n)


def rl_shape(self: int, closure: int) -> int:
    """``tensor.shape``, a ``Size``."""
    array = word(self, at.array)
    if array == 0:
        c.PyErr_SetNone(word(c.PyExc_AttributeError))
        return 0
    nd = half(array, at.ndim)
    dims = word(array, at.dims)
    shape = c.PyType_GenericAlloc(known.size, nd)
    i = 0
    while shape and i < nd:
        put(shape, at.tuple_items + 8 * i, c.PyLong_FromSsize_t(word(dims, 8 * i)))
        i += 1
    return shape


def rl_filled(self: int, args: int, n: int) -> int:
    """``filled(number, shape)``: a small array of one float32."""
    number = word(args, 0)
    shape = word(args, 8)
    fits = 0
    if n == 2 and word(number, at.type) == known.ndarray and word(shape, at.type) == c.PyTuple_Type:
        fits = half(number, at.ndim) == 0 and word(number, at.descr) == known.f32
    nd = 0
    if fits:
        nd = word(shape, at.tuple_size)
        fits = nd <= 8
    if fits == 0:
        return python(known.filled, args, n)
    dims = room(8)
    count = 1
    i = 0
    while i < nd:
        size = c.PyLong_AsSsize_t(word(shape, at.tuple_items + 8 * i))
        put(dims, 8 * i, size)
        count = count * size
        i += 1
    if count > SMALL or count <= 0:
        return python(known.filled, args, n)
    c.Py_IncRef(known.f32)
    array = invoke(known.new_array, known.ndarray, known.f32, nd, dims, 0, 0, 0, 0)
    if array == 0:
        return 0
    data = word(array, at.data)
    value = half(word(number, at.data), 0)
    i = 0
    while i < count:
        put_half(data, 4 * i, value)
        i += 1
    return array


def entry_of(fields: int, group: int, name: int) -> int:
    """``fields[group][name]`` (a new reference), or 0."""
    table = c.PyDict_GetItemWithError(fields, group)
    if table == 0 or word(table, at.type) != c.PyDict_Type:
        return 0
    found = c.PyDict_GetItemWithError(table, name)
    if found:
        c.Py_IncRef(found)
    return found


def rl_module_getattr(self: int, name: int) -> int:
    """``Module.__getattr__``: a parameter, module or buffer."""
    fields = c.PyObject_GenericGetDict(self, 0)
    if fields == 0:
        return 0
    found = entry_of(fields, known.parameters, name)
    if found == 0:
        found = entry_of(fields, known.modules, name)
    if found == 0:
        found = entry_of(fields, known.buffers, name)
    c.Py_DecRef(fields)
    if found:
        return found
    c.PyErr_Clear()
    values = room(2)
    put(values, 0, self)
    put(values, 8, name)
    return python(known.module_getattr, values, 2)
