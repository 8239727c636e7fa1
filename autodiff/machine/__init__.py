"""The machine: its BLAS, its state, its rates."""
