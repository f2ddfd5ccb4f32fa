"""The graph in machine code: running primitives, recording them, walking back.

This file is compiled by ``codegen.lowlevel`` (see there for the language), not run. It does what
``ops._primitive`` and ``autograd.engine`` do, for the usual cases; for all others it hands over to
them. Objects are "stolen" where a function takes over the caller's reference.
"""

from rushlight.codegen.lowlevel import at, byte, c, half, invoke, known, put, put_half, room, word

PYTHON = 1  # in place of a result: let Python do it
FAILED = -1
OFFSET = -9223372036854775808  # PY_VECTORCALL_ARGUMENTS_OFFSET
ROOM = 48  # values that one call may take
ENTRY = 24  # bytes of a pending node: sequence number, node, gradient or list of them
ONE_F32 = 1065353216
ONE_F64 = 4607182418800017408
EQUAL = 2

# bytes of Plan.code
SAVE_OUT = 0
SHAPES = 1
BROADCAST = 2
JOINT = 3
MATERIALIZE = 4
KEEP = 5
SAVED = 6


def recording() -> int:
    """1 if operations are recorded in this thread, 0 if not, FAILED if Python must say."""
    words = known.guard
    if word(words, 0):
        return FAILED
    thread = word(words, 8)
    if thread == 0:
        return 1
    if thread == c.PyThread_get_thread_ident():
        return 0
    if thread == FAILED:
        return FAILED
    return 1


def is_tensor(o: int) -> int:
    """Whether the object is a tensor."""
    kind = word(o, at.type)
    if kind == known.tensor:
        return 1
    if o == c._Py_NoneStruct or kind == known.ndarray:
        return 0
    if kind == c.PyFloat_Type or kind == c.PyLong_Type:
        return 0
    return c.PyType_IsSubtype(kind, known.tensor)


def replace(o: int, offset: int, value: int) -> int:
    """Stores a stolen value in a field that holds another."""
    old = word(o, offset)
    put(o, offset, value)
    if old:
        c.Py_DecRef(old)
    return 0


def same_version(a: int, b: int) -> int:
    """Whether two version numbers are equal."""
    if a == b:
        return 1
    return c.PyObject_RichCompareBool(a, b, EQUAL)


def fresh_view(t: int, view: int) -> int:
    """Whether the edge of a view is right: its base was not changed since."""
    storage = word(t, at.storage)
    if storage == c._Py_NoneStruct:
        return 1
    return same_version(word(view, at.view_version), word(storage, at.version))


def edge_of(t: int) -> int:
    """The edge of a tensor (a new reference), 0 if none, FAILED if Python must say."""
    none = c._Py_NoneStruct
    meta = word(t, at.meta)
    if meta != none:
        view = word(meta, at.meta_view)
        if view != none and fresh_view(t, view) != 1:
            return FAILED
    edge = word(t, at.edge)
    if edge == none:
        return 0
    if edge == known.LEAF:
        c.Py_IncRef(t)
        return t
    c.Py_IncRef(edge)
    index = word(t, at.index)
    if index == known.zero:
        return edge
    pair = c.PyTuple_New(2)
    if pair == 0:
        c.Py_DecRef(edge)
        c.PyErr_Clear()
        return FAILED
    c.Py_IncRef(index)
    put(pair, at.tuple_items, edge)
    put(pair, at.tuple_items + 8, index)
    return pair


def field(o: int, offset: int, value: int) -> int:
    """Stores a borrowed value in a field of a new object."""
    c.Py_IncRef(value)
    put(o, offset, value)
    return 0


def new_tensor(array: int) -> int:
    """A tensor on a stolen array, without history."""
    t = c.PyType_GenericAlloc(known.tensor, 0)
    if t == 0:
        c.Py_DecRef(array)
        return 0
    none = c._Py_NoneStruct
    put(t, at.array, array)
    field(t, at.edge, none)
    field(t, at.index, known.zero)
    field(t, at.storage, none)
    field(t, at.grad, none)
    field(t, at.meta, none)
    return t


def storage_of(t: int) -> int:
    """The version counter of a tensor (borrowed), made if it has none."""
    storage = word(t, at.storage)
    if storage != c._Py_NoneStruct:
        return storage
    storage = c.PyType_GenericAlloc(known.storage, 0)
    if storage:
        field(storage, at.version, known.zero)
        replace(t, at.storage, storage)
    return storage


