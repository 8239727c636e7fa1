"""Executors: NumPy's, which defines what a program does, and a compiled one that calls NumPy's inner loops."""
