"""Choose the best start of each fit."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from flpjax.engine.gauss_newton import Numbers, unpack
from flpjax.engine.settings import USABLE, Status

SAME_OPTIMUM = 1e-6  # relative difference of objectives, below which starts found the same optimum


class Chosen(NamedTuple):
    """The best start of each fit, and the ends of all. JAX arrays inside a program, NumPy arrays on the host."""

    row: Numbers  # (fit, width) the best, packed
    status: Numbers  # (fit,) a Status
    agree: Numbers  # (fit,) share of the starts that found the same optimum
    vector: Numbers  # (fit, start, p)
    value: Numbers  # (fit, start)
    statuses: Numbers  # (fit, start)
    steps: Numbers  # (fit, start)


def choose(rows: Any, size: int) -> Chosen:
    """Pick the best start of each fit, of rows ``(fit, start, width)`` of lanes of ``size`` parameters.

    A start that ran out of steps may have a lower objective than one that converged. It is still picked, and its status
    is reported: the optimum is then not known.
    """
    xp = np if isinstance(rows, np.ndarray) else jnp
    lane = unpack(rows, size)
    failed = ~xp.isfinite(lane.value) | (lane.status == Status.NON_FINITE_START)
    value = xp.where(failed, np.inf, lane.value)
    lowest = value.argmin(1)[:, None]
    best, rounding_level = (xp.take_along_axis(leaf, lowest, 1) for leaf in (value, lane.rounding_level))
    rounding = rounding_level + 2.0 * xp.sqrt(xp.where(xp.isfinite(best), best, 0.0) * rounding_level)
    same = ~failed & (value <= best * (1.0 + SAME_OPTIMUM) + rounding)
    finished = same & xp.isin(lane.status, np.array(USABLE, lane.status.dtype))
    # Of the starts that found the same optimum, the lowest of those that converged.
    rank = xp.where(finished, lane.status, xp.where(same, Status.ALL_FAILED, Status.ALL_FAILED + 1))
    at = xp.where(rank == rank.min(1, keepdims=True), value, np.inf).argmin(1)[:, None]
    status = xp.where(failed.all(1), Status.ALL_FAILED, xp.take_along_axis(lane.status, at, 1)[:, 0])
    whole = np.int32
    return Chosen(
        xp.take_along_axis(rows, at[:, :, None], 1)[:, 0],
        status.astype(whole),
        same.mean(1, dtype=lane.value.dtype),
        xp.array(lane.vector),  # copies: views would keep all rows
        xp.array(lane.value),
        lane.status.astype(whole),
        lane.steps.astype(whole),
    )
