"""Values that repeat where that is improbable: two runs with the same loss, a loss or a score that stays the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.ladder.audit.fault import MOST_LISTED, Fault, Kind
from flpjax.ladder.table import Runs

Floats = NDArray[np.float64]
MOST_DECIMALS = 9  # losses with more are treated as having nine
MOST_COINCIDENCES = 0.01  # expected number; if more are expected, a repeated value may be one
MIX_TOLERANCE = 0.05  # difference in a source's share, above which two runs should differ in loss
ABOVE_CHANCE = 0.05  # in score; below it a model may give the same answers at every checkpoint
LOWEST_SCORE = 0.02  # scores below count few right answers, so that ties are common
FEWEST_REPEATS = 3  # equal values in a row: two are common
FINE_DECIMALS = 4  # of losses: with fewer, those of a long run's late checkpoints tie
TYPICAL_QUESTIONS = 200  # number of questions of a task that does not give it; most have more
MOST_PAIRS = 0.02  # share of runs with a repeated loss; if there are more, losses were read off a figure or rounded
COMPUTE_RATIO = 2.5  # of FLOPs, above which two runs should differ in loss


def repeated_values(runs: Runs) -> list[Fault]:
    """Report pairs of runs with the same final loss, and losses and scores that stay the same.

    Args:
        runs: The ladder; held-out runs may be among it.
    """
    finals = runs.finals()
    pairs: dict[tuple[int, int], list[str]] = {}
    for j, domain in enumerate(finals.domains):
        for a, b in _same_losses(finals, finals.loss[:, j]):
            pairs.setdefault((a, b), []).append(f"'loss/{domain}'")
    faults = []
    for (a, b), columns in pairs.items():
        one, other = (finals.names[finals.run[i]] for i in (a, b))
        what = (
            f"runs '{one}' and '{other}' have the same final loss to the last digit in {some_of(columns, MOST_LISTED)} "
        )
        what += f"({finals.loss[a, finals.domains.index(columns[0][6:-1])]:.6g})"
        faults.append(Fault(Kind.EVALUATIONS, severe=False, what=what, remedy="One of them was copied: look both up"))
    for j, domain in enumerate(runs.domains):
        faults += _stuck_losses(runs, f"loss/{domain}", runs.loss[:, j])
    for j, task in enumerate(runs.tasks):
        faults += _stuck_scores(runs, f"score/{task.name}", runs.score[:, j], task.chance, task.questions)
    return faults


def _same_losses(finals: Runs, loss: Floats) -> list[tuple[int, int]]:
    """Pairs of rows that differ in size or mixture and have the same loss, if that is improbable at its digits."""
    rows = np.flatnonzero(np.isfinite(loss))
    if len(rows) < 3 or np.ptp(loss[rows]) == 0:
        return []
    values = loss[rows]
    decimals = _decimals(values)
    spread = float(np.subtract(*np.quantile(values, [0.9, 0.1]))) or float(np.ptp(values))
    if 0.5 * len(rows) ** 2 * 10.0**-decimals / spread > MOST_COINCIDENCES:
        return []
    order = rows[np.argsort(values, kind="stable")]
    same = np.flatnonzero(np.diff(loss[order]) == 0)
    if len(same) > max(1, MOST_PAIRS * len(rows)):
        return []
    found = []
    for i in same:
        a, b = sorted((int(order[i]), int(order[i + 1])))
        other_size = abs(np.log(finals.flops[a] / finals.flops[b])) > np.log(COMPUTE_RATIO)
        if other_size or np.abs(finals.mix[a] - finals.mix[b]).max(initial=0.0) > MIX_TOLERANCE:
            found.append((a, b))
    return found


def _decimals(values: Floats) -> int:
    """How many digits after the point values are written with."""
    exact = (d for d in range(MOST_DECIMALS) if np.allclose(values, np.round(values, d), rtol=0, atol=1e-12))
    return next(exact, MOST_DECIMALS)


def _stuck_losses(runs: Runs, name: str, loss: Floats) -> list[Fault]:
    """At most one report: a loss that no size or token changes, or that stays the same to many digits in a run."""
    index = np.flatnonzero(np.isfinite(loss))
    value, run, flops = loss[index], runs.run[index], runs.flops[index]
    if len(np.unique(run)) >= FEWEST_REPEATS and np.ptp(value) == 0 and flops.max() > COMPUTE_RATIO * flops.min():
        what = f"column '{name}' is {value[0]:.4g} in every run"
        return [Fault(Kind.EVALUATIONS, severe=True, what=what, remedy="A loss that never changes was not measured")]
    tied = (np.diff(value) == 0) & (run[1:] == run[:-1])
    start, length = _runs_of_true(tied)
    if not len(length) or length.max() + 1 < FEWEST_REPEATS or _decimals(value) < FINE_DECIMALS:
        return []
    worst = int(np.argmax(length))
    where, times = runs.names[run[start[worst]]], length[worst] + 1
    what = f"run '{where}': column '{name}' is stuck at {value[start[worst]]:.6g} for {times} checkpoints"
    remedy = "Blank what was filled in from an earlier checkpoint"
    return [Fault(Kind.EVALUATIONS, severe=False, what=what, remedy=remedy)]


def _stuck_scores(runs: Runs, name: str, score: Floats, chance: float, questions: int | None) -> list[Fault]:
    """At most one report: a score above chance that repeats more often in a row than chance explains."""
    faults = []
    finals = np.flatnonzero(runs.final)
    for label, index in (
        ("run", np.arange(len(score))),
        ("runs", finals[np.argsort(runs.flops[finals], kind="stable")]),
    ):
        index = index[np.isfinite(score[index])]
        value, run = score[index], runs.run[index]
        if len(value) < FEWEST_REPEATS + 1:
            continue
        comparable = (run[1:] == run[:-1]) if label == "run" else np.ones(len(run) - 1, bool)
        tied = (np.diff(value) == 0) & comparable & (value[1:] > LOWEST_SCORE)
        if not tied.any():
            continue
        if value.max() == value.min():
            if value[0] > chance + ABOVE_CHANCE and label == "run" and len(np.unique(run)) > 1:
                what = f"column '{name}' is {value[0]:.4g} at every checkpoint"
                faults.append(
                    Fault(
                        Kind.EVALUATIONS,
                        severe=False,
                        what=what,
                        remedy="A score that never changes was not measured anew",
                    )
                )
            return faults
        start, length = _runs_of_true(tied)
        worst = int(np.argmax(length))
        if label == "runs" and start[worst] == 0:
            continue  # the smallest models may all give the same answers
        ties, comparisons = tied.sum() - length[worst], max(comparable.sum() - length[worst], 1)
        rate = max((ties + 0.05) / (comparisons + 1.0), _tie_probability(value[start[worst]], questions))
        lowest = chance + ABOVE_CHANCE if label == "runs" else LOWEST_SCORE
        if length[worst] + 1 < FEWEST_REPEATS or value[start[worst]] <= lowest:
            continue
        if comparisons * rate ** length[worst] > MOST_COINCIDENCES:
            continue
        members = run[start[worst] : start[worst] + length[worst] + 1]
        names = [f"'{runs.names[r]}'" for r in dict.fromkeys(members.tolist())]
        where = f"run {names[0]}" if len(names) == 1 else f"runs {some_of(names, MOST_LISTED)}"
        what = f"{where}: column '{name}' is stuck at {value[start[worst]]:.4g} for {length[worst] + 1} evaluations"
        faults.append(
            Fault(Kind.EVALUATIONS, severe=False, what=what, remedy="Evaluate again, or blank what was copied")
        )
        break
    return faults


def _tie_probability(score: float, questions: int | None) -> float:
    """Probability that two evaluations of equal accuracy p on n questions tie: ``1 / √(4π n p (1 − p))``."""
    spread = (questions or TYPICAL_QUESTIONS) * max(score * (1.0 - score), 1e-3)
    return float(min(1.0, 1.0 / np.sqrt(4.0 * np.pi * spread)))


def _runs_of_true(tied: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and lengths of runs of consecutive True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], tied, [False]]).astype(int)))
    return edges[::2], edges[1::2] - edges[::2]
