"""Hoffmann et al.'s approach 1: at every compute the run whose training curve is lowest, and a line through these."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Runs

CHECKPOINTS = 5  # of a run, at least: fewer are no curve
CURVES = 3  # that must be compared at a compute
POINTS = 100  # of compute, evenly in its logarithm
FEWEST = 2  # sizes on the envelope, or places where one takes over from another, or there is no line
MOST_WITH = 0.75  # of the resamples, that must have such places for the line to go through them
SAME_SIZE = 3  # decimals of log N

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
    """Log N ``(draw, budget)`` at log C ``at`` of lines through the envelopes of resamples ``(draw, curve)``.

    Where one size takes over from another while both still train, N* is half way between them: the line goes through
    these places if there are two, in most resamples. Else it goes through the envelope as it is, which is flat where
    the smallest or the largest size is the best for want of others, and jumps where runs end.
    """
    by_takeover = np.stack([_line(*_takeovers(curves, own > 0), at) for own in counts])
    if np.isfinite(by_takeover).any(axis=1).mean() > MOST_WITH:
        return by_takeover
    found = np.full((len(counts), len(at)), np.nan)
    for d, own in enumerate(counts):
        one = envelope(curves, own)
        if len(np.unique(one.run)) >= FEWEST:
            found[d] = _line(one.log_flops, one.log_params, at)
    return found


def ended_by_runs(curves: Curves) -> bool:
    """Whether every size is the lowest until its runs end: what it would reach if trained for longer nobody saw."""
    return len(_takeovers(curves, np.ones(len(curves.run), bool))[0]) == 0


def _takeovers(curves: Curves, taken: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Where the lowest size changes though neither has ended there: log C, and log N half way between both."""
    sizes, own = np.unique(curves.log_params[taken].round(SAME_SIZE), return_inverse=True)
    loss = np.where(np.isfinite(curves.loss[taken]), curves.loss[taken], np.inf)
    lowest = np.stack([loss[own == k].min(axis=0) for k in range(len(sizes))])  # (size, point)
    best = lowest.argmin(axis=0)
    before, after, point = best[:-1], best[1:], np.arange(len(best) - 1)
    there = (before != after) & np.isfinite(lowest[before, point + 1]) & np.isfinite(lowest[after, point])
    halves = 0.5 * (curves.log_flops[:-1] + curves.log_flops[1:])
    return halves[there], 0.5 * (sizes[before] + sizes[after])[there]


def _line(x: Floats, y: Floats, at: Floats) -> Floats:
    """The line through some points; NaN if they have one x, or one y."""
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.full(len(at), np.nan)
    slope, level = np.polyfit(x - x.mean(), y, 1)
    return np.asarray(level + slope * (at - x.mean()))
