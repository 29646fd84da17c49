"""Tasks at chance: no run of the ladder scores more than guessing does, as far as noise lets one tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.falling import falling_tasks, falls
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task

FEWEST = 4  # runs: of three, no scatter can be told
LEVEL = 0.05  # probability that a task at chance is taken for one that has left it
LEAST_NOISE = 1e-3  # s.d. of a score whose questions nobody counted

Floats = NDArray[np.float64]


def tasks_at_chance(finals: Runs) -> frozenset[str]:
    """The tasks whose final scores are not above chance, neither rise nor fall, and of which chance is known.

    Args:
        finals: Final checkpoints, one a run.
    """
    fall = {f.task for f in falling_tasks(finals)}
    found = []
    for task, score in zip(finals.tasks, finals.score.T, strict=True):
        known = np.isfinite(score)
        if task.chance_known and task.name not in fall and at_chance(finals.flops[known], score[known], task):
            found.append(task.name)
    return frozenset(found)


def at_chance(flops: Floats, score: Floats, task: Task) -> bool:
    """Whether scores ``(run,)`` can't be told from chance; False of fewer than :data:`FEWEST` runs.

    The mean of the largest 1, 2, 4 … runs, and of all, is held against chance: by the questions' binomial noise, or by
    the scatter of the smaller runs about their neighbours where that is more (von Neumann 1941), each at its part of
    :data:`LEVEL` (Bonferroni). A score that clearly rises has left its level, though it may not have come to chance.

    Args:
        flops: ``(run,)``.
        score: ``(run,)`` final scores, fractions.
        task: With its chance level, and its questions, if known.
    """
    if len(score) < FEWEST:
        return False
    order = np.argsort(flops, kind="stable")
    x, y = np.log(flops[order]), score[order]
    if falls(x, -y):
        return False
    tops = [*(j for j in (2**i for i in range(len(y))) if j <= len(y) // 2), len(y)]
    return min(odds_above(y, j, task) for j in tops) * len(tops) > LEVEL


def odds_above(score: Floats, top: int, task: Task) -> float:
    """Probability of so high a mean of the ``top`` last scores ``(run,)``, were they at chance."""
    from scipy.special import ndtr, stdtr  # which take a quarter of a second to import

    off = score[len(score) - top :].mean() - task.chance
    steps = np.diff(score[: len(score) - top] if top < len(score) else score)
    scatter, binomial = 0.5 * float(np.mean(steps**2)), binomial_variance(task)
    if scatter <= binomial:
        return float(ndtr(-off / np.sqrt(binomial / top)))
    return float(stdtr(len(steps), -off / np.sqrt(scatter / top)))


def binomial_variance(task: Task) -> float:
    """Of one score at chance; of a task whose chance is 0, as if one question in all were answered."""
    if task.questions is None:
        return LEAST_NOISE**2
    share = max(task.chance, 1.0 / (task.questions + 1))
    return share * (1.0 - share) / task.questions
