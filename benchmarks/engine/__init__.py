"""How fast our solver is, beside others, and what bounds it: ``python -m benchmarks.engine --json FILE [--quick]``."""
