"""Runs of one budget each: which of a table's finished runs cost the same, and differ in how it was spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.ladder.table import Runs

GAP = 0.12
"""Of log C: budgets lie further apart, and the runs of one nearer together."""
WIDEST = 0.3  # of log C within a budget; runs that differ by more are a ladder, not runs of one budget
TILTS = np.linspace(-0.2, 0.2, 41)
"""How log C of runs of one budget may grow with log N: whoever set the budgets may have counted embeddings or attention
otherwise than the table does, which makes a difference of a third over two orders of magnitude of N."""
LEAST_SIZES = 4  # of N in a budget: three are a parabola, which nothing then contradicts
MOST = 2.0 / 3.0
"""Of a table's runs, that must be in groups: of a ladder of other design some runs cost the same by chance."""
SAME_SIZE = 0.01  # of log N

Floats = NDArray[np.float64]


class Points(NamedTuple):
    """Finished runs with N, D, C and a loss, ``(point,)`` each."""

    run: NDArray[np.int64]  # index into the names of the table's training runs
    log_params: Floats
    log_tokens: Floats
    log_flops: Floats
    loss: Floats

    def rows(self, keep: NDArray[np.bool_]) -> Points:
        """Those where ``keep`` ``(point,)`` is true."""
        sizes = (self.log_params[keep], self.log_tokens[keep], self.log_flops[keep])
        return Points(self.run[keep], *sizes, self.loss[keep])


@dataclass(frozen=True, eq=False)
class Budgets:
    """IsoFLOP groups.

    Attributes:
        points: All points that are in a group.
        group: ``(point,)`` which.
        log_flops: ``(group,)`` mean log C.
    """

    points: Points
    group: NDArray[np.int64]
    log_flops: Floats

    def __len__(self) -> int:
        return len(self.log_flops)


def points_of(runs: Runs, domain: str) -> Points:
    """The finished training runs that have a loss.

    Args:
        runs: The ladder, with N and D, without runs that are held out.
        domain: The loss.

    Raises:
        InputError: No run has a final loss.
    """
    finals = runs.finals()
    loss = finals.loss_of(domain)
    there = np.isfinite(loss)
    if not there.any():
        raise InputError("no run has a final value", where=f"{runs.source}, loss '{domain}'", remedy="Measure some")
    own = np.array([runs.names.index(name) for name in finals.names], np.int64)[finals.run]
    sizes = [np.log(v)[there] for v in (finals.params, finals.tokens, finals.flops)]
    return Points(own[there], sizes[0], sizes[1], sizes[2], loss[there])


def budgets_of(points: Points) -> Budgets:
    """Groups of runs that cost the same, each with several sizes; none if the runs are not of such a design."""
    away = points.log_params - points.log_params.mean()
    best: tuple[tuple[float, float, float], NDArray[np.int64]] | None = None
    for tilt in TILTS:
        group, scatter = _grouped(points.log_flops - tilt * away, points.log_params)
        rank = (float((group >= 0).sum()), -scatter, -abs(float(tilt)))
        if best is None or rank > best[0]:
            best = (rank, group)
    assert best is not None
    group = best[1]
    if (group >= 0).mean() < MOST:
        group = np.full_like(group, -1)
    kept = group >= 0
    centres = [points.log_flops[group == g].mean() for g in range(group.max(initial=-1) + 1)]
    return Budgets(points.rows(kept), group[kept], np.array(centres, float))


def _grouped(level: Floats, log_params: Floats) -> tuple[NDArray[np.int64], float]:
    """``(point,)`` the group of each, -1 of none, by gaps between levels; and the sum of squares within groups."""
    order = np.argsort(level, kind="stable")
    label = np.empty(len(order), np.int64)
    label[order] = np.cumsum(np.r_[False, np.diff(level[order]) > GAP])
    group = np.full(len(order), -1, np.int64)
    found, scatter = 0, 0.0
    for own in range(int(label.max(initial=-1)) + 1):
        mine = label == own
        if np.ptp(level[mine]) <= WIDEST and sizes_of(log_params[mine]) >= LEAST_SIZES:
            group[mine] = found
            scatter += float(((level[mine] - level[mine].mean()) ** 2).sum())
            found += 1
    return group, round(scatter, 9)


def sizes_of(log_params: Floats) -> int:
    """How many sizes differ."""
    return int((np.diff(np.sort(log_params)) > SAME_SIZE).sum()) + 1
