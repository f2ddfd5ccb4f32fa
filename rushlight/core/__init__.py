"""Tensors as data: storage, fields, views, printing, random generator, thread-local state."""