def shape_of(t: int) -> int:
    """The shape of a tensor as a tuple; () for what is none."""
    if is_tensor(t) == 0:
        return c.PyTuple_New(0)
    array = word(t, at.array)
    nd = half(array, at.ndim)
    dims = word(array, at.dims)
    shape = c.PyTuple_New(nd)
    i = 0
    while shape and i < nd:
        put(shape, at.tuple_items + 8 * i, c.PyLong_FromSsize_t(word(dims, 8 * i)))
        i += 1
    return shape


def same_dims(a: int, b: int) -> int:
    """Whether two arrays have one shape."""
    nd = half(a, at.ndim)
    if half(b, at.ndim) != nd:
        return 0
    left = word(a, at.dims)
    right = word(b, at.dims)
    i = 0
    while i < nd:
        if word(left, 8 * i) != word(right, 8 * i):
            return 0
        i += 1
    return 1


def has_shape(array: int, shape: int) -> int:
    """Whether an array has the shape that a tuple says."""
    nd = half(array, at.ndim)
    if word(shape, at.tuple_size) != nd:
        return 0
    dims = word(array, at.dims)
    i = 0
    while i < nd:
        if c.PyLong_AsSsize_t(word(shape, at.tuple_items + 8 * i)) != word(dims, 8 * i):
            return 0
        i += 1
    return 1


# Recording


def floating(t: int) -> int:
    """1 for float32 and float64, 0 for integers and bools, FAILED for what Python knows better."""
    descr = word(word(t, at.array), at.descr)
    if descr == known.f32 or descr == known.f64:
        return 1
    if descr == known.i64 or descr == known.bool or descr == known.i32 or descr == known.u8:
        return 0
    return FAILED


def collect_edges(inputs: int, count: int, edges: int) -> int:
    """Fills the tuple of edges; returns the mask of inputs that have one, or FAILED."""
    mask = 0
    i = 0
    while i < count:
        t = word(inputs, 8 * i)
        edge = 0
        if is_tensor(t):
            edge = edge_of(t)
            if edge == FAILED:
                return FAILED
        if edge:
            mask = mask | (1 << i)
            put(edges, at.tuple_items + 8 * i, edge)
        else:
            field(edges, at.tuple_items + 8 * i, c._Py_NoneStruct)
        i += 1
    return mask


def twin(out: int, versions: int, place: int) -> int:
    """A tensor on the memory of ``out`` without its history, and its version."""
    array = word(out, at.array)
    storage = storage_of(out)
    if storage == 0:
        return 0
    c.Py_IncRef(array)
    t = new_tensor(array)
    if t == 0:
        return 0
    c.Py_IncRef(storage)
    replace(t, at.storage, storage)
    field(versions, at.tuple_items + 8 * place, word(storage, at.version))
    return t


def save_outputs(node: int, versions: int, place: int, out: int, count: int, keep: int) -> int:
    """Keeps twins of the outputs (a tensor, or with ``count`` a tuple of them)."""
    none = c._Py_NoneStruct
    total = count
    if total == 0:
        total = 1
    twins = c.PyTuple_New(total)
    if twins == 0:
        return FAILED
    put(node, at.op_out, twins)
    i = 0
    while i < total:
        if count == 0 or (keep >> i) & 1:
            t = out
            if count:
                t = word(out, at.tuple_items + 8 * i)
            t = twin(t, versions, place + i)
            if t == 0:
                return FAILED
            put(twins, at.tuple_items + 8 * i, t)
        else:
            field(twins, at.tuple_items + 8 * i, none)
            field(versions, at.tuple_items + 8 * (place + i), none)
        i += 1
    return 0


