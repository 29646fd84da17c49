"""From draws to intervals: losses and scores draw by draw, the scatter of a measurement, medians and bounds.

The scatter about a law is hardly known from very few runs, so that intervals of a bootstrap are widened there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from flpjax.errors import InputError, count, figure, is_positive
from flpjax.fitting.draws import LOST, Draws
from flpjax.fitting.even import even_normal
from flpjax.fitting.predicted import Bounds as Bounds
from flpjax.fitting.predicted import predict as predict
from flpjax.fitting.predicted import signed_domains
from flpjax.ladder.falling import Falling
from flpjax.methods.method import Model, Prediction, StageParams
from flpjax.numerics import compiled, on_device


@dataclass(frozen=True)
class Interval:
    """A median with the bounds of a central interval.

    Attributes:
        median: Of the draws.
        lower: Lower bound.
        upper: Upper bound.
        error: Monte Carlo standard error of the median, from the finite number of draws.
    """

    median: float
    lower: float
    upper: float
    error: float = 0.0

    @classmethod
    def of(cls, draws: NDArray[np.float64], level: float, most_lost: float = LOST) -> Interval | None:
        """Of the draws ``(draw,)`` that are finite; None if a share of more than ``most_lost`` is not, or all."""
        finite = draws[np.isfinite(draws)]
        if not len(finite) or lost(draws) > most_lost:
            return None
        return cls(*_median_and_bounds(finite, level).tolist())

    @classmethod
    def of_each(cls, draws: NDArray[np.float64], level: float, most_lost: float = LOST) -> list[Interval | None]:
        """As :meth:`of`, of every column of ``(draw, output)``: all that are finite throughout at once."""
        whole = np.logical_and.reduce(np.isfinite(draws), axis=0)
        numbers = _median_and_bounds(draws[:, whole], level) if len(draws) else np.zeros((4, 0))
        of_whole = iter(numbers.T.tolist())
        return [
            cls(*next(of_whole)) if sound and len(draws) else cls.of(column, level, most_lost)
            for sound, column in zip(whole, draws.T, strict=True)
        ]

    def to_dict(self, bounds: bool = True) -> dict[str, float | None]:
        """As JSON has it; without ``bounds`` these are null, as of a point fit."""
        lower, upper, error = (self.lower, self.upper, self.error) if bounds else (None, None, None)
        return {"median": self.median, "lower": lower, "upper": upper, "monte_carlo_error": error}


def _median_and_bounds(draws: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """``(4, …)`` median, lower and upper bound, and the median's Monte Carlo error, of finite draws ``(draw, …)``."""
    tail = 0.5 * (1.0 - level)
    near = min(0.5 / np.sqrt(len(draws)), 0.5)  # one s.d. of the share of draws that fall below the true median
    levels = [0.5 - near, 0.5 + near, tail, 0.5, 1.0 - tail]
    below, above, lower, median, upper = np.quantile(draws, levels, axis=0)
    return np.stack([median, lower, upper, 0.5 * (above - below)])


