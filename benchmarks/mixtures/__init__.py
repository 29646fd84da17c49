"""Laws of mixtures on public ladders: ranks of unseen mixtures, errors of their losses, and the search for the best.

``python -m benchmarks.mixtures --json FILE [--quick]``.
"""
