"""Runs that do not belong to their ladder: final losses and scores far from what all other runs say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from flpjax.errors import some_of
from flpjax.runs.audit.fault import LISTED, Fault, Kind
from flpjax.runs.audit.trend import LOSS, SCORE, Expected, Floats, Others, Trend, basis
from flpjax.runs.table import Runs

FEWEST = 4  # runs, of which the others tell something about one
CHANCE_OF_ALARM = 1e-3  # of a clean table, if its scatter were Student's t
PRIOR_FACTS = 3  # runs that the least noise counts for
TAIL, TAIL_FACTS, USUAL_TAIL = 0.1, 2, 0.25  # share of runs that tell how heavy tails are; what is usual, and its weight
TAIL_ALARM = 0.02  # expected number of clean runs that far out, under the tail that the others show
LOSS_OFF, SCORE_OFF = 0.2, 0.3  # least departure that is reported: of log losses, of arcsine-root scores
ONE_LOSS_OFF = 0.3  # the same of a log loss that most other losses of the run do not share
GRAVE_LOSS = 0.25  # departure of a log loss that makes a forecast worthless
AHEAD, FEW_FOR_AHEAD = 2, 120  # runs silenced beyond the last surprising one, on ladders of at most so many
MOST = 8  # outlying runs of one column; more are a second trend


class Outlier(NamedTuple):
    """A run's final value that does not belong."""

    run: int  # index into the finals' rows
    column: str
    value: float
    expected: float
    low: float  # of the expected value, two s.d. below
    high: float
    departure: float  # on the scale of the trend
    z: float


def outlying_runs(runs: Runs) -> list[Fault]:
    """Name the runs whose final loss or score does not belong.

    Args:
        runs: The ladder, without its held-out runs.
    """
    finals = runs.finals()
    found = [
        *_of_columns(finals, [f"loss/{d}" for d in finals.domains], np.log(finals.loss), LOSS, np.exp, LOSS_OFF),
        *_of_columns(
            finals,
            [f"score/{t}" for t in finals.task_names],
            np.arcsin(np.sqrt(finals.score)),
            SCORE,
            lambda v: np.sin(np.clip(v, 0.0, 0.5 * np.pi)) ** 2,
            SCORE_OFF,
            _sampling_sd(finals),
        ),
    ]
    found = [o for o in found if o.column.startswith("score/") or _shared(o, found, finals)]
    faults = []
    for row in sorted({o.run for o in found}, key=lambda row: -max(abs(o.z) for o in found if o.run == row)):
        faults.append(_fault(finals, [o for o in found if o.run == row]))
    return faults


def _fault(finals: Runs, of_run: list[Outlier]) -> Fault:
    name = finals.names[finals.run[of_run[0].run]]
    worst = max(of_run, key=lambda o: (o.column.startswith("loss/"), abs(o.z)))
    what, _, column = worst.column.partition("/")
    rest = [f"'{o.column}'" for o in of_run if o is not worst]
    more = f"; so are {some_of(rest, LISTED)}" if rest else ""
    text = (
        f"run '{name}' does not belong to the others: its final {what} on '{column}' is {worst.value:.4g}, where their "
        f"trend says {worst.expected:.3g} ({worst.low:.3g} to {worst.high:.3g}){more}"
    )
    grave = what == "loss" and abs(worst.departure) > GRAVE_LOSS
    return Fault(Kind.RUNS, grave, text, f"Look at it; leave it out with --exclude '{name}' if it has gone wrong")


def _shared(outlier: Outlier, found: list[Outlier], finals: Runs) -> bool:
    """Whether most losses of the run depart, or this one by much: text of one kind can be odd for one model."""
    measured = int(np.isfinite(finals.loss[outlier.run]).sum())
    together = sum(o.run == outlier.run and o.column.startswith("loss/") for o in found)
    return 2 * together >= measured or abs(outlier.departure) > ONE_LOSS_OFF


def _sampling_sd(finals: Runs) -> Floats:
    """``(task,)`` s.d. of an arcsine-root score by the questions asked; 0 where their number is not known."""
    return np.array([0.5 / np.sqrt(t.questions) if t.questions else 0.0 for t in finals.tasks])


