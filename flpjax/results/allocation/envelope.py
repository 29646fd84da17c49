"""Hoffmann et al.'s approach 1: at every compute the run whose training curve is lowest, and a line through these."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Runs

CHECKPOINTS = 5  # of a run, at least: fewer are no curve
CURVES = 3  # that must be compared at a compute
POINTS = 100  # of compute, evenly in its logarithm
FEWEST = 2  # sizes on the envelope, or there is no line

Floats = NDArray[np.float64]


class Envelope(NamedTuple):
    """The lower envelope of training curves."""

    log_flops: Floats  # (point,)
    loss: Floats  # (point,)
    log_params: Floats  # (point,) of the run that is lowest
    run: NDArray[np.int64]  # (point,)


class Curves(NamedTuple):
    """Losses of runs at common compute."""

    log_flops: Floats  # (point,)
    loss: Floats  # (curve, point) NaN where a run does not reach
    log_params: Floats  # (curve,)
    run: NDArray[np.int64]  # (curve,)


def curves_of(runs: Runs, domain: str) -> Curves | None:
    """Training curves, interpolated in log C; None if fewer than three runs have one, or they share no compute."""
    loss = runs.loss_of(domain)
    curves, sizes, names = [], [], []
    for i in range(len(runs.names)):
        mine = (runs.run == i) & np.isfinite(loss)
        if mine.sum() >= CHECKPOINTS:
            curves.append((np.log(runs.flops[mine]), np.log(loss[mine])))
            sizes.append(np.log(runs.params[mine][0]))
            names.append(i)
    if len(curves) < CURVES or np.ptp(sizes) < 1e-6:
        return None
    ends = np.sort([(x[0], x[-1]) for x, _ in curves], axis=0)
    low, high = ends[CURVES - 1, 0], ends[-CURVES, 1]  # there at least three curves have begun, and have not ended
    if not low < high:
        return None
    grid = np.linspace(low, high, POINTS)
    table = np.stack([np.interp(grid, x, y, left=np.nan, right=np.nan) for x, y in curves])
    return Curves(grid, np.exp(table), np.array(sizes), np.array(names, np.int64))


def envelope(curves: Curves, counts: Floats | None = None) -> Envelope:
    """The lowest of the curves that a resample took at every compute.

    Args:
        curves: All.
        counts: ``(curve,)`` how often each was taken; None takes all.
    """
    taken = np.ones(len(curves.run), bool) if counts is None else counts > 0
    loss = np.where(taken[:, None] & np.isfinite(curves.loss), curves.loss, np.inf)
    best = loss.argmin(axis=0)
    known = np.isfinite(loss.min(axis=0))
    low = loss[best, np.arange(loss.shape[1])]
    return Envelope(curves.log_flops[known], low[known], curves.log_params[best[known]], curves.run[best[known]])


def envelope_line(curves: Curves, counts: Floats, at: Floats) -> Floats:
    """Log N ``(draw, budget)`` at log C ``at`` of lines through the envelopes of resamples ``(draw, curve)``."""
    found = np.full((len(counts), len(at)), np.nan)
    for d, own in enumerate(counts):
        one = envelope(curves, own)
        if len(np.unique(one.run)) >= FEWEST:
            slope, level = np.polyfit(one.log_flops - one.log_flops.mean(), one.log_params, 1)
            found[d] = level + slope * (at - one.log_flops.mean())
    return found
