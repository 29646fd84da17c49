"""Tasks whose scores fall with scale, for which no map here from losses to scores is made: forecasts need bounds."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Runs

FEWEST = 4  # runs: of three, one order in six falls by chance
ODD = 0.05  # probability that a rank correlation is as low by chance
ABOVE = 0.05  # of chance, that the best run must be: below, there is nothing to fall from
STEEP = 3.0  # the fall over the ladder in residual standard deviations
LEAST = 0.02  # and in absolute terms
SAME = 1e-3  # relative difference of C that is none
EXACT = 7  # runs up to which all orders are counted


class Falling(NamedTuple):
    """A task that falls with scale.

    Attributes:
        task: Its name.
        lower: The lower of chance and the lowest final score.
        flops: ``(run,)`` C of the runs, rising.
        ceiling: ``(run,)`` the highest final score of runs of this C and more.
        first: The fitted line at the smallest compute of the ladder.
        last: The fitted line at the largest.
        noise: Standard deviation of final scores about the line.
    """

    task: str
    lower: float
    flops: tuple[float, ...]
    ceiling: tuple[float, ...]
    first: float
    last: float
    noise: float

    def upper(self, flops: float) -> float:
        """The highest final score of runs of as much compute and more; beyond the ladder, that of the largest."""
        return self.ceiling[min(int(np.searchsorted(self.flops, flops * (1.0 - SAME))), len(self.ceiling) - 1)]


def falling_tasks(finals: Runs) -> tuple[Falling, ...]:
    """The tasks whose final scores fall with compute by more than their scatter, from above chance."""
    found = []
    for i in np.flatnonzero(_slopes_down(np.log(finals.flops), finals.score)):
        task, score = finals.tasks[i], finals.score[:, i]
        known = np.isfinite(score)
        x, y = np.log(finals.flops[known]), score[known]
        if y.max() < task.chance + ABOVE or not falls(x, y):
            continue
        first, last, noise = _line(x, y)
        order = np.argsort(x, kind="stable")
        ceiling = np.maximum.accumulate(y[order][::-1])[::-1]
        lower = float(min(task.chance, y.min()))
        found.append(Falling(task.name, lower, tuple(np.exp(x[order])), tuple(ceiling), first, last, noise))
    return tuple(found)


def _slopes_down(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``(task,)`` whether the line through what is known of ``y`` ``(run, task)`` along ``x`` ``(run,)`` falls."""
    known = np.isfinite(y)
    mean = np.where(known, x[:, None], 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(np.where(known, (x[:, None] - mean) * y, 0.0).sum(axis=0) < 0.0)


def falls(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Whether ``y`` falls with ``x``, both ``(run,)``, by more than chance and scatter explain."""
    if len(y) < FEWEST or np.ptp(x) == 0.0:
        return False
    first, last, noise = _line(x, y)
    return first - last > max(STEEP * noise, LEAST) and odds_of_falling(x, y) <= ODD  # ranks take longer than a line


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """A straight line at the ends of ``x``, and the residual standard deviation about it."""
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    off = y - y.mean() - slope * centred
    first = float(y.mean() + slope * centred.min())
    return first, first + slope * float(np.ptp(x)), float(np.sqrt(off @ off / (len(y) - 2)))


def odds_of_falling(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Probability of a rank correlation as low as that of ``x`` and ``y`` ``(run,)``, were their order by chance."""
    a, b = _ranks(x), _ranks(y)
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return 1.0
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    seen = float(a @ b / size)
    if len(a) <= EXACT:
        every = np.array(list(permutations(range(len(a)))))
        return float((b[every] @ a / size <= seen + 1e-12).sum() / factorial(len(a)))
    from scipy.special import stdtr  # which takes a quarter of a second to import

    return float(stdtr(len(a) - 2, seen * np.sqrt((len(a) - 2) / max(1.0 - seen**2, 1e-12))))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, those of equal values averaged."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - 0.5 * (count - 1))[inverse])
