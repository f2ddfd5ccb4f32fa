"""Recording: the node of a result. See ``attach`` in ``ops/_primitive.py``."""

from rushlight.codegen.lowlevel import at, byte, c, known, put, room, word
from rushlight.ops._graph_code.objects import (
    FAILED,
    OFFSET,
    PYTHON,
    edge_of,
    field,
    is_tensor,
    new_tensor,
    recording,
    replace,
    same_dims,
    shape_of,
    storage_of,
    tuple_of,
)

# bytes of Plan.code
SAVE_OUT = 0
SHAPES = 1
BROADCAST = 2
JOINT = 3
MATERIALIZE = 4
KEEP = 5
SAVED = 6


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
        status = attach_python(known.record, primitive, inputs, count, known.empty, out)
    if status:
        c.Py_DecRef(out)
        return 0
    return out


def rl_attach_call(self: int, args: int, n: int) -> int:
    """``attach(primitive, inputs, params, out)``."""
    status = PYTHON
    if n == 4 and recording() == 1 and word(word(args, 8), at.type) == c.PyTuple_Type:
        inputs = word(args, 8)
        count = word(inputs, at.tuple_size)
        params = word(args, 16)
        status = rl_attach(word(args, 0), inputs + at.tuple_items, count, params, word(args, 24))
    if status == PYTHON:
        return c.PyObject_Vectorcall(known.attach, args, n, 0)
    if status:
        return 0
    c.Py_IncRef(c._Py_NoneStruct)
    return c._Py_NoneStruct


def attach_python(
    function: int, primitive: int, inputs: int, count: int, params: int, out: int
) -> int:
    """The general way to record."""
    group = tuple_of(inputs, count)
    if group == 0:
        return FAILED
    values = room(5)
    put(values, 8, primitive)
    put(values, 16, group)
    put(values, 24, params)
    put(values, 32, out)
    answer = c.PyObject_Vectorcall(function, values + 8, 4 + OFFSET, 0)
    c.Py_DecRef(group)
    if answer == 0:
        return FAILED
    c.Py_DecRef(answer)
    return 0
