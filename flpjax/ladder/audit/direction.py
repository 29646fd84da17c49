"""Which way things go: losses that rise with compute, tasks that get worse, scores below chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import count, some_of
from flpjax.ladder.audit.fault import Fault, Kind
from flpjax.ladder.table import Runs

Floats = NDArray[np.float64]
FEWEST = 4  # runs that tell a direction
SPREAD = 2.0  # × compute that they must differ by
MONOTONE = 0.6  # rank correlation with compute
SURE = 4.0  # standard errors of the slope
RISE, FALL, FALL_UNKNOWN = 0.02, 0.04, 0.1  # least change over the ladder: of log losses; scores; of unknown questions
BELOW = 0.8  # × chance; and 4 s.d. of the questions
SD_BELOW, ASSUMED_QUESTIONS = 4.0, 1000
MOST_LISTED = 4


def wrong_directions(runs: Runs) -> list[Fault]:
    """Name losses that rise with compute, tasks whose scores fall with it, and tasks below chance.

    Args:
        runs: The ladder, without its held-out runs.
    """
    finals = runs.finals()
    faults = []
    rising = [d for j, d in enumerate(finals.domains) if _change(finals.flops, np.log(finals.loss[:, j]))[0] > RISE]
    if rising:
        what = f"losses that rise with compute: {some_of([repr('loss/' + d) for d in rising], MOST_LISTED)}"
        severe = 2 * len(rising) > len(finals.domains)
        faults.append(
            Fault(
                Kind.TRENDS,
                severe=severe,
                what=what,
                remedy="Is it a loss, and are params, tokens and flops those of its run?",
            )
        )
    falling = []
    for j, task in enumerate(finals.tasks):
        change, low, high = _change(finals.flops, finals.score[:, j])
        least = FALL_UNKNOWN if task.questions is None else max(FALL, SD_BELOW / np.sqrt(task.questions))
        if change < -least:
            falling.append(f"'{task.name}' ({100 * low:.1f} → {100 * high:.1f} %)")
    if falling:
        what = f"{count(len(falling), 'task')} whose scores fall with compute: {some_of(falling, MOST_LISTED)}"
        remedy = "Is it an error rate, or another metric? A fall that is real, auto and maps '+falling' carry on"
        faults.append(Fault(Kind.TRENDS, severe=False, what=what, remedy=remedy))
    below = [b for j, t in enumerate(finals.tasks) if (b := _below(finals.score[:, j], t.chance, t.questions, t.name))]
    if below:
        what = f"{count(len(below), 'task')} below chance at most runs: {some_of(below, MOST_LISTED)}"
        remedy = "Is chance what [tasks.…] of the mapping says, and the metric an accuracy?"
        faults.append(Fault(Kind.TRENDS, severe=False, what=what, remedy=remedy))
    return faults


def _change(flops: Floats, y: Floats) -> tuple[float, float, float]:
    """What a line in log C changes by over the ladder, if it surely does, and its ends; 0 otherwise."""
    known = np.isfinite(y)
    x, y = np.log(flops[known]), y[known]
    if len(x) < FEWEST or np.ptp(x) < np.log(SPREAD):
        return 0.0, 0.0, 0.0
    ranks = [np.argsort(np.argsort(v, kind="stable"), kind="stable") for v in (x, y)]
    rank = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    error = float(np.sqrt(max(residual @ residual, 1e-12) / max(len(x) - 2, 1) / (centred @ centred)))
    if abs(rank) < MONOTONE or abs(slope) < SURE * error or rank * slope < 0:
        return 0.0, 0.0, 0.0
    low, high = (float(y.mean() + slope * (end - x.mean())) for end in (x.min(), x.max()))
    return high - low, low, high


def _below(score: Floats, chance: float, questions: int | None, name: str) -> str:
    """What to say of a task that most runs score below chance on; empty otherwise."""
    known = score[np.isfinite(score)]
    if len(known) < FEWEST or chance <= 0.0:
        return ""
    noise = np.sqrt(chance * (1.0 - chance) / (questions or ASSUMED_QUESTIONS))
    typical = float(np.median(known))
    if typical >= min(BELOW * chance, chance - SD_BELOW * noise):
        return ""
    return f"'{name}' ({100 * typical:.1f} %, chance {100 * chance:.1f})"
