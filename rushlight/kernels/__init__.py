"""Hand-scheduled kernels on raw buffers, each with its NumPy version."""
