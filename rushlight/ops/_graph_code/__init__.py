"""The graph in machine code: running primitives, recording them, walking back.

These files are compiled by ``codegen.lowlevel`` (see there for the language), not run. They do what
``ops/_primitive.py`` and ``autograd/engine.py`` do, for the usual cases; for all others they hand
over to them. A "stolen" argument is one whose reference the function takes over.
"""

FILES = ("objects", "record", "run", "walk", "enter")
