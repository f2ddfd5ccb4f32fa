"""What the machine offers: CPU features, threads, memory, BLAS by address."""
