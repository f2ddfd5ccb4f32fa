"""Where walks start, and the switching of gradients. See ``run_backward`` and ``core/state.py``."""

from rushlight.codegen.lowlevel import at, c, half, invoke, known, put, put_half, room, word
from rushlight.ops._graph_code.objects import FAILED, ROOM, edge_of, elements, new_tensor, recording
from rushlight.ops._graph_code.walk import clear, deliver, deliver_tuple, walk

ONE_F32 = 1065353216  # the bits of 1
ONE_F64 = 4607182418800017408


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
    values = room(1)
    put(values, 0, value)
    answer = rl_set_grad(0, values, 1)
    if answer == 0:
        return FAILED
    c.Py_DecRef(answer)
    c.PyErr_Restore(word(error, 0), word(error, 8), word(error, 16))
    return 0


def rl_set_grad(self: int, args: int, n: int) -> int:
    """``core.state.set_grad(enabled)``."""
    none = c._Py_NoneStruct
    if n != 1:
        return c.PyObject_Vectorcall(known.set_grad, args, n, 0)
    value = word(args, 0)
    before = c.PyObject_GetAttr(known.state, known.grad_enabled)
    marker = c.PyObject_GetAttr(known.state, known.thread)
    if before == 0 or marker == 0 or marker == none:  # the thread's first time
        c.PyErr_Clear()
        if before:
            c.Py_DecRef(before)
        if marker:
            c.Py_DecRef(marker)
        return c.PyObject_Vectorcall(known.set_grad, args, n, 0)
    c.Py_DecRef(before)
    c.Py_DecRef(marker)
    if before != value:
        if c.PyObject_SetAttr(known.state, known.grad_enabled, value) < 0:
            return 0
        if switch(c.PyThread_get_thread_ident(), value):
            return 0
    c.Py_IncRef(none)
    return none


def switch(thread: int, value: int) -> int:
    """Notes that gradients are on or off in a thread: 0 or FAILED."""
    identity = c.PyLong_FromSsize_t(thread)
    if identity == 0:
        return FAILED
    status = 0
    if value == c._Py_TrueStruct:
        status = c.PySet_Discard(known.off, identity)
    else:
        status = c.PySet_Add(known.off, identity)
    c.Py_DecRef(identity)
    if status < 0:
        return FAILED
    return publish()


def publish() -> int:
    """Sets the guard's word to the thread in which gradients are off: 0 or FAILED."""
    count = c.PySet_Size(known.off)
    thread = 0
    if count > 1:
        thread = FAILED
    if count == 1:
        walker = c.PyObject_GetIter(known.off)
        if walker == 0:
            return FAILED
        item = c.PyIter_Next(walker)
        c.Py_DecRef(walker)
        if item == 0:
            return FAILED
        thread = c.PyLong_AsSsize_t(item)
        c.Py_DecRef(item)
    put(known.guard, 8, thread)
    return 0


def rl_publish(self: int, args: int, n: int) -> int:
    """``publish()``: what the set of threads says, at one stroke under the interpreter's lock."""
    if publish():
        return 0
    c.Py_IncRef(c._Py_NoneStruct)
    return c._Py_NoneStruct


def rl_backward(self: int, args: int, n: int, names: int) -> int:
    """``tensor.backward()``, for one element."""
    on = recording()
    edge = FAILED
    array = 0
    if n == 0 and names == 0 and on >= 0 and word(known.guard, 16) == 0:
        array = word(self, at.array)
        if array and elements(array) == 1:
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
