"""Checkpoints that do not belong to their run: a loss that jumps, a run that diverges, a score that falls to 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.audit.fault import Fault, Kind, listed
from flpjax.ladder.table import Runs

Floats = NDArray[np.float64]
RISE = 0.15  # of a log loss above the run's own lowest, at its end; on public ladders at most .09
SPIKE = 0.12  # of a log loss from all that its neighbours say; on public ladders at most .07 after the first checkpoint
FALL = 0.3  # of a log loss below its neighbours at a run's end, where a falling learning rate takes a tenth
SCORE_SPIKE, SAMPLING, SCATTER = 0.2, 6.0, 4.0  # of arcsine-root scores; × s.d. of the questions; × the column's own
IMPOSSIBLE = 0.4  # × chance: public models reach down to half of it, where they prefer one answer
FEWEST_ERRATIC = 3  # runs in which a column must jump, and more than half of all, to be called noisy throughout
GUESSED = 0.1  # chance of a task of choices: nobody gets all wrong

Said = dict[int, dict[str, str]]
"""Run → column → what is odd about it."""


def broken_checkpoints(runs: Runs) -> list[Fault]:
    """Name runs with checkpoints that their neighbours contradict.

    Args:
        runs: The ladder; held-out runs may be among it.
    """
    losses = [(f"loss/{d}", np.log(runs.loss[:, j])) for j, d in enumerate(runs.domains)]
    losses.append(("train_loss", np.log(runs.train_loss)))
    diverged: Said = {}
    spikes: Said = {}
    for name, y in losses:
        _of_loss(runs, name, y, diverged, spikes)
    for j, task in enumerate(runs.tasks):
        sampling = 0.5 / np.sqrt(task.questions) if task.questions else 0.0
        _of_score(runs, f"score/{task.name}", runs.score[:, j], task.chance, sampling, spikes)
    faults = _erratic(runs, diverged, spikes)
    faults += [
        Fault(
            Kind.RUNS,
            True,
            f"run '{runs.names[r]}' diverged: {listed(list(what.values()))}",
            f"Look at it; leave it out with --exclude '{runs.names[r]}', or cut it where it was best",
        )
        for r, what in diverged.items()
        if what
    ]
    faults += [
        Fault(
            Kind.EVALUATIONS,
            False,
            f"run '{runs.names[r]}': {listed(list(what.values()))}",
            "Evaluate it again, or blank what is broken",
        )
        for r, what in spikes.items()
        if what
    ]
    return faults


def _erratic(runs: Runs, diverged: Said, spikes: Said) -> list[Fault]:
    """Columns that jump in most runs: their noise is large, nothing broke. What runs say of them is taken out.

    A loss of a task's own answers that does so has a score that turns with it.
    """
    jumps: dict[str, list[int]] = {}
    for r, what in spikes.items():
        for column in what:
            jumps.setdefault(column, []).append(r)
    faults = []
    for column, where in jumps.items():
        if len(where) < FEWEST_ERRATIC or 2 * len(where) <= len(runs.names):
            continue
        faults.append(
            Fault(
                Kind.EVALUATIONS,
                False,
                f"column '{column}' jumps from checkpoint to checkpoint in {len(where)} of {len(runs.names)} runs: in "
                f"'{runs.names[where[0]]}' {spikes[where[0]][column].partition(' is ')[2]}",
                f"So noisy a value says little alone: set final_average in a mapping, or leave out '{column}'",
            )
        )
        for said in (diverged, spikes):
            for what in said.values():
                what.pop(column, None)
                what.pop(column.replace("loss/", "score/"), None)
    return faults


def _of_loss(runs: Runs, name: str, y: Floats, diverged: Said, spikes: Said) -> None:
    """Add what one column of log losses says, per run."""
    rows = np.flatnonzero(np.isfinite(y))
    if not len(rows):
        return
    run, y, log_d = runs.run[rows], y[rows], np.log(runs.progress[rows])
    rise, ended, bad, beside = _jumps(run, log_d, y)
    for i in np.flatnonzero(_ends(run)[1] & ended):
        words = f"column '{name}' ends at {np.exp(y[i]):.4g} after {np.exp(y[i] - rise[i]):.4g}"
        diverged.setdefault(int(run[i]), {})[name] = words
    _add(
        name,
        spikes,
        run,
        bad,
        lambda i: f"column '{name}' is {np.exp(y[i]):.4g} at {np.exp(log_d[i]):.4g} tokens",
        beside,
        np.exp,
    )


def _jumps(
    run: NDArray[np.int64], log_d: Floats, y: Floats
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """Of log losses ``(row,)``: what each lies above its run's lowest, and whether its run diverged.

    And, in a run that did not, whether its neighbours contradict it; and the mean of these.
    """
    first, last = _ends(run)
    deviation, beside = _from_neighbours(run, log_d, y)
    lone = (deviation > SPIKE) & (y < beside) & ~last  # a dip is not what the run had reached
    lowest = np.full(run.max(initial=0) + 1, np.inf)
    np.minimum.at(lowest, run, np.where(lone, np.inf, y))
    rise = y - lowest[run]
    ended = np.isin(run, run[last & (rise > RISE)])
    bad = (deviation > SPIKE) & ~ended
    bad &= ~first | (y < beside - SPIKE)  # a run begins high
    bad &= ~last | (y > beside) | (beside - y > FALL)
    return rise, ended, bad, beside


def broken_losses(runs: Runs, loss: Floats) -> NDArray[np.bool_]:
    """``(row, output)`` losses that say nothing of the model that was scored there: spikes, and what a run ends in.

    Args:
        runs: The ladder.
        loss: ``(row, output)`` losses, NaN where none was measured; if a column jumps in most runs, none is broken.
    """
    broken = np.zeros(loss.shape, bool)
    for j, y in enumerate(np.log(np.where(loss > 0, loss, np.nan)).T):
        rows = np.flatnonzero(np.isfinite(y))
        run = runs.run[rows]
        rise, ended, bad, beside = _jumps(run, np.log(runs.progress[rows]), y[rows])
        found = (bad & (y[rows] > beside)) | (ended & (rise > RISE) & ~_before_lowest(run, rise))
        if 2 * len(np.unique(run[found])) <= len(np.unique(run)):
            broken[rows, j] = found
    return broken


def _before_lowest(run: NDArray[np.int64], rise: Floats) -> NDArray[np.bool_]:
    """``(row,)`` whether a row comes before the lowest loss of its run."""
    at = np.zeros(run.max(initial=0) + 1, np.int64)
    lowest = np.flatnonzero(rise == 0.0)
    at[run[lowest]] = lowest
    return np.asarray(np.arange(len(run)) < at[run])


def _of_score(runs: Runs, name: str, score: Floats, chance: float, sampling: float, spikes: Said) -> None:
    """Add what one column of scores says, per run."""
    rows = np.flatnonzero(np.isfinite(score))
    if not len(rows):
        return
    run, score, log_d = runs.run[rows], score[rows], np.log(runs.progress[rows])
    y = np.arcsin(np.sqrt(score))
    first, _ = _ends(run)
    deviation, beside = _from_neighbours(run, log_d, y)
    within = deviation[np.isfinite(deviation)]
    scatter = float(np.quantile(within, 0.9)) if len(within) else 0.0
    bad = deviation > max(SCORE_SPIKE, SAMPLING * sampling, SCATTER * scatter)
    bad &= ~first | (y > beside)  # a task may emerge at once
    below = np.arcsin(np.sqrt(chance)) - y
    bad |= (score < IMPOSSIBLE * chance) & (below > SAMPLING * sampling) & (score < 0.5 * np.median(score))
    bad |= (score == 0.0) & (chance >= GUESSED)
    _add(
        name,
        spikes,
        run,
        bad,
        lambda i: f"column '{name}' is {score[i]:.3g} at {np.exp(log_d[i]):.4g} tokens",
        beside,
        lambda v: np.sin(v) ** 2,
        f" (chance {chance:.3g})" if chance else "",
    )


def _add(
    name: str,
    spikes: Said,
    run: NDArray[np.int64],
    bad: NDArray[np.bool_],
    says: object,
    beside: Floats,
    back: object,
    more: str = "",
) -> None:
    for r in np.unique(run[bad]):
        rows = np.flatnonzero(bad & (run == r))
        i = int(rows[0])
        near = f", beside {float(back(beside[i])):.3g}" if np.isfinite(beside[i]) else ""  # type: ignore[operator]
        count = f" and {len(rows) - 1} more such" if len(rows) > 1 else ""
        spikes.setdefault(int(r), {})[name] = says(i) + near + more + count  # type: ignore[operator]


def _ends(run: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """``(row,)`` whether a row is its run's first, and whether it is its last."""
    change = run[1:] != run[:-1]
    return np.append(True, change), np.append(change, True)