def save_inputs(node: int, inputs: int, code: int, outs: int) -> int:
    """Keeps the inputs that the rules read; the tuple of versions has room for ``outs`` more."""
    none = c._Py_NoneStruct
    count = byte(code, SAVED)
    saved = c.PyTuple_New(count)
    if saved == 0:
        return FAILED
    put(node, at.op_saved, saved)
    versions = c.PyTuple_New(count + outs)
    if versions == 0:
        return FAILED
    put(node, at.op_versions, versions)
    i = 0
    while i < count:
        t = word(inputs, 8 * byte(code, SAVED + 1 + i))
        field(saved, at.tuple_items + 8 * i, t)
        version = none
        if is_tensor(t):
            version = known.zero
            if word(t, at.storage) != none:
                version = word(word(t, at.storage), at.version)
            meta = word(t, at.meta)
            if meta != none and word(meta, at.meta_inference) != c._Py_FalseStruct:
                return PYTHON
        field(versions, at.tuple_items + 8 * i, version)
        i += 1
    return 0


def save_shapes(node: int, inputs: int, count: int, code: int, out: int) -> int:
    """Keeps the inputs' shapes if they are read or differ from that of the output."""
    needed = byte(code, SHAPES)
    i = 0
    while byte(code, BROADCAST) and i < count:
        t = word(inputs, 8 * i)
        if is_tensor(t) == 0 or same_dims(word(t, at.array), word(out, at.array)) == 0:
            needed = 1
        i += 1
    if needed == 0:
        field(node, at.op_shapes, c._Py_NoneStruct)
        return 0
    shapes = c.PyTuple_New(count)
    if shapes == 0:
        return FAILED
    put(node, at.op_shapes, shapes)
    i = 0
    while i < count:
        shape = shape_of(word(inputs, 8 * i))
        if shape == 0:
            return FAILED
        put(shapes, at.tuple_items + 8 * i, shape)
        i += 1
    return 0


def set_edges(node: int, out: int, outs: int) -> int:
    """Tells the outputs the node."""
    if outs == 0:
        c.Py_IncRef(node)
        return replace(out, at.edge, node)
    i = 0
    while i < outs:
        t = word(out, at.tuple_items + 8 * i)
        if t != c._Py_NoneStruct and floating(t):
            c.Py_IncRef(node)
            replace(t, at.edge, node)
            replace(t, at.index, c.PyLong_FromSsize_t(i))
        i += 1
    return 0


def check_outputs(out: int, outs: int, code: int) -> int:
    """0 if the outputs' dtypes are known here."""
    if outs == 0:
        return floating(out) != 1
    if byte(code, MATERIALIZE) or outs > 8:
        return PYTHON
    i = 0
    while i < outs:
        t = word(out, at.tuple_items + 8 * i)
        if t != c._Py_NoneStruct and floating(t) < 0:
            return PYTHON
        i += 1
    return 0


def rl_attach(primitive: int, inputs: int, count: int, params: int, out: int) -> int:
    """Records that ``out`` came from ``count`` inputs: 0, PYTHON or FAILED (an exception is set).

    ``out`` is a tensor or a tuple of them. Nothing has happened when PYTHON is returned.
    """
    if word(primitive, at.primitive_reason) != c._Py_NoneStruct:
        return 0
    if word(known.guard, 16):
        return PYTHON
    edges = c.PyTuple_New(count)
    if edges == 0:
        return FAILED
    mask = collect_edges(inputs, count, edges)
    plan = 0
    outs = 0
    if word(out, at.type) == c.PyTuple_Type:
        outs = word(out, at.tuple_size)
    if mask > 0:
        key = c.PyLong_FromSsize_t(mask)
        plan = c.PyDict_GetItemWithError(word(primitive, at.primitive_plans), key)
        c.Py_DecRef(key)
    code = 0
    if plan:
        code = word(plan, at.plan_code) + at.bytes_value
    if plan == 0 or check_outputs(out, outs, code):
        c.Py_DecRef(edges)
        if mask == 0:
            return 0
        return PYTHON
    node = c.PyType_GenericAlloc(word(primitive, at.primitive_node_class), 0)
    if node == 0:
        c.Py_DecRef(edges)
        return FAILED
    put(node, at.node_edges, edges)
    status = fill_node(node, plan, code, inputs, count, params, out, outs)
    if status == 0:
        set_edges(node, out, outs)
    c.Py_DecRef(node)
    return status


