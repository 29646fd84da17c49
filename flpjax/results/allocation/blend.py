"""The precision-weighted mean of two approaches' log N*; wider where they differ by more than chance.

If the law is true, its fit is efficient, so that the difference of the approaches has the difference of their variances
(Hausman 1978). What the difference exceeds that by is a variance between approaches (DerSimonian & Laird 1986): the law
errs, or the other approach does, and the runs don't say which.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from flpjax.fitting.even import even_normal

CHANCE = 3.84
"""Squared difference over its variance that chance exceeds once in twenty; below it the approaches agree."""
LEAST = 0.5  # share of the other approach's variance that the difference's has at least: both are estimates
DOUBT = 2.0
"""Times the other approach's variance, by which it is weighed: off centre, noise moves lowest points one way, which
resamples don't show. Chosen on simulated sweeps of other seeds than ``benchmarks.plan.bias`` has."""
SEED = 1618  # of the order of normal numbers: the same draws have the same blend

Floats = NDArray[np.float64]


class Blended(NamedTuple):
    """The weighted mean of two approaches, at every budget."""

    log_params: Floats  # (draw, budget)
    weight: Floats  # (budget,) of the first approach
    between: Floats  # (budget,) s.d. of log N* between approaches, beyond chance


def blended(first: Floats, second: Floats) -> Blended:
    """The mean of two approaches' log N*, weighted by inverse variances that include the variance between them.

    Args:
        first: ``(draw, budget)`` log N* by the law.
        second: ``(draw, budget)`` log N* by an approach that does not assume the law; NaN where a draw has none.
    """
    middle, sd = zip(*(_centre(approach) for approach in (first, second)), strict=True)
    one, other = (v**2 for v in sd)
    # where the law is the less precise approach it is not efficient, and as good as independent of the other
    chance = np.where(other >= one, np.maximum(other - one, LEAST * other), one + other)
    difference = middle[1] - middle[0]
    beyond = np.where(difference**2 > CHANCE * chance, difference**2 - chance, 0.0) / 2.0
    between = np.nan_to_num(beyond)
    with np.errstate(invalid="ignore"):
        weight = np.nan_to_num((DOUBT * other + between) / (one + DOUBT * other + 2.0 * between), nan=1.0)
    share = (1.0 - weight) * np.nan_to_num(difference)
    own = (1.0 - weight) * np.sqrt(np.nan_to_num(np.maximum(other - one, 0.0)))  # of the other approach alone
    order = np.random.default_rng(SEED)
    noise = even_normal(len(first), order)[:, None] * own + even_normal(len(first), order)[:, None] * np.sqrt(between)
    return Blended(first + share + noise, weight, np.sqrt(between))


def _centre(log_params: Floats) -> tuple[Floats, Floats]:
    """Medians ``(budget,)`` and robust standard deviations; NaN where most draws have no optimum."""
    known = np.isfinite(log_params)
    enough = known.mean(axis=0) > 0.5
    filled = np.where(enough[None, :], log_params, 0.0)
    low, middle, high = np.nanquantile(filled, [0.16, 0.5, 0.84], axis=0)
    sd = (high - low) / (ndtri(0.84) - ndtri(0.16))
    return np.where(enough, middle, np.nan), np.where(enough, sd, np.nan)
