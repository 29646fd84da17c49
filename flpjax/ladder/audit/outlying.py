"""Runs that do not belong to their ladder: final losses and scores far from what the other runs predict."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.ladder.audit.fault import MOST_LISTED, Fault, Kind
from flpjax.ladder.audit.rosner import OutlierTest
from flpjax.ladder.audit.trend import LOSS, SCORE, Floats, Trend, basis
from flpjax.ladder.design import log_sizes
from flpjax.ladder.table import Runs

FEWEST = 4  # values in a column; with fewer, the others can't predict one
LEAST_LOSS_DEPARTURE, LEAST_SCORE_DEPARTURE = (
    0.2,
    0.3,
)  # least departure that is reported: of a log loss, of an arcsine-root score
LEAST_WORSE_LOSS_DEPARTURE = (
    0.06  # the same for a log loss, where a run with no more parameters and tokens has a lower loss
)
RERUN_DIFFERENCE, SAME_MIX = 0.02, 0.01  # differences to be ignored: of log losses of equal runs; of mixture weights
LEAST_SINGLE_LOSS_DEPARTURE = (
    0.3  # least departure of a log loss that is reported when most of the run's other losses fit
)
SEVERE_LOSS = 0.25  # departure of a log loss that makes a forecast worthless


class Scale(NamedTuple):
    """How one kind of value, losses or scores, is transformed and judged.

    Attributes:
        trend: The prior on how it depends on parameters, tokens and mixture.
        forward: Transforms it to the scale on which its scatter is about constant.
        back: The inverse of ``forward``.
        least: The least departure, on that scale, that is reported.
    """

    trend: Trend
    forward: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]
    least: float


LOSSES = Scale(LOSS, np.log, np.exp, LEAST_LOSS_DEPARTURE)
SCORES = Scale(
    SCORE,
    lambda score: np.arcsin(np.sqrt(score)),
    lambda y: np.sin(np.clip(y, 0.0, 0.5 * np.pi)) ** 2,
    LEAST_SCORE_DEPARTURE,
)


class Outlier(NamedTuple):
    """A run's final value that does not belong.

    Attributes:
        run: The run's row in the table of final values.
        column: Canonical name of the column.
        value: What was measured.
        expected: Two s.d. below what the other runs predict, the prediction, and two s.d. above.
        departure: Measured less predicted, on the transformed scale of :class:`Scale`.
        z: ``departure`` in s.d. of the prediction.
    """

    run: int
    column: str
    value: float
    expected: tuple[float, float, float]
    departure: float
    z: float


def outlying_runs(runs: Runs) -> list[Fault]:
    """Name the runs whose final loss or score does not belong.

    Args:
        runs: The ladder, without its held-out runs.
    """
    finals = runs.finals()
    # Standard deviation of an arcsine-root score from so many questions.
    by_questions = np.array([0.5 / np.sqrt(t.questions) if t.questions else 0.0 for t in finals.tasks])
    losses = _outliers(
        finals, [f"loss/{d}" for d in finals.domains], finals.loss, LOSSES, np.zeros(len(finals.domains))
    )
    scores = _outliers(finals, [f"score/{t}" for t in finals.task_names], finals.score, SCORES, by_questions)
    found = [o for o in losses if _shared(o, losses, finals)] + scores
    rows = sorted({o.run for o in found}, key=lambda row: -max(abs(o.z) for o in found if o.run == row))
    return [_fault(finals, [o for o in found if o.run == row]) for row in rows]


def _fault(finals: Runs, of_run: list[Outlier]) -> Fault:
    """One fault for all outlying values of a run, which quotes the worst: a loss if there is one."""
    name = finals.names[finals.run[of_run[0].run]]
    worst = max(of_run, key=lambda o: (o.column.startswith("loss/"), abs(o.z)))
    low, middle, high = worst.expected
    rest = [f"'{o.column}'" for o in of_run if o is not worst]
    more = f"; so are {some_of(rest, MOST_LISTED)}" if rest else ""
    what = (
        f"run '{name}' does not belong to the others: its final '{worst.column}' is {worst.value:.4g}, where their "
        f"trend says {middle:.3g} ({low:.3g} to {high:.3g}){more}"
    )
    severe = worst.column.startswith("loss/") and abs(worst.departure) > SEVERE_LOSS
    return Fault(
        Kind.RUNS,
        severe=severe,
        what=what,
        remedy=f"Look at it; leave it out with --exclude '{name}' if it has gone wrong",
    )


def _shared(outlier: Outlier, losses: list[Outlier], finals: Runs) -> bool:
    """Whether at least half of the run's losses are outliers, or this one is far off.

    A single odd loss is no fault by itself: one model may suit one domain of text better or worse than the others do.
    """
    measured = int(np.isfinite(finals.loss[outlier.run]).sum())
    together = sum(o.run == outlier.run for o in losses)
    return 2 * together >= measured or abs(outlier.departure) > LEAST_SINGLE_LOSS_DEPARTURE


def _worse_than_smaller(finals: Runs, rows: NDArray[np.int64], y: Floats, i: int) -> bool:
    """Whether the i-th log loss is higher than one of a run that is no larger and saw no more of the same mixture."""
    (n, d), mix = (v[rows] for v in log_sizes(finals)), finals.mix[rows]
    smaller = (n <= n[i]) & (d <= d[i]) & (y < y[i] - RERUN_DIFFERENCE)
    return bool((smaller & (np.abs(mix - mix[i]).max(axis=1, initial=0.0) < SAME_MIX)).any())


def _outliers(finals: Runs, names: list[str], values: Floats, scale: Scale, sampling: Floats) -> list[Outlier]:
    """Outliers among final values ``(run, column)``.

    ``sampling`` ``(column,)`` is their s.d. because test sets are finite.
    """
    outlier_test = OutlierTest(len(names))
    found = []
    for j, name in enumerate(names):
        rows = np.flatnonzero(np.isfinite(values[:, j]))
        if len(rows) < FEWEST:
            continue
        y = scale.forward(values[rows, j])
        log_n, log_d = (v[rows] for v in log_sizes(finals))
        prior = scale.trend.slope * (log_n + log_d)
        prior = prior + np.median(y - prior)
        features = outlier_test.features.get(rows.tobytes())
        if features is None:
            features = outlier_test.features[rows.tobytes()] = basis(log_n, log_d, finals.mix[rows], scale.trend)
        noise = float(np.hypot(scale.trend.least_noise, sampling[j]))
        outlying, prediction = outlier_test.outliers(features, y - prior, noise, rows.tobytes())
        departure = y - prior - prediction.mean
        for i in np.flatnonzero(outlying):
            distance = abs(departure[i])
            worse = (
                scale is LOSSES
                and distance > LEAST_WORSE_LOSS_DEPARTURE
                and _worse_than_smaller(finals, rows, y, int(i))
            )
            if not (distance > scale.least or worse):
                continue
            low, middle, high = scale.back(
                prediction.mean[i] + prior[i] + np.array([-2.0, 0.0, 2.0]) * prediction.sd[i]
            )
            expected = (float(low), float(middle), float(high))
            z = float(departure[i] / prediction.sd[i])
            found.append(Outlier(int(rows[i]), name, float(values[rows[i], j]), expected, float(departure[i]), z))
    return found