def fill_node(
    node: int, plan: int, code: int, inputs: int, count: int, params: int, out: int, outs: int
) -> int:
    """The other fields of a node."""
    none = c._Py_NoneStruct
    field(node, at.node_extra, none)
    field(node, at.op_params, params)
    field(node, at.op_plan, plan)
    sequence = c.PyIter_Next(known.count)
    if sequence == 0:
        return FAILED
    put(node, at.node_sequence, sequence)
    if outs == 0:
        field(node, at.node_outputs, known.one)
    else:
        put(node, at.node_outputs, c.PyLong_FromSsize_t(outs))
    kept = 0
    if byte(code, SAVE_OUT):
        kept = outs
        if outs == 0:
            kept = 1
    status = save_inputs(node, inputs, code, kept)
    if status:
        return status
    first = out
    if outs:
        first = word(out, at.tuple_items)
    status = save_shapes(node, inputs, count, code, first)
    if status:
        return status
    if kept == 0:
        field(node, at.op_out, none)
        return 0
    place = byte(code, SAVED)
    return save_outputs(node, word(node, at.op_versions), place, out, outs, byte(code, KEEP))


def rl_record(primitive: int, inputs: int, count: int, out: int, fallback: int) -> int:
    """Records a result of a builtin (stolen) and returns it; 0 on an exception."""
    status = PYTHON
    if recording() == 1:
        status = rl_attach(primitive, inputs, count, known.empty, out)
    if status == PYTHON:
        status = attach_python(primitive, inputs, count, known.empty, out)
    if status:
        c.Py_DecRef(out)
        return 0
    return out


def attach_python(primitive: int, inputs: int, count: int, params: int, out: int) -> int:
    """The general way to record."""
    group = tuple_of(inputs, count)
    if group == 0:
        return FAILED
    values = room(5)
    put(values, 8, primitive)
    put(values, 16, group)
    put(values, 24, params)
    put(values, 32, out)
    answer = c.PyObject_Vectorcall(known.attach, values + 8, 4 + OFFSET, 0)
    c.Py_DecRef(group)
    if answer == 0:
        return FAILED
    c.Py_DecRef(answer)
    return 0


def tuple_of(values: int, count: int) -> int:
    """A tuple of borrowed objects."""
    group = c.PyTuple_New(count)
    i = 0
    while group and i < count:
        field(group, at.tuple_items + 8 * i, word(values, 8 * i))
        i += 1
    return group


# Running primitives


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
            status = attach_python(primitive, inputs, count, group, out)
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


# Views


def elements(array: int) -> int:
    """The number of elements of an array."""
    nd = half(array, at.ndim)
    dims = word(array, at.dims)
    count = 1
    i = 0
    while i < nd:
        count = count * word(dims, 8 * i)
        i += 1
    return count


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
    field(meta, at.meta_inference, c._Py_FalseStruct)
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


# Walking back. ``work`` is [entries, their number, their room]; the entries are sorted by sequence.


def find(work: int, sequence: int) -> int:
    """How many pending nodes have a smaller number."""
    entries = word(work, 0)
    low = 0
    high = word(work, 8)
    while low < high:
        middle = (low + high) >> 1
        if word(entries, ENTRY * middle) < sequence:
            low = middle + 1
        else:
            high = middle
    return low


def grow(work: int) -> int:
    """Makes room for another entry: 0 or FAILED."""
    if word(work, 8) < word(work, 16):
        return 0
    capacity = 2 * word(work, 16) + 16
    entries = c.PyMem_Realloc(word(work, 0), ENTRY * capacity)
    if entries == 0:
        c.PyErr_NoMemory()
        return FAILED
    put(work, 0, entries)
    put(work, 16, capacity)
    return 0


def insert(work: int, place: int, sequence: int, node: int) -> int:
    """A new pending node without gradients: 0 or FAILED."""
    if grow(work):
        return FAILED
    entries = word(work, 0)
    i = 3 * word(work, 8)
    while i > 3 * place:
        i -= 1
        put(entries, 8 * i + ENTRY, word(entries, 8 * i))
    put(work, 8, word(work, 8) + 1)
    entry = entries + ENTRY * place
    c.Py_IncRef(node)
    put(entry, 0, sequence)
    put(entry, 8, node)
    put(entry, 16, 0)
    if word(node, at.node_outputs) == known.one:
        return 0
    count = c.PyLong_AsSsize_t(word(node, at.node_outputs))
    slots = c.PyList_New(count)
    if slots == 0:
        return FAILED
    i = 0
    while i < count:
        field(word(slots, at.list_items), 8 * i, c._Py_NoneStruct)
        i += 1
    put(entry, 16, slots)
    return 0


