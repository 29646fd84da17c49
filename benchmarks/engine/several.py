"""The same fits on one, two, four … devices of this machine."""

from __future__ import annotations

from typing import Literal

import jax
import numpy as np
from jax.sharding import Mesh

from benchmarks.chinchilla import BOOTSTRAPS, points, resamples, start_grid
from benchmarks.engine.ours import fit
from flpjax.engine.settings import Settings

COUNTS = (1, 2, 4, 8)
FOLLOWED = 1000  # bootstraps of which all starts are followed to their ends: 4.5 million fits


def several(bootstraps: int = BOOTSTRAPS, followed: int = FOLLOWED) -> dict[str, dict[str, float]]:
    """Number of devices → seconds, the least of three runs, of Chinchilla's law on its 240 points from 4,500 starts.

    Args:
        bootstraps: Of which promising starts go on (``protocol_s``).
        followed: Bootstraps of which all starts do (``followed_s``).
    """
    rows = len(points().log_loss)

    def seconds(count: int, draws: int, follow: Literal["all", "promising"]) -> float:
        mesh = Mesh(np.asarray(jax.local_devices()[:count]), ("device",))
        return fit(start_grid(), resamples(draws, rows), Settings(follow=follow, mesh=mesh)).seconds

    return {
        str(count): {
            "protocol_s": seconds(count, bootstraps, "promising"),
            "followed_s": seconds(count, followed, "all"),
        }
        for count in COUNTS
        if count <= jax.local_device_count()
    }
