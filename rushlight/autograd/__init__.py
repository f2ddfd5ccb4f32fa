"""Reverse-mode automatic differentiation: grad modes, graph nodes, the engine, custom functions."""