def sum_of(held: int, grad: int) -> int:
    """The sum of two gradients, both stolen; 0 on an exception."""
    values = room(3)
    put(values, 8, held)
    put(values, 16, grad)
    total = c.PyObject_Vectorcall(known.add, values + 8, 2 + OFFSET, 0)
    c.Py_DecRef(held)
    c.Py_DecRef(grad)
    return total


def pend(work: int, node: int, index: int, grad: int) -> int:
    """Keeps a gradient (stolen) until its node's turn: 0 or FAILED."""
    sequence = c.PyLong_AsSsize_t(word(node, at.node_sequence))
    place = find(work, sequence)
    if place == word(work, 8) or word(word(work, 0), ENTRY * place) != sequence:
        if insert(work, place, sequence, node):
            c.Py_DecRef(grad)
            return FAILED
    slot = word(work, 0) + ENTRY * place + 16
    none = c._Py_NoneStruct
    if word(node, at.node_outputs) != known.one:
        slot = word(word(slot), at.list_items) + 8 * index
    held = word(slot)
    if held == 0 or held == none:
        put(slot, 0, grad)
        return 0
    put(slot, 0, 0)  # adding may run Python code, which may look at the list: leave it whole
    if word(node, at.node_outputs) != known.one:
        field(slot, 0, none)
    total = sum_of(held, grad)
    if total == 0:
        return FAILED
    return replace(slot, 0, total)


def owned(grad: int) -> int:
    """Whether nobody else holds a gradient's memory."""
    array = word(grad, at.array)
    return half(grad, 0) == 1 and half(array, 0) == 1 and word(array, at.base) == 0


def reach_leaf(leaf: int, grad: int) -> int:
    """Adds a gradient (stolen) to that of a leaf: 0 or FAILED."""
    none = c._Py_NoneStruct
    mine = owned(grad)
    held = word(leaf, at.grad)
    if word(leaf, at.meta) == none and word(grad, at.type) == known.tensor:
        if held == none and mine:
            return replace(leaf, at.grad, grad)
        if held != none and can_add(held, grad):
            return add_into(held, grad)
    values = room(4)
    put(values, 8, leaf)
    put(values, 16, grad)
    put(values, 24, c._Py_FalseStruct)
    if mine:
        put(values, 24, c._Py_TrueStruct)
    answer = c.PyObject_Vectorcall(known.reach_leaf, values + 8, 3 + OFFSET, 0)
    c.Py_DecRef(grad)
    if answer == 0:
        return FAILED
    c.Py_DecRef(answer)
    return 0


def can_add(held: int, grad: int) -> int:
    """Whether one gradient can be added to another in place."""
    a = word(held, at.array)
    b = word(grad, at.array)
    if word(a, at.descr) != word(b, at.descr):
        return 0
    return same_dims(a, b)


def add_into(held: int, grad: int) -> int:
    """Adds a gradient (stolen) to another in place: 0 or FAILED."""
    values = room(4)
    a = word(held, at.array)
    put(values, 8, a)
    put(values, 16, word(grad, at.array))
    put(values, 24, a)
    c.Py_IncRef(held)
    c.Py_IncRef(a)
    answer = c.PyObject_Vectorcall(known.add_out, values + 8, 3 + OFFSET, 0)
    status = FAILED
    if answer:
        c.Py_DecRef(answer)
        status = bump(held)
    c.Py_DecRef(a)
    c.Py_DecRef(held)
    c.Py_DecRef(grad)
    return status


def bump(t: int) -> int:
    """Counts an in-place change of a tensor's memory: 0 or FAILED."""
    storage = storage_of(t)
    if storage == 0:
        return FAILED
    version = c.PyNumber_Add(word(storage, at.version), known.one)
    if version == 0:
        return FAILED
    return replace(storage, at.version, version)


