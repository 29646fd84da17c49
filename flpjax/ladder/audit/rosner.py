"""Find outlying runs: removed one at a time, until no remaining one departs improbably from what the others predict."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.audit.trend import Expected, Floats, Others

FALSE_ALARM_RATE = 1e-3  # for a table without outliers, if its scatter is Student's t
PRIOR_DF = 3  # degrees of freedom of the prior on the noise, about its least value
TAIL_SHARE = 0.1  # share of runs, the outermost, from which the tail index is estimated
TAIL_PRIOR_WEIGHT, TYPICAL_TAIL_INDEX = 2, 0.25  # the estimate is shrunk to this index, as if by so many runs
MOST_EXPECTED_BEYOND = 0.02  # expected number of regular runs that far out, with the tail index of the others
EXTRA_STEPS = 2  # runs removed after the last improbable one,
MOST_RUNS_FOR_EXTRA = 120  # on ladders of at most so many
MOST_OUTLIERS = 8  # outlying runs of one column; more are a second trend


class OutlierTest:
    """A sequential outlier test (Rosner 1983) for several columns; those that the same runs measured share matrices.

    Attributes:
        features: Key of a set of runs → their features ``(run, feature)``.
    """

    def __init__(self, columns: int) -> None:
        self.features: dict[bytes, Floats] = {}
        self._columns = max(columns, 1)
        self._others: dict[bytes, Others] = {}

    def outliers(
        self, features: Floats, y: Floats, least_noise: float, run_key: bytes
    ) -> tuple[NDArray[np.bool_], Expected]:
        """``(run,)`` which runs are outliers, and the prediction of every run from the others.

        The run that is least probable given the others is removed, then the next, and a few more, since two outliers
        may mask each other; the last improbable one determines how many there are (Rosner 1983).

        Args:
            features: ``(run, feature)``.
            y: ``(run,)`` what was measured, less the prior's mean.
            least_noise: Lower bound of the runs' standard deviation.
            run_key: Key of the set of runs, by which matrices are shared.
        """
        runs = len(y)
        removed, settled = np.zeros(runs, bool), 0
        order: list[int] = []
        extra = EXTRA_STEPS if runs <= MOST_RUNS_FOR_EXTRA else 1
        others = self._without(features, removed, run_key)
        prediction = _one(others.predict(y, np.array([least_noise])))
        while len(order) < min(MOST_OUTLIERS, runs // 4, settled + extra):
            worst, noise = others.least_likely(y, least_noise)
            prediction_now = _one(others.predict(y, np.array([noise])))
            departure = abs(float((y[worst] - prediction_now.mean[worst]) / prediction_now.sd[worst]))
            if extra == 1 and not self._beyond_scatter(departure, int((~removed).sum())):
                break  # nothing to gain from another decomposition of a large ladder
            removed[worst] = True
            order.append(worst)
            others = self._without(features, removed, run_key)
            prediction_now = _one(others.predict(y, np.array([noise])))
            departures = np.abs(y - prediction_now.mean) / prediction_now.sd
            if self._surprising(float(departures[worst]), departures[~removed]):
                settled, prediction = len(order), prediction_now
        return np.isin(np.arange(runs), order[:settled]), prediction

    def _without(self, features: Floats, removed: NDArray[np.bool_], run_key: bytes) -> Others:
        key = run_key + removed.tobytes()
        if key not in self._others:
            self._others[key] = Others(features, removed.copy())
        return self._others[key]

    def _beyond_scatter(self, departure: float, runs: int) -> bool:
        """Whether a departure in s.d. is more than the largest of Student's t among all runs and columns."""
        tail = 0.5 * FALSE_ALARM_RATE / (runs * self._columns)
        if departure <= -NormalDist().inv_cdf(tail):  # of which Student's t has more beyond
            return False
        from scipy.special import stdtrit  # which takes a quarter of a second to import

        return bool(departure > -stdtrit(runs - 2.0 + PRIOR_DF, tail))

    def _surprising(self, departure: float, rest: Floats) -> bool:
        """Whether a departure in s.d. is more than scatter, and more than the tail of the others' ``(run,)``."""
        if not self._beyond_scatter(departure, len(rest) + 1):
            return False
        in_tail = int(np.ceil(TAIL_SHARE * (len(rest) + 1)))
        if in_tail < 2:
            return True
        rest = np.maximum(np.sort(rest)[::-1], 1e-9)
        logs = np.log(rest[:in_tail] / rest[in_tail])
        tail = (logs.sum() + TAIL_PRIOR_WEIGHT * TYPICAL_TAIL_INDEX) / (
            in_tail + TAIL_PRIOR_WEIGHT
        )  # Hill's estimate, shrunk
        beyond = in_tail * (departure / max(rest[in_tail], 1.0)) ** (-1.0 / tail)
        return bool(beyond < MOST_EXPECTED_BEYOND / self._columns)


def _one(prediction: Expected) -> Expected:
    """The prediction for a single noise: ``(run, 1)`` → ``(run,)``."""
    return Expected(prediction.mean[:, 0], prediction.sd[:, 0])
