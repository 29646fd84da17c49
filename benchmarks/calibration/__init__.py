"""Whether intervals hold what they should on real extrapolation: rolling origins and final targets of public ladders.

``python -m benchmarks.calibration --json FILE [--quick] [--workers N] [--only LADDER …]``.
"""