def deliver(work: int, edge: int, grad: int) -> int:
    """Sends a gradient (stolen) along an edge: 0 or FAILED."""
    none = c._Py_NoneStruct
    if edge == none or grad == none:
        c.Py_DecRef(grad)
        return 0
    kind = word(edge, at.type)
    if kind == known.tensor:
        return reach_leaf(edge, grad)
    if kind == c.PyTuple_Type:
        index = c.PyLong_AsSsize_t(word(edge, at.tuple_items + 8))
        return pend(work, word(edge, at.tuple_items), index, grad)
    if is_tensor(edge):
        return reach_leaf(edge, grad)
    return pend(work, edge, 0, grad)


def deliver_tuple(work: int, edges: int, results: int) -> int:
    """Sends each of a tuple (stolen) of gradients along its edge: 0 or FAILED."""
    count = word(edges, at.tuple_size)
    if word(results, at.tuple_size) < count:
        count = word(results, at.tuple_size)
    # taken out of a tuple that nobody else has, so that a leaf can keep what it gets
    alone = half(results, 0) == 1
    status = 0
    i = 0
    while status == 0 and i < count:
        each = word(results, at.tuple_items + 8 * i)
        if alone:
            field(results, at.tuple_items + 8 * i, c._Py_NoneStruct)
        else:
            c.Py_IncRef(each)
        status = deliver(work, word(edges, at.tuple_items + 8 * i), each)
        i += 1
    c.Py_DecRef(results)
    return status


def values_of(node: int, code: int, values: int) -> int:
    """Writes what the rules may read: their number, or FAILED if Python must look."""
    saved = word(node, at.op_saved)
    if word(saved, at.type) != c.PyTuple_Type:
        return FAILED
    none = c._Py_NoneStruct
    versions = word(node, at.op_versions)
    params = word(node, at.op_params)
    count = byte(code, SAVED)
    if count + word(params, at.tuple_size) + word(word(node, at.node_edges), at.tuple_size) > 40:
        return FAILED
    i = 0
    while i < count:
        t = word(saved, at.tuple_items + 8 * i)
        put(values, 8 * i, t)
        version = word(versions, at.tuple_items + 8 * i)
        if version != none and unchanged(t, version) != 1:
            return FAILED
        i += 1
    if byte(code, SAVE_OUT):
        twins = word(node, at.op_out)
        if twins == none or twins_unchanged(twins, versions, count) != 1:
            return FAILED
        put(values, 8 * count, twins)
        if word(node, at.node_outputs) == known.one:
            put(values, 8 * count, word(twins, at.tuple_items))
        count += 1
    count = append(values, count, params)
    if byte(code, SHAPES):
        count = append(values, count, word(node, at.op_shapes))
    return count


def append(values: int, count: int, group: int) -> int:
    """Writes a tuple's items behind ``count`` values; the new number."""
    size = word(group, at.tuple_size)
    i = 0
    while i < size:
        put(values, 8 * (count + i), word(group, at.tuple_items + 8 * i))
        i += 1
    return count + size


def unchanged(t: int, version: int) -> int:
    """Whether a tensor's memory is as it was at this version."""
    storage = word(t, at.storage)
    if storage == c._Py_NoneStruct:
        return 1
    return same_version(word(storage, at.version), version)


def twins_unchanged(twins: int, versions: int, place: int) -> int:
    """Whether all kept outputs are as they were."""
    size = word(twins, at.tuple_size)
    i = 0
    while i < size:
        t = word(twins, at.tuple_items + 8 * i)
        if t != c._Py_NoneStruct:
            if unchanged(t, word(versions, at.tuple_items + 8 * (place + i))) != 1:
                return 0
        i += 1
    return 1


def call_rule(rule: int, places: int, grad: int, values: int) -> int:
    """What a gradient rule returns."""
    arguments = room(ROOM)
    count = c.PyBytes_Size(places)
    put(arguments, 8, grad)
    i = 0
    while i < count:
        place = byte(places, at.bytes_value + i)
        put(arguments, 8 * i + 16, word(values, 8 * place))
        i += 1
    return c.PyObject_Vectorcall(rule, arguments + 8, count + 1 + OFFSET, 0)


def run_joint(work: int, node: int, plan: int, grad: int, values: int) -> int:
    """Runs the one rule for all inputs."""
    rules = word(plan, at.plan_rules)
    places = word(plan, at.plan_places)
    rule = word(rules, at.tuple_items)
    results = call_rule(rule, word(places, at.tuple_items), grad, values)
    if results == 0:
        return FAILED
    edges = word(node, at.node_edges)
    if word(results, at.type) != c.PyTuple_Type:
        return deliver(work, word(edges, at.tuple_items), results)
    return deliver_tuple(work, edges, results)


