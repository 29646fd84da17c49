"""Origins: the ladder as it stood when it was smaller, from which its own later runs can be forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Runs
from flpjax.methods.recent import upper_half

MOST = 12  # origins: more are nearly the same
FEWEST_RUNS = 3  # that a law is fitted to at an origin
SAME_COMPUTE = 0.05  # log FLOPs; runs nearer than this are one step of the ladder
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Origins:
    """Which runs are seen from each origin, and which runs are then forecast.

    Attributes:
        seen: ``(origin, run)`` the runs that a fit may see; the first origin sees all.
        ahead: ``(origin, run)`` runs with a final value that are forecast from there; none from the first.
        distance: ``(origin, run)`` e-folds of FLOPs from the largest run seen that a fit uses to a run, 0 inside.
        upper_half: ``(origin, run)`` the runs seen that are in the upper half of their range of log FLOPs.
    """

    seen: NDArray[np.bool_]
    ahead: NDArray[np.bool_]
    distance: NDArray[np.float64]
    upper_half: NDArray[np.bool_]

    @classmethod
    def of(cls, runs: Runs, rng: np.random.Generator) -> Origins:
        """The k smallest runs see all larger ones, for up to :data:`MOST` values of k.

        On a ladder of one scale, where nothing is larger, some runs at random see the others: distances are 0 then.
        """
        log_flops, finished, fitted = _finished(runs)
        order = np.argsort(log_flops, kind="stable")
        step = np.r_[True, np.diff(log_flops[order]) > SAME_COMPUTE]
        cuts = [k for k in np.flatnonzero(step) if fitted[order[:k]].sum() >= FEWEST_RUNS]
        cuts = [cuts[i] for i in np.unique(np.linspace(0, len(cuts) - 1, MOST).round().astype(int))] if cuts else []
        seen = [np.isin(np.arange(len(order)), order[:k]) for k in cuts]
        if len(cuts) < 2:
            fold = rng.permutation(len(order)) % max(min(FOLDS, len(order)), 2)
            seen += [fold != f for f in range(fold.max() + 1) if fitted[fold != f].sum() >= FEWEST_RUNS]
        table = np.array([np.ones(len(order), bool), *seen])
        edge = np.array([log_flops[s & fitted].max(initial=-np.inf) for s in table])
        distance = np.maximum(log_flops[None, :] - edge[:, None], 0.0)
        return cls(table, ~table & finished[None, :], distance, upper_half(log_flops, table & fitted))


def _finished(runs: Runs) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """``(run,)`` log FLOPs; whether a run has a final value; and whether it has one that laws of compute are fitted to.

    Those are losses, or scores on a ladder without losses. Unfinished runs are placed by where they stand.
    """
    log_flops = np.full(len(runs.names), -np.inf)
    np.maximum.at(log_flops, runs.run, np.log(runs.flops))
    finals = runs.finals()
    place = np.array([runs.names.index(finals.names[r]) for r in finals.run], np.intp)
    finished, fitted = np.zeros(len(runs.names), bool), np.zeros(len(runs.names), bool)
    log_flops[place] = np.log(finals.flops)
    finished[place] = True
    fitted[place] = np.isfinite(finals.loss).any(axis=1) if runs.domains else True
    return log_flops, finished, fitted
