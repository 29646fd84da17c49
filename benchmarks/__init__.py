"""Programs that measure what flpjax claims. Each prints tables and, with ``--json FILE``, writes what is behind them.

They are apps, so they set JAX's precision themselves; only their ``main`` does, the functions below it can be called
from a test. ``benchmarks/README.md`` lists claim, command and figure.
"""
