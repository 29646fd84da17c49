"""The upper half of a ladder: the runs that a law which bends is fitted to where only its last slope is wanted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Runs


def log_flops_of(runs: Runs) -> NDArray[np.float64]:
    """``(run,)`` log training FLOPs of each run, at its last checkpoint."""
    most = np.zeros(len(runs.names))
    np.maximum.at(most, runs.run, runs.flops)
    return np.log(most)


def upper_half(log_flops: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(…, run)`` the runs seen whose log FLOPs are in the upper half of the range that was seen.

    Half of the range and no number of decades: whatever a ladder spans, a law is then carried no farther beyond its
    runs, in proportion, than twice what it would be from all of them.

    Args:
        log_flops: ``(run,)``.
        seen: ``(…, run)`` the runs that a fit may see; one at least.
    """
    top = np.where(seen, log_flops, -np.inf).max(axis=-1, keepdims=True)
    bottom = np.where(seen, log_flops, np.inf).min(axis=-1, keepdims=True)
    return np.asarray(seen & (log_flops >= 0.5 * (bottom + top)))
