"""What a forecast has to beat: a straight line through the ladder's finals in log FLOPs, with its own uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from flpjax.ladder.table import Runs
from flpjax.results.target import Target

Floats = NDArray[np.float64]
FEWEST = 3  # runs that a line and its scatter take
NAME = "a line in log FLOPs through the ladder's finals"


class Baseline(NamedTuple):
    """Even quantiles of the line's predictive distribution.

    Attributes:
        loss: ``(draw, target, domain)``; NaN where fewer than three runs have a final value.
        score: ``(draw, target, task)``, 0 to 1; the same.
    """

    loss: Floats
    score: Floats


def baseline(runs: Runs, targets: Sequence[Target], draws: int = 200) -> Baseline:
    """Least squares of log losses, and of scores, on log FLOPs; one new run's Student t about the line.

    Losses that may be negative are taken as they are.

    Args:
        runs: The ladder; runs that are held out are not looked at.
        targets: With FLOPs.
        draws: How many quantiles.
    """
    finals = runs.training().finals()
    x, at = np.log(finals.flops), np.log([target.flops or np.nan for target in targets])

    def quantiles(values: Floats) -> Floats:
        each = [_line(x, values[:, i], at, draws) for i in range(values.shape[1])]
        return np.stack(each, axis=2) if each else np.empty((draws, len(at), 0))

    signed = np.array([d in finals.signed for d in finals.domains], bool)
    found = quantiles(np.where(signed, finals.loss, np.log(np.where(signed, 1.0, finals.loss))))
    loss = np.where(signed, found, np.exp(np.where(signed, 0.0, found)))
    return Baseline(loss, np.clip(quantiles(finals.score), 0.0, 1.0))


def _line(x: Floats, values: Floats, at: Floats, draws: int) -> Floats:
    """``(draw, target)`` even quantiles of a new value at ``at``."""
    known = np.isfinite(values)
    count = int(known.sum())
    spread = np.ptp(x[known]) if count else 0.0
    if count < FEWEST or spread == 0.0:
        return np.full((draws, len(at)), np.nan)
    x, values = x[known], values[known]
    slope, level = np.polyfit(x - x.mean(), values, 1)
    residual = values - level - slope * (x - x.mean())
    sd = np.sqrt((residual**2).sum() / (count - 2))
    away = (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    t = stdtrit(count - 2, (np.arange(draws) + 0.5) / draws)
    return np.asarray(level + slope * (at - x.mean()) + t[:, None] * sd * np.sqrt(1.0 + 1.0 / count + away))
