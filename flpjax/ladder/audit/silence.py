"""Which runs the others do not explain: they are silenced one by one, until no departure is surprising any more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from flpjax.ladder.audit.trend import Expected, Floats, Others

CHANCE_OF_ALARM = 1e-3  # of a clean table, if its scatter were Student's t
PRIOR_FACTS = 3  # runs that the least noise counts for
TAIL, TAIL_FACTS, USUAL_TAIL = (
    0.1,
    2,
    0.25,
)  # share of runs that tell how heavy tails are; what is usual, and its weight
TAIL_ALARM = 0.02  # expected number of clean runs that far out, under the tail that the others show
AHEAD, FEW_FOR_AHEAD = 2, 120  # runs silenced beyond the last surprising one, on ladders of at most so many
MOST = 8  # outlying runs of one column; more are a second trend


class Silencer:
    """Finds outlying runs in several columns; columns that the same runs measured share all matrices.

    Attributes:
        features: Which runs → their features ``(run, feature)``.
    """

    def __init__(self, columns: int) -> None:
        self.features: dict[bytes, Floats] = {}
        self._columns = max(columns, 1)
        self._others: dict[bytes, Others] = {}

    def silence(
        self, features: Floats, y: Floats, least_noise: float, about: bytes
    ) -> tuple[NDArray[np.bool_], Expected]:
        """``(run,)`` the runs that do not belong, and what the others say of every run.

        The run that the others explain least is silenced, then the next, a few too many, since two runs may hide each
        other; the last that is surprising settles how many there are (Rosner 1983).

        Args:
            features: ``(run, feature)``.
            y: ``(run,)`` what was measured, less the prior's mean.
            least_noise: Standard deviation of a run that is always allowed for.
            about: Which runs these are.
        """
        runs = len(y)
        silent, settled = np.zeros(runs, bool), 0
        order: list[int] = []
        ahead = AHEAD if runs <= FEW_FOR_AHEAD else 1
        others = self._without(features, silent, about)
        told = _one(others.predict(y, np.array([least_noise])))
        while len(order) < min(MOST, runs // 4, settled + ahead):
            worst, noise = others.least_likely(y, least_noise)
            here = _one(others.predict(y, np.array([noise])))
            off = abs(float((y[worst] - here.mean[worst]) / here.sd[worst]))
            if ahead == 1 and not self._beyond_scatter(off, int((~silent).sum())):
                break  # nothing to gain from another decomposition of a large ladder
            silent[worst] = True
            order.append(worst)
            others = self._without(features, silent, about)
            here = _one(others.predict(y, np.array([noise])))
            departures = np.abs(y - here.mean) / here.sd
            if self._surprising(float(departures[worst]), departures[~silent]):
                settled, told = len(order), here
        return np.isin(np.arange(runs), order[:settled]), told

    def _without(self, features: Floats, silent: NDArray[np.bool_], about: bytes) -> Others:
        key = about + silent.tobytes()
        if key not in self._others:
            self._others[key] = Others(features, silent.copy())
        return self._others[key]

    def _beyond_scatter(self, off: float, runs: int) -> bool:
        """Whether a departure in s.d. is more than the largest of Student's t among all runs and columns."""
        tail = 0.5 * CHANCE_OF_ALARM / (runs * self._columns)
        return bool(off > -stdtrit(runs - 2.0 + PRIOR_FACTS, tail))

    def _surprising(self, off: float, rest: Floats) -> bool:
        """Whether a departure in s.d. is more than scatter, and more than the tail of the others' ``(run,)``."""
        if not self._beyond_scatter(off, len(rest) + 1):
            return False
        few = int(np.ceil(TAIL * (len(rest) + 1)))
        if few < 2:
            return True
        rest = np.maximum(np.sort(rest)[::-1], 1e-9)
        logs = np.log(rest[:few] / rest[few])
        tail = (logs.sum() + TAIL_FACTS * USUAL_TAIL) / (few + TAIL_FACTS)  # Hill's estimate, shrunk
        beyond = few * (off / max(rest[few], 1.0)) ** (-1.0 / tail)
        return bool(beyond < TAIL_ALARM / self._columns)


def _one(told: Expected) -> Expected:
    """Of one noise: ``(run, 1)`` → ``(run,)``."""
    return Expected(told.mean[:, 0], told.sd[:, 0])