def _of_columns(
    finals: Runs,
    names: list[str],
    values: Floats,
    trend: Trend,
    back: object,
    least: float,
    sampling: Floats | None = None,
) -> list[Outlier]:
    decomposed: dict[bytes, Others] = {}
    found: list[Outlier] = []
    log_n, log_d = np.log(finals.params), np.log(finals.tokens)
    for j, name in enumerate(names):
        rows = np.flatnonzero(np.isfinite(values[:, j]))
        if len(rows) < FEWEST:
            continue
        n, d = log_n[rows] - log_n[rows].mean(), log_d[rows] - log_d[rows].mean()
        y = values[rows, j] - trend.slope * (n + d)
        y = y - np.median(y)
        noise = float(np.hypot(trend.least_noise, 0.0 if sampling is None else sampling[j]))
        silent, told = _silence(
            basis(n, d, finals.mix[rows], trend), y, noise, len(names), rows.tobytes(), decomposed
        )
        off = (y - told.mean) / told.sd
        for i in np.flatnonzero(silent & (np.abs(y - told.mean) > least)):
            shift = values[rows[i], j] - y[i]
            low, middle, high = (float(back(told.mean[i] + shift + k * told.sd[i])) for k in (-2.0, 0.0, 2.0))  # type: ignore[operator]
            value = float(back(values[rows[i], j]))  # type: ignore[operator]
            found.append(Outlier(int(rows[i]), name, value, middle, low, high, float(y[i] - told.mean[i]), float(off[i])))
    return found


def _silence(
    features: Floats, y: Floats, least_noise: float, columns: int, about: bytes, decomposed: dict[bytes, Others]
) -> tuple[NDArray[np.bool_], Expected]:
    """``(run,)`` the runs that do not belong, and what the others say of every run.

    One after the other, the run that the others explain least is silenced, a few too many, since two runs may hide each
    other; the last that is surprising settles how many there are (Rosner 1983).
    """
    runs = len(y)
    silent, several = np.zeros(runs, bool), min(MOST, runs // 4)
    order: list[int] = []
    settled, ahead = 0, AHEAD if runs <= FEW_FOR_AHEAD else 1
    others = _others(features, silent, about, decomposed)
    told = _alone(others.predict(y, np.array([least_noise])))
    found = told
    while len(order) < several and len(order) < settled + ahead:
        worst, noise = others.least_likely(y, least_noise)
        here = others.predict(y[:], np.array([noise]))
        certain = abs(float((y[worst] - here.mean[worst, 0]) / here.sd[worst, 0]))
        if ahead == 1 and not _beyond_scatter(certain, int((~silent).sum()), columns):
            break
        silent[worst] = True
        order.append(worst)
        others = _others(features, silent, about, decomposed)
        found = _alone(others.predict(y, np.array([noise])))
        off = np.abs(y - found.mean) / found.sd
        if _surprising(off[worst], off[~silent], columns):
            settled, told = len(order), found
    return np.isin(np.arange(runs), order[:settled]), told


def _alone(told: Expected) -> Expected:
    """Of one noise: ``(run, 1)`` → ``(run,)``."""
    return Expected(told.mean[:, 0], told.sd[:, 0])


def _others(features: Floats, silent: NDArray[np.bool_], about: bytes, decomposed: dict[bytes, Others]) -> Others:
    seen = about + silent.tobytes()
    if seen not in decomposed:
        decomposed[seen] = Others(features, silent.copy())
    return decomposed[seen]


def _beyond_scatter(worst: float, runs: int, columns: int) -> bool:
    """Whether a departure in s.d. is more than the largest of Student's t among all runs and columns."""
    return bool(worst > -stdtrit(runs - 2.0 + PRIOR_FACTS, 0.5 * CHANCE_OF_ALARM / (runs * columns)))


def _surprising(worst: float, rest: NDArray[np.float64], columns: int) -> bool:
    """Whether a departure in s.d. is more than scatter, and more than the tail of the others' ``(run,)``, in any column."""
    runs = len(rest) + 1
    if not _beyond_scatter(worst, runs, columns):
        return False
    few = int(np.ceil(TAIL * runs))
    if few < 2:
        return True
    rest = np.maximum(np.sort(rest)[::-1], 1e-9)
    logs = np.log(rest[:few] / rest[few])
    tail = (logs.sum() + TAIL_FACTS * USUAL_TAIL) / (few + TAIL_FACTS)  # Hill's estimate, shrunk
    return bool(few * (worst / max(rest[few], 1.0)) ** (-1.0 / tail) < TAIL_ALARM / columns)
