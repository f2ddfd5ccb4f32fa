"""Walking back. See ``_walk`` in ``autograd/engine.py``.

``work`` is [entries, their number, their room]; an entry is a pending node's sequence number, the
node, and its gradient or a list of them; entries are sorted by number.
"""

from rushlight.codegen.lowlevel import at, byte, c, half, known, put, room, word
from rushlight.ops._graph_code.objects import (
    FAILED,
    OFFSET,
    ROOM,
    field,
    has_shape,
    is_tensor,
    replace,
    same_dims,
    same_version,
    storage_of,
)
from rushlight.ops._graph_code.record import BROADCAST, JOINT, MATERIALIZE, SAVE_OUT, SAVED, SHAPES

ENTRY = 24  # bytes of a pending node


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
    there = place < word(work, 8) and word(word(work, 0), ENTRY * place) == sequence
    if there == 0 and insert(work, place, sequence, node):
        c.Py_DecRef(grad)
        return FAILED
    slot = word(work, 0) + ENTRY * place + 16
    none = c._Py_NoneStruct
    if word(node, at.node_outputs) != known.one:
        slot = word(word(slot), at.list_items) + 8 * index
    held = word(slot)
    if held == 0 or held == none:
        return replace(slot, 0, grad)
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
        version = word(versions, at.tuple_items + 8 * (place + i))
        if t != c._Py_NoneStruct and unchanged(t, version) != 1:
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
    # another thread's backward pass may release the node while a rule runs
    saved = word(node, at.op_saved)
    twins = word(node, at.op_out)
    c.Py_IncRef(saved)
    c.Py_IncRef(twins)
    status = 0
    if byte(code, JOINT):
        put(values, 8 * count, word(plan, at.plan_needs))
        status = run_joint(work, node, plan, grad, values)
    else:
        status = run_rules(work, node, plan, code, grad, values)
    c.Py_DecRef(twins)
    c.Py_DecRef(saved)
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
