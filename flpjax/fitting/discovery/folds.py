"""Which runs are held out, and the log score of what a fit to the others predicts for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Floats, Runs
from flpjax.ladder.tasks import Task

RUN_FOLDS = 5
CUTS = (1 / 2, 2 / 3, 5 / 6)  # shares of the ladder's levels of compute after which the rest is held out
FEWEST_RUNS = 2  # that train a fold, as for any fit
LEAST_SD = 1e-3  # of a score: without noise a density would have no end


@dataclass(frozen=True, eq=False)
class Folds:
    """Which rows train and which test, alike for all tasks and expressions.

    Attributes:
        train: ``(fold, row)``.
        test: ``(fold, row)``.
        rolling: ``(fold,)`` whether the fold holds out the largest runs, of which it tests what lies beyond the compute
            it has seen; the others hold out runs at random.
    """

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    rolling: NDArray[np.bool_]

    @classmethod
    def of(cls, runs: Runs, rng: np.random.Generator) -> Folds:
        """Leave out each run once, at random, and the largest runs after each of :data:`CUTS`."""
        most = np.array([runs.flops[runs.run == i].max() for i in range(len(runs.names))])
        group = rng.permutation(len(most)) % min(RUN_FOLDS, len(most))
        test = [group == g for g in range(group.max() + 1)]
        level = np.unique(np.round(np.log10(most), 1), return_inverse=True)[1]
        levels = level.max() + 1
        for cut in sorted({round(share * levels) for share in CUTS} - {0, levels}):
            test.append(level >= cut)
        runs_out = np.array(test)
        rolling = np.arange(len(test)) > group.max()
        train = ~runs_out[:, runs.run]
        seen = np.array([runs.flops[t].max(initial=0.0) for t in train])
        beyond = ~rolling[:, None] | (runs.flops > seen[:, None])
        return cls(train, ~train & beyond, rolling)


class Sample(NamedTuple):
    """The checkpoints that the models of a task are fitted to and judged by."""

    task: Task
    loss: Floats  # (row, domain)
    score: Floats  # (row,); any number where a row does not count
    run: NDArray[np.int64]  # (row,) labels
    keep: NDArray[np.bool_]  # (row,) which count
    folds: Folds


class Held(NamedTuple):
    """A held-out log score: mean of the folds at random and of the rolling ones, nats per checkpoint."""

    mean: float
    stderr: float  # runs being the independent units

    @classmethod
    def of(cls, pointwise: Floats, run: NDArray[np.int64], rolling: NDArray[np.bool_]) -> Held:
        """From log densities, or differences of two, ``(fold, row)``, NaN where a fold does not test."""
        parts, pull = [], np.zeros(int(run.max()) + 1)
        kinds = [p for p in (pointwise[~rolling], pointwise[rolling]) if np.isfinite(p).any()]
        for part in kinds:
            tested = np.isfinite(part)
            parts.append(part[tested].mean())
            pull += by_run(np.where(tested, part - parts[-1], 0.0).sum(0) / tested.sum() / len(kinds), run)
        if not parts:
            return cls(float("nan"), float("nan"))
        units = max(len(np.unique(run[np.isfinite(pointwise).any(axis=0)])), 2)
        return cls(float(np.mean(parts)), float(np.sqrt((pull**2).sum() * units / (units - 1))))


def by_run(values: Floats, run: NDArray[np.int64]) -> Floats:
    """Sums ``(run, …)`` of values ``(row, …)``: a run's checkpoints share its noise, so that they are one fact."""
    sums = np.zeros((int(run.max()) + 1, *values.shape[1:]))
    np.add.at(sums, run, values)
    return sums


def log_density(predicted: Floats, sample: Sample, used: int) -> Floats:
    """Gaussian log density ``(fold, row)`` of what each fold left out, with the residual s.d. of what it trained on.

    Which folds count depends on the data alone, so that all expressions of a task are judged on the same rows.

    Args:
        predicted: ``(fold, row)`` by the fit to the fold's training rows.
        sample: The scores and the folds.
        used: How many parameters to count off the residuals' degrees of freedom.
    """
    _, _, y, run, keep, folds = sample
    density = np.full(predicted.shape, np.nan)
    for f, (train, test) in enumerate(zip(folds.train & keep, folds.test & keep, strict=True)):
        if len(np.unique(run[train])) < FEWEST_RUNS or not test.any():
            continue
        squares = ((predicted[f] - y)[train] ** 2).sum()
        sd = max(LEAST_SD, float(np.sqrt(squares / max(train.sum() - used, 1))))
        density[f, test] = -0.5 * ((predicted[f] - y)[test] / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    return density
