"""Which checkpoints say something about the score, and why the others don't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.audit.checkpoints import broken_losses
from flpjax.ladder.table import Floats, Runs


class Selected(NamedTuple):
    """What a selection kept.

    Attributes:
        keep: ``(row, task)``.
        dropped: Reason, a key of :meth:`Selection.explain`, → ``(task,)`` rows dropped for it; each row counts under
            its first reason.
    """

    keep: NDArray[np.bool_]
    dropped: dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Selection:
    """The checkpoints that fit loss → score (Chen et al. 2024, §3.3, and the warm-up, which is not in the paper).

    Attributes:
        improving: Keep a checkpoint only if the run's training loss, rounded to two decimals, improved on all before;
            in runs that did not log it at every checkpoint, the validation loss.
        above_chance: Keep it only if it beats the task's chance level by this much, a fraction: it has emerged.
        monotone: Judge emergence by the isotonic regression of score on loss over all runs, not by each checkpoint's
            own score. A filter on the noisy score keeps the lucky ones near the threshold, which flattens the line.
        warmup: Leave out this first share of a run's training tokens, where the learning rate still rises.
    """

    improving: bool = True
    above_chance: float | None = 0.05
    monotone: bool = False
    warmup: float = 0.1

    def explain(self) -> dict[str, str]:
        """What the reasons of :meth:`apply` mean."""
        return {
            "no score": "the score was not measured",
            "no loss": "no loss was measured there, and no row near it has one: evaluate both at the same checkpoints",
            "broken loss": "the loss contradicts the checkpoints beside it, or its run has diverged",
            "warm-up": f"in the first {self.warmup:.0%} of the run's tokens",
            "not improving": "the training loss, rounded to two decimals, did not improve on all before",
            "near chance": f"less than {100 * (self.above_chance or 0.0):g} points above chance",
        }

    def apply(self, runs: Runs, loss: Floats) -> Selected:
        """Select rows for each task.

        Args:
            runs: The table.
            loss: ``(row, task)`` the loss that each task is a function of; it stands in for a missing training loss.
        """
        keep = np.ones((len(runs), len(runs.tasks)), bool)
        dropped: dict[str, NDArray[np.int64]] = {}

        def drop(bad: NDArray[np.bool_], why: str) -> None:
            dropped[why] = (keep & bad).sum(0)
            keep[bad] = False

        drop(np.isnan(runs.score), "no score")
        drop(np.isnan(loss), "no loss")
        drop(broken_losses(runs, loss) & keep, "broken loss")
        if self.warmup > 0:
            drop(in_warmup(runs, self.warmup)[:, None] & keep, "warm-up")
        if self.improving:
            drop(_not_improved(runs, _training_loss(runs, loss)), "not improving")
        if self.above_chance is not None:
            chance = np.array([t.chance for t in runs.tasks])
            floor = chance + self.above_chance
            score = _isotonic(runs.score, loss) if self.monotone else runs.score
            drop(~(score >= floor[None, :]), "near chance")
        return Selected(keep, dropped)


def _isotonic(score: Floats, loss: Floats) -> Floats:
    """``(row, task)`` scores made to fall with the loss, by least squares; NaN where either was not measured."""
    from scipy.optimize import isotonic_regression

    fitted = np.full(score.shape, np.nan)
    for task in range(score.shape[1]):
        rows = np.flatnonzero(np.isfinite(score[:, task]) & np.isfinite(loss[:, task]))
        if len(rows):
            rows = rows[np.argsort(loss[rows, task], kind="stable")]
            fitted[rows, task] = isotonic_regression(score[rows, task], increasing=False).x
    return fitted


def in_warmup(runs: Runs, share: float = Selection.warmup) -> NDArray[np.bool_]:
    """``(row,)`` whether a checkpoint is within this first share of its run."""
    most = np.zeros(len(runs.names))
    np.maximum.at(most, runs.run, runs.progress)
    return runs.progress < share * most[runs.run]


def _training_loss(runs: Runs, loss: Floats) -> Floats:
    """``(row, task)`` the training loss of runs that logged it at every checkpoint, the validation loss of the others.

    Never both in one run: the two differ by more than a checkpoint improves.
    """
    logged = np.ones(len(runs.names), bool)
    logged[runs.run[np.isnan(runs.train_loss)]] = False
    return np.where(logged[runs.run][:, None], runs.train_loss[:, None], loss)


def _not_improved(runs: Runs, loss: Floats) -> NDArray[np.bool_]:
    """``(row, task)`` whether a row's loss, rounded to two decimals, fails to beat every earlier one of its run."""
    stale = np.zeros(loss.shape, bool)
    for r in range(len(runs.names)):
        rows = np.flatnonzero(runs.run == r)
        rounded = np.round(loss[rows], 2)
        before = np.fmin.accumulate(np.vstack([np.full((1, loss.shape[1]), np.inf), rounded]), axis=0)[:-1]
        stale[rows] = rounded >= before
    return stale