def run_rules(work: int, node: int, plan: int, code: int, grad: int, values: int) -> int:
    """Runs the rule of each input that needs a gradient."""
    rules = word(plan, at.plan_rules)
    all_places = word(plan, at.plan_places)
    edges = word(node, at.node_edges)
    count = word(rules, at.tuple_size)
    i = 0
    while i < count:
        rule = word(rules, at.tuple_items + 8 * i)
        if rule != c._Py_NoneStruct:
            places = word(all_places, at.tuple_items + 8 * i)
            result = call_rule(rule, places, grad, values)
            if result and byte(code, BROADCAST):
                result = unbroadcast(node, i, result)
            if result == 0:
                return FAILED
            if deliver(work, word(edges, at.tuple_items + 8 * i), result):
                return FAILED
        i += 1
    return 0


def unbroadcast(node: int, i: int, result: int) -> int:
    """A gradient (stolen) summed to the shape of its input; 0 on an exception."""
    shapes = word(node, at.op_shapes)
    if shapes == c._Py_NoneStruct:
        return result
    shape = word(shapes, at.tuple_items + 8 * i)
    if has_shape(word(result, at.array), shape):
        return result
    values = room(3)
    put(values, 8, result)
    put(values, 16, shape)
    fitting = c.PyObject_Vectorcall(known.sum_to_size, values + 8, 2 + OFFSET, 0)
    c.Py_DecRef(result)
    return fitting


def run_python(work: int, node: int, grad: int, retain: int) -> int:
    """Runs a node with hooks, or of another kind, or one whose saved values are gone."""
    grads = grad
    if word(node, at.node_outputs) == known.one:
        grads = c.PyList_New(1)
        if grads == 0:
            return FAILED
        c.Py_IncRef(grad)
        put(word(grads, at.list_items), 0, grad)
    else:
        c.Py_IncRef(grads)
    values = room(4)
    put(values, 8, node)
    put(values, 16, grads)
    put(values, 24, c._Py_FalseStruct)
    if retain:
        put(values, 24, c._Py_TrueStruct)
    results = c.PyObject_Vectorcall(known.run_node, values + 8, 3 + OFFSET, 0)
    c.Py_DecRef(grads)
    if results == 0:
        return FAILED
    return deliver_tuple(work, word(node, at.node_edges), results)


def run_node(work: int, node: int, grad: int, retain: int) -> int:
    """Runs a node for a gradient, or a list of those of its outputs: 0 or FAILED."""
    none = c._Py_NoneStruct
    if word(node, at.node_extra) != none:
        return run_python(work, node, grad, retain)
    if c.PyType_IsSubtype(word(node, at.type), known.op_node) == 0:
        return run_python(work, node, grad, retain)
    plan = word(node, at.op_plan)
    code = word(plan, at.plan_code) + at.bytes_value
    single = word(node, at.node_outputs) == known.one
    if single == 0 and byte(code, MATERIALIZE):
        return run_python(work, node, grad, retain)
    values = room(ROOM)
    count = values_of(node, code, values)
    if count < 0:
        return run_python(work, node, grad, retain)
    if single:
        c.Py_IncRef(grad)
    else:
        grad = c.PyList_AsTuple(grad)
        if grad == 0:
            return FAILED
    status = 0
    if byte(code, JOINT):
        put(values, 8 * count, word(plan, at.plan_needs))
        status = run_joint(work, node, plan, grad, values)
    else:
        status = run_rules(work, node, plan, code, grad, values)
    c.Py_DecRef(grad)
    if status == 0 and retain == 0 and (byte(code, SAVED) or byte(code, SAVE_OUT)):
        c.Py_IncRef(known.released)
        replace(node, at.op_saved, known.released)
        c.Py_IncRef(none)
        replace(node, at.op_out, none)
    return status