def lost(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the draws ``(draw, …)`` that are not finite, ``(…)``."""
    return np.asarray(1.0 - np.isfinite(draws).mean(axis=0))


def check_level(level: float) -> None:
    """Refuse a level that is no probability.

    Raises:
        InputError: The level is not between 0 and 1.
    """
    if not is_positive(level) or level >= 1.0:
        raise InputError(f"the level {figure(level)} is no probability", remedy="Give it between 0 and 1, say 0.9")


SCATTER = 1618  # seed of the orders of noise: fixed, so that the same draws have the same intervals
WITHIN = 2.0  # standard deviations of scores about their line, by which a measured one may leave the range


def scatter(draws: Draws) -> Prediction:
    """What a measured value departs from the fit by, as :attr:`~flpjax.fitting.draws.Draws.noise` has it.

    Normal, with the draws' own noise, or else each fit's residual standard deviation; a point fit has none. Every
    domain and task has the even quantiles of the normal law in an order of its own, always the same: as even for any
    number of draws as can be, without a key, and independent, so that noise averages out over tasks as it should.
    """

    def normal(sd: NDArray[np.float64], kind: int) -> Array:
        rng = np.random.default_rng([SCATTER, kind])
        columns = [even_normal(len(draws), rng) for _ in range(sd.shape[1])]
        return on_device(np.stack(columns, axis=1) * sd if columns else np.zeros(sd.shape))

    sd = draws.noise
    return Prediction(normal(np.asarray(sd.loss), 0), normal(np.asarray(sd.score), 1))


def bounds_of(draws: Draws, flops: Sequence[float]) -> tuple[Bounds, Bounds] | None:
    """What scores of tasks that fall with scale are kept within: expected ones, and measured ones; None without such.

    Expected scores stay above chance, or the lowest score if that is below it, and below what the ladder measured at
    as much compute: what a map that rises makes of a score that has fallen is not believed. Where a map that falls
    takes part, the score may turn and rise again, as scores of some tasks do (Wei et al. 2022), up to the highest
    measured.

    Args:
        draws: With their ladder.
        flops: ``(target,)`` C.
    """
    falling = {f.task: f for f in draws.ladder.falling if f.task in draws.model.tasks}
    if not falling:
        return None
    each = [falling.get(task) for task in draws.model.tasks]
    mapped: frozenset[str] = getattr(draws.model, "falling", frozenset())

    def upper(task: Falling, c: float) -> float:
        return task.ceiling[0] if task.task in mapped else task.upper(c)

    def bounds(slack: float) -> Bounds:
        low = [-np.inf if f is None else f.lower - slack * f.noise for f in each]
        high = [[np.inf if f is None else upper(f, c) + slack * f.noise for f in each] for c in flops]
        return on_device(np.tile(low, (len(high), 1))), on_device(np.array(high))

    return bounds(0.0), bounds(WITHIN)


@partial(compiled, static_argnums=0)
def predict_from_loss(model: Model, params: StageParams, loss: Array) -> Array | None:
    """Scores ``(draw, target, task)`` at known losses ``(target, domain)``; None for a model without losses."""
    return jax.vmap(lambda p: jax.vmap(lambda value: model.score_from_loss(p, value))(loss))(params)


Floats = NDArray[np.float64]
FEW_RUNS = 5  # below this, an interval says little
LAW = 2  # parameters that a line through logarithms takes from the runs' degrees of freedom
TAIL = 0.95  # where the two distributions are compared: the bound of a 90 % interval


def factor_of(draws: Draws) -> float:
    """How much wider Student's t is than the normal law that draws of few runs follow; 1 from five runs on.

    Only a bootstrap takes the scatter that it sees for known. On twelve simulated
    ladders of three runs its 90 % intervals (``flp``, the next size but one) held 37 % of what was measured, and 68 %
    with this; those of ``auto`` held all without.
    """
    runs = draws.ladder.runs
    if runs >= FEW_RUNS or not draws.takes_scatter_as_known:
        return 1.0
    return float(stdtrit(max(runs - LAW, 1), TAIL) / ndtri(TAIL))


def widened(draws: Draws, loss: Floats, score: Floats) -> tuple[Floats, Floats, list[str]]:
    """Draws spread about their medians, positive losses by ratio, all else by difference, and a warning if they were.

    Args:
        draws: What they are draws of.
        loss: ``(draw, target, domain)``.
        score: ``(draw, target, task)``.
    """
    factor = factor_of(draws)
    if factor == 1.0:
        return loss, score, []
    warning = (
        f"{count(draws.ladder.runs, 'run')} only: intervals are {factor:.2g} × as wide as the fits' (Student's t), and "
        f"may still be too narrow; train {FEW_RUNS} at least"
    )
    middle, centre = _median(loss), _median(score)
    signed = signed_domains(draws.model)
    if signed.any():
        by_ratio = middle * np.where(signed, 1.0, loss / middle) ** factor
        wide = np.where(signed, middle + factor * (loss - middle), by_ratio)
    else:
        wide = middle * (loss / middle) ** factor
    return wide, centre + factor * (score - centre), [warning]


def _median(values: Floats) -> Floats:
    """``(1, target, output)`` of the draws that are finite; NaN where none is."""
    known = np.isfinite(values)
    any_draw = known.any(axis=0)
    filled = np.where(any_draw, np.where(known, values, np.nan), 0.0)
    return np.where(any_draw, np.nanmedian(filled, axis=0), np.nan)[None]
