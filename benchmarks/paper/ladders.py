"""Which runs a figure is about: those of one mixture, the grid of mixtures, the targets, the runs at proposed optima.

A run's place follows from its mixture, its size and whether it is held out; the name of a run at a proposed optimum may
say for which task it is, as in ``8.8M-code0.17-for-word``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flpjax import InputError, Runs, datasets, read_runs

SAME = 1e-3  # shares that differ by less are the same
OUTPUT_LOG_SD = 0.05  # sizes that differ by less, relatively, are the same
AVERAGE = "average"
FOR = "-for-"  # in the name of a run at a proposed optimum, before the task


def ladder(path: str | os.PathLike[str] | None = None, mapping: str | os.PathLike[str] | None = None) -> Runs:
    """The ladder that comes with flpjax, or another table of its design.

    Raises:
        InputError: The table can't be read.
    """
    return datasets.ladder() if path is None else read_runs(path, mapping)


def shares(runs: Runs) -> NDArray[np.float64]:
    """``(run,)`` share of the last source, the code of the paper's ratios.

    Raises:
        InputError: The table knows no mixtures.
    """
    if len(runs.sources) < 2:
        raise InputError("there are no mixtures of two sources", where=runs.source, remedy="Add columns 'mix/<source>'")
    return runs.mix[_first_rows(runs), -1]


def sizes(runs: Runs) -> list[str]:
    """``(run,)`` what to call the size of each run: the parameters of the smallest run of that size, as ``8.85M``."""
    params = runs.params[_first_rows(runs)]
    ordered = np.sort(params)
    starts = ordered[np.r_[True, ordered[1:] > (1 + OUTPUT_LOG_SD) * ordered[:-1]]]
    return [f"{starts[np.searchsorted(starts, n, side='right') - 1] / 1e6:.3g}M" for n in params]


def target_sizes(runs: Runs) -> list[str]:
    """The sizes of held-out runs, smallest first."""
    found = {size: runs.params[runs.run == i][0] for i, size in enumerate(sizes(runs)) if runs.held_out[i]}
    return sorted(found, key=lambda size: found[size])


def of_size(runs: Runs, size: str) -> list[str]:
    """Names of the runs of a size."""
    return _names(runs, [own == size for own in sizes(runs)])


def proposed(runs: Runs) -> list[str]:
    """Held-out runs at optima that were forecast: their names say so, or no training run has their mixture."""
    tried = shares(runs)[~runs.held_out]
    new = np.abs(shares(runs)[:, None] - tried).min(axis=1) > SAME
    return _names(runs, runs.held_out & (new | np.array([FOR in name for name in runs.names])))


def asked_task(name: str) -> str | None:
    """The task for which a run was proposed, by its name; None if that does not say."""
    _, marked, rest = name.partition(FOR)
    return rest.partition("-")[0] if marked else None


def grid(runs: Runs) -> Runs:
    """All runs but those at proposed optima."""
    extra = proposed(runs)
    return runs.without(extra) if extra else runs


def common_share(runs: Runs) -> float:
    """The share that most training runs have: that of the paper's ladder with one mixture."""
    values, counts = np.unique(np.round(shares(runs)[~runs.held_out], 3), return_counts=True)
    return float(values[counts.argmax()])


def one_mixture(runs: Runs) -> Runs:
    """The ladder of §3: the runs of the most common mixture, seeds and targets included."""
    return runs.only(_names(runs, np.isclose(shares(runs), common_share(runs), rtol=0.0, atol=SAME)))


def above_zero(runs: Runs) -> Runs:
    """The runs whose sources all have compute, which M2 and M4 can be fitted to as they are printed."""
    whole = (runs.mix[_first_rows(runs)] > 0).all(axis=1)
    return runs.only(_names(runs, whole))


def losses_only(runs: Runs) -> Runs:
    """The same table without tasks."""
    none = np.empty((len(runs), 0))
    return replace(runs, tasks=(), score=none, stderr=none)


def scores_of(runs: Runs, names: Iterable[str]) -> Runs:
    """The same table with the scores of these runs and of those held out only; the others were not measured."""
    keep = np.isin(runs.names, list(names)) | runs.held_out
    score, stderr = (np.where(keep[runs.run][:, None], values, np.nan) for values in (runs.score, runs.stderr))
    return replace(runs, score=score, stderr=stderr)


def _names(runs: Runs, keep: ArrayLike) -> list[str]:
    """The names of runs where ``keep`` ``(run,)`` is true."""
    return [runs.names[i] for i in np.flatnonzero(keep)]


def _first_rows(runs: Runs) -> NDArray[np.int64]:
    """``(run,)`` the first row of each run."""
    return np.unique(runs.run, return_index=True)[1]