def walk(work: int, retain: int) -> int:
    """Runs all pending nodes, the one with the largest number first: 0 or FAILED."""
    status = 0
    while status == 0 and word(work, 8):
        last = word(work, 8) - 1
        put(work, 8, last)
        entry = word(work, 0) + ENTRY * last
        node = word(entry, 8)
        grad = word(entry, 16)
        status = run_node(work, node, grad, retain)
        c.Py_DecRef(grad)
        c.Py_DecRef(node)
    clear(work)
    return status


def clear(work: int) -> int:
    """Gives up what is pending after an exception, and the memory."""
    while word(work, 8):
        last = word(work, 8) - 1
        put(work, 8, last)
        entry = word(work, 0) + ENTRY * last
        if word(entry, 16):
            c.Py_DecRef(word(entry, 16))
        c.Py_DecRef(word(entry, 8))
    c.PyMem_Free(word(work, 0))
    return 0


def rl_walk(self: int, args: int, n: int) -> int:
    """``walk(edges, gradients, retain_graph)``: from tuples of roots."""
    work = room(3)
    put(work, 0, 0)
    put(work, 8, 0)
    put(work, 16, 0)
    grads = word(args, 8)
    c.Py_IncRef(grads)
    if deliver_tuple(work, word(args, 0), grads):
        clear(work)
        return 0
    if walk(work, word(args, 16) == c._Py_TrueStruct):
        return 0
    c.Py_IncRef(c._Py_NoneStruct)
    return c._Py_NoneStruct


def one_like(array: int) -> int:
    """A new array of one element, 1, with the shape of ``array``; 0 on an exception."""
    descr = word(array, at.descr)
    c.Py_IncRef(descr)
    ones = invoke(
        known.new_array,
        known.ndarray,
        descr,
        half(array, at.ndim),
        word(array, at.dims),
        0,
        0,
        0,
        0,
    )
    if ones and descr == known.f32:
        put_half(word(ones, at.data), 0, ONE_F32)
    elif ones:
        put(word(ones, at.data), 0, ONE_F64)
    return ones


def set_grad(value: int) -> int:
    """Switches recording on or off, keeping an exception that is set: 0 or FAILED."""
    error = room(3)
    c.PyErr_Fetch(error, error + 8, error + 16)
    values = room(2)
    put(values, 8, value)
    answer = c.PyObject_Vectorcall(known.set_grad, values + 8, 1 + OFFSET, 0)
    if answer == 0:
        return FAILED
    c.Py_DecRef(answer)
    c.PyErr_Restore(word(error, 0), word(error, 8), word(error, 16))
    return 0


def rl_backward(self: int, args: int, n: int, names: int) -> int:
    """``tensor.backward()``, for one element."""
    on = recording()
    edge = FAILED
    array = 0
    if n == 0 and names == 0 and on >= 0 and word(known.guard, 16) == 0:
        array = word(self, at.array)
        if elements(array) == 1:
            descr = word(array, at.descr)
            if descr == known.f32 or descr == known.f64:
                edge = edge_of(self)
    if edge == FAILED or edge == 0:
        return backward_python(self, args, n, names)
    return backward_from(edge, array, on)


def backward_python(self: int, args: int, n: int, names: int) -> int:
    """The general way."""
    total = n
    if names:
        total += word(names, at.tuple_size)
    if total >= ROOM:
        total = ROOM - 1
    values = room(ROOM)
    put(values, 0, self)
    i = 0
    while i < total:
        put(values, 8 * i + 8, word(args, 8 * i))
        i += 1
    return c.PyObject_Vectorcall(known.backward, values, n + 1, names)


def backward_from(edge: int, array: int, on: int) -> int:
    """Walks from an edge (stolen): None or 0."""
    ones = one_like(array)
    grad = 0
    if ones:
        grad = new_tensor(ones)
    if grad == 0:
        c.Py_DecRef(edge)
        return 0
    work = room(3)
    put(work, 0, 0)
    put(work, 8, 0)
    put(work, 16, 0)
    status = 0
    if on:
        status = set_grad(c._Py_FalseStruct)
    if status == 0:
        status = deliver(work, edge, grad)
        if status == 0:
            status = walk(work, 0)
        else:
            clear(work)
        if on and set_grad(c._Py_TrueStruct):
            status = FAILED
    c.Py_DecRef(edge)
    if status:
        return 0
    c.Py_IncRef(c._Py_NoneStruct)
    return c._Py_NoneStruct
