"""Runs that do not belong to their ladder: final losses and scores far from what all other runs say."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.ladder.audit.fault import LISTED, Fault, Kind
from flpjax.ladder.audit.silence import Silencer
from flpjax.ladder.audit.trend import LOSS, SCORE, Floats, Trend, basis
from flpjax.ladder.design import log_sizes
from flpjax.ladder.table import Runs

FEWEST = 4  # runs, of which the others tell something about one
LOSS_OFF, SCORE_OFF = 0.2, 0.3  # least departure that is reported: of log losses, of arcsine-root scores
WORSE_LOSS_OFF = 0.06  # the same where a run with no more parameters and tokens has a lower loss
RERUN_DIFFERENCE, SAME_MIX = 0.02, 0.01  # of log losses of one size; of weights of one mixture
ONE_LOSS_OFF = 0.3  # of a log loss that most other losses of the run do not share
GRAVE_LOSS = 0.25  # departure of a log loss that makes a forecast worthless


class Scale(NamedTuple):
    """How a kind of value is looked at.

    Attributes:
        trend: What is expected of it.
        forward: To the scale on which scatter is alike everywhere.
        back: And back.
        least: The least departure, on that scale, that is reported.
    """

    trend: Trend
    forward: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]
    least: float


LOSSES = Scale(LOSS, np.log, np.exp, LOSS_OFF)
SCORES = Scale(
    SCORE,
    lambda score: np.arcsin(np.sqrt(score)),
    lambda y: np.sin(np.clip(y, 0.0, 0.5 * np.pi)) ** 2,
    SCORE_OFF,
)


class Outlier(NamedTuple):
    """A run's final value that does not belong.

    Attributes:
        run: Its row among the finals.
        column: Canonical name of the column.
        value: What was measured.
        expected: What the others say, and two s.d. below and above.
        departure: On the scale of the trend.
        z: The same in standard deviations.
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
    by_questions = np.array([0.5 / np.sqrt(t.questions) if t.questions else 0.0 for t in finals.tasks])
    losses = _outliers(
        finals, [f"loss/{d}" for d in finals.domains], finals.loss, LOSSES, np.zeros(len(finals.domains))
    )
    scores = _outliers(finals, [f"score/{t}" for t in finals.task_names], finals.score, SCORES, by_questions)
    found = [o for o in losses if _shared(o, losses, finals)] + scores
    rows = sorted({o.run for o in found}, key=lambda row: -max(abs(o.z) for o in found if o.run == row))
    return [_fault(finals, [o for o in found if o.run == row]) for row in rows]


def _fault(finals: Runs, of_run: list[Outlier]) -> Fault:
    """All that is odd about one run, the worst loss first."""
    name = finals.names[finals.run[of_run[0].run]]
    worst = max(of_run, key=lambda o: (o.column.startswith("loss/"), abs(o.z)))
    low, middle, high = worst.expected
    rest = [f"'{o.column}'" for o in of_run if o is not worst]
    more = f"; so are {some_of(rest, LISTED)}" if rest else ""
    what = (
        f"run '{name}' does not belong to the others: its final '{worst.column}' is {worst.value:.4g}, where their "
        f"trend says {middle:.3g} ({low:.3g} to {high:.3g}){more}"
    )
    grave = worst.column.startswith("loss/") and abs(worst.departure) > GRAVE_LOSS
    return Fault(Kind.RUNS, grave, what, f"Look at it; leave it out with --exclude '{name}' if it has gone wrong")


def _shared(outlier: Outlier, losses: list[Outlier], finals: Runs) -> bool:
    """Whether most losses of the run depart, or this one by much: text of one kind can be odd for one model."""
    measured = int(np.isfinite(finals.loss[outlier.run]).sum())
    together = sum(o.run == outlier.run for o in losses)
    return 2 * together >= measured or abs(outlier.departure) > ONE_LOSS_OFF


def _worse_than_smaller(finals: Runs, rows: NDArray[np.int64], y: Floats, i: int) -> bool:
    """Whether the i-th log loss is higher than one of a run that is no larger and saw no more of the same mixture."""
    (n, d), mix = (v[rows] for v in log_sizes(finals)), finals.mix[rows]
    smaller = (n <= n[i]) & (d <= d[i]) & (y < y[i] - RERUN_DIFFERENCE)
    return bool((smaller & (np.abs(mix - mix[i]).max(axis=1, initial=0.0) < SAME_MIX)).any())


def _outliers(finals: Runs, names: list[str], values: Floats, scale: Scale, sampling: Floats) -> list[Outlier]:
    """Final values ``(run, column)`` that the others contradict; ``sampling`` ``(column,)`` is the questions' s.d."""
    silencer = Silencer(len(names))
    found = []
    for j, name in enumerate(names):
        rows = np.flatnonzero(np.isfinite(values[:, j]))
        if len(rows) < FEWEST:
            continue
        y = scale.forward(values[rows, j])
        log_n, log_d = (v[rows] for v in log_sizes(finals))
        prior = scale.trend.slope * (log_n + log_d)
        prior = prior + np.median(y - prior)
        features = silencer.features.get(rows.tobytes())
        if features is None:
            features = silencer.features[rows.tobytes()] = basis(log_n, log_d, finals.mix[rows], scale.trend)
        noise = float(np.hypot(scale.trend.least_noise, sampling[j]))
        silent, told = silencer.silence(features, y - prior, noise, rows.tobytes())
        departure = y - prior - told.mean
        for i in np.flatnonzero(silent):
            size = abs(departure[i])
            worse = scale is LOSSES and size > WORSE_LOSS_OFF and _worse_than_smaller(finals, rows, y, int(i))
            if not (size > scale.least or worse):
                continue
            low, middle, high = scale.back(told.mean[i] + prior[i] + np.array([-2.0, 0.0, 2.0]) * told.sd[i])
            expected = (float(low), float(middle), float(high))
            z = float(departure[i] / told.sd[i])
            found.append(Outlier(int(rows[i]), name, float(values[rows[i], j]), expected, float(departure[i]), z))
    return found
