"""Forecasts on a panel of real ladders, reported by ladder.

``python -m benchmarks.unseen --json FILE [--quick] [--only NAME …] [--methods NAME …] [--workers N]``.
"""
