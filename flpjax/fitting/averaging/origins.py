"""Forecast origins: which runs a fit may see, and which runs it then forecasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Runs

MOST = 6  # origins with k smallest runs; more would differ little from each other
FEWEST_RUNS = 4  # runs that a law is fitted to; subsets with fewer are not used as origins
SAME_COMPUTE = 0.05  # log FLOPs; runs closer than this are never separated by an origin
FOLDS = 5  # of cross-validation, on ladders with fewer than two sizes to divide at


@dataclass(frozen=True, eq=False)
class Origins:
    """Which runs a fit may see at each origin, and which runs it then forecasts.

    Attributes:
        train_mask: ``(origin, run)`` the runs that a fit may see; the first origin sees all.
        forecast_mask: ``(origin, run)`` runs with a final value that are not seen there; none at the first.
        distance: ``(origin, run)`` how far a run's log FLOPs lie above those of the largest run that the origin's laws
            are fitted to; 0 if they don't.
        log_flops: ``(run,)``.
    """

    train_mask: NDArray[np.bool_]
    forecast_mask: NDArray[np.bool_]
    distance: NDArray[np.float64]
    log_flops: NDArray[np.float64]

    @classmethod
    def of(cls, runs: Runs, rng: np.random.Generator) -> Origins:
        """Fit to the k smallest runs and forecast all larger ones, for up to :data:`MOST` values of k.

        Where compute has no gaps, cuts are made at even steps through the runs. Where there are fewer than two such k
        (a ladder of one scale), random folds are left out and forecast from the other runs as well; between runs of one
        scale the distance is about 0.
        """
        log_flops, finished, fitted = _finished(runs)
        order = np.argsort(log_flops, kind="stable")
        cuts = _cuts(log_flops[order], np.cumsum(fitted[order]))
        seen_by_origin = [np.isin(np.arange(len(order)), order[:k]) for k in cuts]
        if len(cuts) < 2:
            fold = rng.permutation(len(order)) % max(min(FOLDS, len(order)), 2)
            seen_by_origin += [fold != f for f in range(fold.max() + 1) if fitted[fold != f].sum() >= FEWEST_RUNS]
        train_mask = np.array([np.ones(len(order), bool), *seen_by_origin])
        largest_fitted = np.array([log_flops[mask & fitted].max(initial=-np.inf) for mask in train_mask])
        distance = np.maximum(log_flops[None, :] - largest_fitted[:, None], 0.0)
        return cls(train_mask, ~train_mask & finished[None, :], distance, log_flops)


def _cuts(log_flops: NDArray[np.float64], fitted: NDArray[np.int64]) -> list[int]:
    """How many of the runs, sorted, are seen from each origin; ``fitted`` counts those that laws are fitted to."""
    span = log_flops[-1] - log_flops[0]
    if span <= SAME_COMPUTE:
        return []
    for apart in (SAME_COMPUTE, 0.0):
        starts = np.flatnonzero(np.r_[False, np.diff(log_flops) > apart])
        cuts = [int(k) for k in starts if fitted[k - 1] >= FEWEST_RUNS]
        if len(cuts) >= 2:
            break
    return [cuts[i] for i in np.unique(np.linspace(0, len(cuts) - 1, MOST).round().astype(int))] if cuts else []


def _finished(runs: Runs) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """``(run,)`` log FLOPs; whether a run has a final value; and whether it has one that laws of compute are fitted to.

    Laws of compute are fitted to losses, or to scores on a ladder without losses. The FLOPs of an unfinished run are
    those of its last checkpoint.
    """
    log_flops = np.full(len(runs.names), -np.inf)
    np.maximum.at(log_flops, runs.run, np.log(runs.flops))
    finals = runs.finals()
    position = np.array([runs.names.index(finals.names[r]) for r in finals.run], np.intp)
    finished, fitted = np.zeros(len(runs.names), bool), np.zeros(len(runs.names), bool)
    log_flops[position] = np.log(finals.flops)
    finished[position] = True
    fitted[position] = np.isfinite(finals.loss).any(axis=1) if runs.domains else True
    return log_flops, finished, fitted
