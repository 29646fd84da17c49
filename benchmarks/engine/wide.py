"""Fits a second against the size of the batch, and what memory it takes."""

from __future__ import annotations

import resource
import sys
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.chinchilla import BOOTSTRAPS, points, resamples
from benchmarks.engine.ours import fit

SIZES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
SPREAD = np.array([0.3, 0.3, 0.05, 0.02, 0.02])  # of starts around the optimum


class Size(NamedTuple):
    """One batch: so many bootstraps, from so many starts each, all followed to their ends."""

    fits: int
    seconds: float
    peak_bytes: int  # of the device since the program began; on a CPU, of the process
    steps: float  # a fit


def wide(optimum: np.ndarray, most: int) -> list[Size]:
    """Every size up to ``most``, from starts around the ``optimum (5,)``."""
    rows = len(points().log_loss)
    rng = np.random.default_rng(1)
    measured = []
    for fits in (size for size in SIZES if size <= most):
        starts = max(1, fits // (BOOTSTRAPS // 4))
        first = optimum + SPREAD * rng.standard_normal((starts, 5))
        done = fit(first, resamples(fits // starts, rows), runs=1)
        measured.append(Size(fits, done.seconds, _peak(), float(done.solution.starts.steps.mean())))
    return measured


def _peak() -> int:
    stats: dict[str, Any] | None = jax.local_devices()[0].memory_stats()
    if stats:
        return int(stats["peak_bytes_in_use"])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
