"""Runs that are worse than smaller ones, on a ladder where hardly any other is: broken evaluations, half-diverged runs.

At the end of a ladder a trend's prediction is wide: a score that is back at chance there, after .7, is within four of
its standard deviations. Order is a sharper fact: a model with no fewer parameters, trained on no fewer tokens of the
same mixture, is better, but for noise; and how large that is the other runs' own reversals say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.ladder.audit.fault import MOST_LISTED, Fault, Kind
from flpjax.ladder.audit.trend import Floats
from flpjax.ladder.design import log_sizes
from flpjax.ladder.table import Runs

LARGER = 0.2  # e-folds of compute that a run must have beyond another for the order of the two to be expected
SAME_MIX = 0.01  # difference of mixture weights to be ignored
LEAST_LOSS, LEAST_SCORE = 0.06, 0.2  # least reversal that is reported: of log losses, of arcsine-root scores
TIMES_OTHERS = (
    4.0  # × the largest reversal among the other runs; on public ladders at most 2.6 where two runs agree on it
)
NOISE_LOSS, NOISE_SCORE = 0.01, 0.05  # reversal that is always allowed for: reruns differ by .01; 100 questions
FEWEST = 5  # runs with a value; of fewer, one reversal says nothing of the others
MOST_AT_ONCE = 2  # runs of one column, and at most a third of all: more reversals are noise
MOST_WORK = 100_000_000  # runs² × columns; beyond, only the trend is asked


def reversed_runs(runs: Runs, named: Sequence[str] = ()) -> list[Fault]:
    """Name the runs whose final loss or score contradicts the order of sizes, where the other runs keep it.

    Args:
        runs: The ladder, without its held-out runs.
        named: Names of runs that other checks have named: these are left out.
    """
    finals = runs.finals()
    columns = len(finals.domains) + len(finals.tasks)
    if len(finals) < FEWEST or len(finals) ** 2 * columns > MOST_WORK:
        return []
    below = _below(finals)
    odd: dict[int, dict[str, str]] = {}
    for j, domain in enumerate(finals.domains):
        y = -np.log(finals.loss[:, j])
        for i, other in _reversed(below, finals.flops, y, LEAST_LOSS, NOISE_LOSS, witnesses=1):
            _say(odd, finals, i, other, f"loss/{domain}", finals.loss[:, j])
    measured = np.isfinite(finals.loss).sum(axis=1)
    odd = {i: said for i, said in odd.items() if 2 * len(said) >= measured[i]}  # one odd domain is no odd run
    for j, task in enumerate(finals.tasks):
        noise = 2.0 * 0.5 / np.sqrt(task.questions) if task.questions else NOISE_SCORE  # two s.d. of the questions
        y = np.arcsin(np.sqrt(finals.score[:, j]))
        for i, other in _reversed(below, finals.flops, y, LEAST_SCORE, noise, witnesses=2):
            _say(odd, finals, i, other, f"score/{task.name}", finals.score[:, j])
    return [_fault(finals, i, said) for i, said in odd.items() if finals.names[finals.run[i]] not in named]


def _below(finals: Runs) -> NDArray[np.bool_]:
    """``(run, run)`` whether the first is a smaller model than the second: in N and D, and of the same mixture."""
    n, d = log_sizes(finals)
    smaller = (n[:, None] <= n + 1e-9) & (d[:, None] <= d + 1e-9) & (n[:, None] + d[:, None] < n + d - LARGER)
    for share in finals.mix.T:
        smaller &= np.abs(share[:, None] - share) < SAME_MIX
    return np.asarray(smaller)


def _reversed(
    below: NDArray[np.bool_], flops: Floats, y: Floats, least: float, noise: float, witnesses: int
) -> list[tuple[int, int]]:
    """The runs without which the order of sizes holds, and for each the other run of its largest reversal.

    Args:
        below: ``(run, run)`` of :func:`_below`.
        flops: ``(run,)``; of two runs that contradict each other alone, the larger one is named: what goes wrong makes
            values worse.
        y: ``(run,)`` larger is better; NaN where there is no value.
        least: Least reversal that is reported.
        noise: Reversal that is always allowed for.
        witnesses: Other runs with which a run's reversal must be that large.
    """
    known = np.isfinite(y)
    if known.sum() < FEWEST:
        return []
    value = np.where(known, y, 0.0)
    whole = np.where(below & known[:, None] & known, np.maximum(value[:, None] - value, 0.0), 0.0)
    whole = np.maximum(whole, whole.T)  # (run, run), of either with the other
    amount, left, found = whole.copy(), np.argsort(-flops, kind="stable"), []
    for _ in range(min(MOST_AT_ONCE, int(known.sum()) // 3)):
        i = int(left[amount[left].sum(axis=1).argmax()])
        if np.sort(amount[i])[-witnesses] <= max(least, TIMES_OTHERS * noise):
            return []
        found.append(i)
        agreed = min(float(np.sort(whole[i])[-witnesses]) for i in found)
        amount[i], amount[:, i] = 0.0, 0.0
        if agreed > TIMES_OTHERS * amount.max():
            return [(i, int(whole[i].argmax())) for i in found]
    return []


def _say(odd: dict[int, dict[str, str]], finals: Runs, i: int, other: int, column: str, values: Floats) -> None:
    larger = finals.flops[i] > finals.flops[other]
    name = finals.names[finals.run[other]]
    words = f"its final '{column}' is {values[i]:.4g}, where '{name}', which is {'smaller' if larger else 'larger'}, "
    odd.setdefault(i, {})[column] = f"{words}has {values[other]:.4g}"


def _fault(finals: Runs, i: int, said: dict[str, str]) -> Fault:
    """One fault for all columns of a run; the first is quoted."""
    name = finals.names[finals.run[i]]
    first, *rest = said
    more = f"; so are {some_of([repr(column) for column in rest], MOST_LISTED)}" if rest else ""
    what = f"run '{name}' does not belong to the others, of which hardly any contradicts its size: {said[first]}{more}"
    remedy = f"Look at it; leave it out with --exclude '{name}', or blank the value, if it has gone wrong"
    return Fault(Kind.RUNS, severe=False, what=what, remedy=remedy)