def _from_neighbours(run: NDArray[np.int64], log_d: Floats, y: Floats) -> tuple[Floats, Floats]:
    """``(row,)`` how far a value is from all that its neighbours say, and the mean of the two beside it.

    They say: the one before, the one after, the line between, the line through the two before, and through the two
    after. A lone spike is far from all; beside a spike, one of them is near. Infinite for a run of one row is 0.
    """
    rows = len(y)

    def at(step: int) -> tuple[Floats, Floats]:
        index = np.clip(np.arange(rows) + step, 0, rows - 1)
        there = (np.arange(rows) + step == index) & (run[index] == run)
        return np.where(there, log_d[index], np.nan), np.where(there, y[index], np.nan)

    (x2, y2), (x1, y1), (x3, y3), (x4, y4) = at(-2), at(-1), at(1), at(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = y1 + (y3 - y1) * (log_d - x1) / (x3 - x1)
        before = y1 + (y1 - y2) * (log_d - x1) / (x1 - x2)
        after = y3 + (y3 - y4) * (x3 - log_d) / (x4 - x3)
    said = np.abs(y - np.stack([y1, y3, between, before, after]))
    deviation = np.where(np.isfinite(said), said, np.inf).min(axis=0)
    known = np.isfinite(y1) | np.isfinite(y3)
    beside = np.where(np.isfinite(y1), np.where(np.isfinite(y3), 0.5 * (y1 + y3), y1), y3)
    return np.where(known, deviation, 0.0), beside
