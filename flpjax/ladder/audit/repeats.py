"""Values that repeat where none should: the loss of another run, a score that is stuck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.ladder.audit.fault import LISTED, Fault, Kind
from flpjax.ladder.table import Runs

Floats = NDArray[np.float64]
MOST_DIGITS = 9
BY_CHANCE = 0.01  # expected number of coincidences that explains one
SAME_MIX = 0.05  # difference of weights that changes a loss
EMERGED = 0.05  # above chance; below, a model may answer alike for ever
NOTHING = 0.02  # a score of a few answers, where ties are common
FEWEST_STUCK = 3
USUAL_QUESTIONS = 200  # of a task that does not say; most have more
MOST_PAIRS = 0.02  # share of runs in pairs of one loss; with more, losses were read off a figure, or rounded
APART = 2.5  # × compute, at which two runs must differ


def repeated_values(runs: Runs) -> list[Fault]:
    """Name runs whose final losses are another's, and runs whose scores are stuck.

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
        what = f"runs '{one}' and '{other}' have the same final loss to the last digit in {some_of(columns, LISTED)} "
        what += f"({finals.loss[a, finals.domains.index(columns[0][6:-1])]:.6g})"
        faults.append(Fault(Kind.EVALUATIONS, False, what, "One of them was copied: look both up"))
    for j, task in enumerate(runs.tasks):
        faults += _stuck(runs, f"score/{task.name}", runs.score[:, j], task.chance, task.questions)
    return faults


def _same_losses(finals: Runs, loss: Floats) -> list[tuple[int, int]]:
    """Pairs of rows of different size and one loss, if losses have digits enough for that to be no accident."""
    rows = np.flatnonzero(np.isfinite(loss))
    if len(rows) < 3 or np.ptp(loss[rows]) == 0:
        return []
    values = loss[rows]
    digits = next(
        (d for d in range(MOST_DIGITS) if np.allclose(values, np.round(values, d), rtol=0, atol=1e-12)), MOST_DIGITS
    )
    spread = float(np.subtract(*np.quantile(values, [0.9, 0.1]))) or float(np.ptp(values))
    if 0.5 * len(rows) ** 2 * 10.0**-digits / spread > BY_CHANCE:
        return []
    order = rows[np.argsort(values, kind="stable")]
    same = np.flatnonzero(np.diff(loss[order]) == 0)
    if len(same) > max(1, MOST_PAIRS * len(rows)):
        return []
    found = []
    for i in same:
        a, b = sorted((int(order[i]), int(order[i + 1])))
        apart = abs(np.log(finals.flops[a] / finals.flops[b])) > np.log(APART)
        if apart or np.abs(finals.mix[a] - finals.mix[b]).max(initial=0.0) > SAME_MIX:
            found.append((a, b))
    return found


def _stuck(runs: Runs, name: str, score: Floats, chance: float, questions: int | None) -> list[Fault]:
    """A score above chance that stays the same to the last digit, at more checkpoints than accident explains."""
    faults = []
    finals = np.flatnonzero(runs.final)
    for label, index in (
        ("run", np.arange(len(score))),
        ("runs", finals[np.argsort(runs.flops[finals], kind="stable")]),
    ):
        index = index[np.isfinite(score[index])]
        value, run = score[index], runs.run[index]
        if len(value) < FEWEST_STUCK + 1:
            continue
        follows = (run[1:] == run[:-1]) if label == "run" else np.ones(len(run) - 1, bool)
        tie = (np.diff(value) == 0) & follows & (value[1:] > NOTHING)
        if not tie.any():
            continue
        if value.max() == value.min():
            if value[0] > chance + EMERGED and label == "run" and len(np.unique(run)) > 1:
                what = f"column '{name}' is {value[0]:.4g} at every checkpoint"
                faults.append(Fault(Kind.EVALUATIONS, False, what, "A score that never changes was not measured anew"))
            return faults
        start, length = _streaks(tie)
        worst = int(np.argmax(length))
        if label == "runs" and start[worst] == 0:
            continue  # the smallest models may all answer alike
        ties, tries = tie.sum() - length[worst], max(follows.sum() - length[worst], 1)
        rate = max((ties + 0.05) / (tries + 1.0), _tie_chance(value[start[worst]], questions))
        floor = chance + EMERGED if label == "runs" else NOTHING
        if length[worst] + 1 < FEWEST_STUCK or value[start[worst]] <= floor:
            continue
        if tries * rate ** length[worst] > BY_CHANCE:
            continue
        members = run[start[worst] : start[worst] + length[worst] + 1]
        names = [f"'{runs.names[r]}'" for r in dict.fromkeys(members.tolist())]
        where = f"run {names[0]}" if len(names) == 1 else f"runs {some_of(names, LISTED)}"
        what = f"{where}: column '{name}' is stuck at {value[start[worst]]:.4g} for {length[worst] + 1} evaluations"
        faults.append(Fault(Kind.EVALUATIONS, False, what, "Evaluate again, or blank what was copied"))
        break
    return faults


def _tie_chance(score: float, questions: int | None) -> float:
    """How often two evaluations of one skill come out the same: of ``n`` questions, ``1 / √(4π n p (1 − p))``."""
    spread = (questions or USUAL_QUESTIONS) * max(score * (1.0 - score), 1e-3)
    return float(min(1.0, 1.0 / np.sqrt(4.0 * np.pi * spread)))


def _streaks(tie: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where streaks of true begin, and how long they are."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], tie, [False]]).astype(int)))
    return edges[::2], edges[1::2] - edges[::2]
