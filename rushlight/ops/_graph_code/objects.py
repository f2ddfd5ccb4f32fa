"""Objects of the interpreter, arrays and tensors: reading and making them."""

from rushlight.codegen.lowlevel import at, c, half, known, put, word

PYTHON = 1  # in place of a result: let Python do it
FAILED = -1
OFFSET = -9223372036854775808  # PY_VECTORCALL_ARGUMENTS_OFFSET
ROOM = 48  # values that one call may take
EQUAL = 2  # of PyObject_RichCompareBool


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
    """Whether the object is a tensor (that has its array)."""
    kind = word(o, at.type)
    if kind != known.tensor:
        if o == c._Py_NoneStruct or kind == known.ndarray:
            return 0
        if kind == c.PyFloat_Type or kind == c.PyLong_Type:
            return 0
        if c.PyType_IsSubtype(kind, known.tensor) == 0:
            return 0
    return word(o, at.array) != 0


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


def tuple_of(values: int, count: int) -> int:
    """A tuple of borrowed objects."""
    group = c.PyTuple_New(count)
    i = 0
    while group and i < count:
        field(group, at.tuple_items + 8 * i, word(values, 8 * i))
        i += 1
    return group


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
