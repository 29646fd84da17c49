"""Hoffmann et al.'s approach 2: the lowest point of a polynomial through each budget's runs, and a line through these.

A valley that is lopsided, as that of every law of two power terms is, has its lowest point elsewhere than a parabola
through its sides has, by an amount that depends on where the runs lie (arXiv 2603.22339). What the same polynomial does
to the fitted law's own valley, on the same runs, shows that amount.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.results.allocation.isoflop import Budgets, sizes_of

FEWEST = 2  # budgets for a line
BEYOND = 0.5  # of a budget's range of log N: a lowest point farther out is extrapolated, and does not count
CUBIC = 10.0
"""By which a cubic's BIC must be lower: very strong evidence (Kass & Raftery 1995). Its lowest point scatters more."""
MOST_LEVERAGE = 0.9  # of a run on its polynomial: beyond, a residual says nothing of its error

Floats = NDArray[np.float64]


class Lowest(NamedTuple):
    """The lowest points of polynomials."""

    log_params: Floats  # (draw, group) NaN where a polynomial has none near its runs
    weight: Floats  # (group,) inverse variances of the first draw's, up to a factor


def degree_of(budgets: Budgets, log_loss: Floats) -> tuple[int, float]:
    """2, or 3 where evidence for cubics is very strong; and BIC of the parabolas less that of the cubics.

    Args:
        budgets: The groups.
        log_loss: ``(point,)``.
    """
    squares, rows, groups = np.zeros(2), 0, 0
    for g in range(len(budgets)):
        mine = budgets.group == g
        u = budgets.points.log_params[mine] - budgets.points.log_params[mine].mean()
        if len(np.unique(u.round(2))) < 5:  # a cubic would pass through
            continue
        for i, degree in enumerate((2, 3)):
            hat = _hat(u, degree)
            squares[i] += float(((log_loss[mine] - hat @ log_loss[mine]) ** 2).sum())
        rows, groups = rows + int(mine.sum()), groups + 1
    if not groups or squares.min() <= 0:
        return 2, 0.0
    evidence = float(rows * np.log(squares[0] / squares[1]) - groups * np.log(rows))
    return (3 if evidence > CUBIC else 2), evidence


def resampled(budgets: Budgets, log_loss: Floats, degree: int, draws: int, rng: np.random.Generator) -> Floats:
    """Log losses ``(1 + draw, point)``: as they are, and each run's residual times a standard normal number.

    The wild bootstrap (Wu 1986; Davison & Hinkley 1997, §6.2.3), with residuals divided by one less their leverage:
    budgets keep all of their few runs, so that no resample is without a lowest point for lack of sizes.
    """
    found = np.tile(log_loss, (draws + 1, 1))
    for g in range(len(budgets)):
        mine = np.flatnonzero(budgets.group == g)
        u = budgets.points.log_params[mine]
        hat = _hat(u - u.mean(), degree)
        fitted = hat @ log_loss[mine]
        unexplained = 1.0 - np.minimum(np.diag(hat), MOST_LEVERAGE)
        found[1:, mine] = fitted + (log_loss[mine] - fitted) / unexplained * rng.standard_normal((draws, len(mine)))
    return found


def lowest_points(budgets: Budgets, log_loss: Floats, degree: int = 2) -> Lowest:
    """The lowest points of polynomials in log N of log losses ``(draw, point)``, budget by budget."""
    at = np.full((len(log_loss), len(budgets)), np.nan)
    weight = np.zeros(len(budgets))
    for g in range(len(budgets)):
        mine = budgets.group == g
        if sizes_of(budgets.points.log_params[mine]) > degree + 1:  # else it passes through, whatever they are
            at[:, g], weight[g] = _vertices(budgets.points.log_params[mine], log_loss[:, mine], degree)
    return Lowest(at, weight)


def line_through(log_flops: Floats, lowest: Lowest, at: Floats) -> Floats:
    """Log N ``(1 + draw, budget)`` at log C ``at`` of lines through the points; NaN of draws with fewer than two.

    Where the first draw's points scatter about their line by more than their own errors, draws spread by as much more
    about the first one's line (Birge 1932).
    """
    known = np.isfinite(lowest.log_params) & (lowest.weight > 0)
    w = np.where(known, lowest.weight, 0.0)
    y = np.where(known, lowest.log_params, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = w.sum(axis=1)
        mean_x, mean_y = (w * log_flops).sum(axis=1) / total, (w * y).sum(axis=1) / total
        away = log_flops[None, :] - mean_x[:, None]
        slope = (w * away * (y - mean_y[:, None])).sum(axis=1) / (w * away**2).sum(axis=1)
        slope = np.where(known.sum(axis=1) >= FEWEST, slope, np.nan)
        lines = mean_y[:, None] + slope[:, None] * (at[None, :] - mean_x[:, None])
        residual = y[0] - (mean_y[0] + slope[0] * away[0])
    return np.asarray(lines[:1] + _birge(residual[known[0]], lowest.log_params[1:, known[0]]) * (lines - lines[:1]))


def _birge(residual: Floats, drawn: Floats) -> float:
    """How much more points are off their line than draws of them scatter; 1 at least."""
    free = len(residual) - 2
    enough = np.isfinite(drawn).mean(axis=0) > 0.5
    if free < 1 or not enough.all() or not len(drawn):
        return 1.0
    low, high = np.nanquantile(drawn, [0.16, 0.84], axis=0)
    own = np.maximum(0.5 * (high - low), 1e-9)
    return float(max(np.sqrt(((residual / own) ** 2).sum() / free), 1.0))


def _hat(u: Floats, degree: int) -> Floats:
    """``(point, point)`` what takes values to those of the fitted polynomial."""
    powers = u[:, None] ** np.arange(degree + 1)
    return np.asarray(powers @ np.linalg.pinv(powers))


def _vertices(log_params: Floats, log_loss: Floats, degree: int) -> tuple[Floats, float]:
    """Of one group: lowest points ``(draw,)``, and the first one's inverse variance for losses of variance 1."""
    centre = log_params.mean()
    u = log_params - centre
    powers = u[:, None] ** np.arange(degree + 1)
    found = log_loss @ np.linalg.pinv(powers).T
    slope, bend = found[:, 1], found[:, 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        if degree == 2:
            at, curvature = -slope / (2.0 * bend), 2.0 * bend
        else:  # of both roots of the derivative that at which the curve bends upwards
            root = np.sqrt(bend**2 - 3.0 * found[:, 3] * slope)
            at, curvature = -slope / (bend + root), 2.0 * root
        margin = BEYOND * np.ptp(u)
        near = (at >= u.min() - margin) & (at <= u.max() + margin) & (curvature > 0)
    if not near[0]:
        return np.where(near, centre + at, np.nan), 0.0
    each = np.array([k * at[0] ** max(k - 1, 0) for k in range(degree + 1)])  # derivative there, by coefficient
    variance = each @ np.linalg.pinv(powers.T @ powers) @ each / curvature[0] ** 2
    return np.where(near, centre + at, np.nan), float(1.0 / max(variance, 1e-300))
