"""Networks from modules of other frameworks: their graph of operations, cut into a chain of layers.

A framework has one file that makes a :class:`~autodiff.frameworks.graph.Graph` of a module, ``pytorch.py``; what comes
behind it knows no framework. ONNX and StableHLO (JAX, Flax, and Keras on JAX) are graphs of operations as well: what
they would take is a reader of their nodes, and their operations' names for the functions of ``operations``.
"""
