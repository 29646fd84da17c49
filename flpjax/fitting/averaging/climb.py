"""Damped Gauss-Newton steps (Levenberg–Marquardt) of many fits at once, on the host; those that ended are put away."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.lanes import values_and_slopes
from flpjax.fitting.averaging.sheet import Sheet, by_run
from flpjax.fitting.averaging.whitening import Whitened
from flpjax.laws.law import Law, Space, prior_normal

Floats = NDArray[np.float64]
STEPS = 100  # a few fits creep along a direction that data hardly tell; the others have long ended
TOLERANCE, ENOUGH = 1e-4, 1e-3  # of the log density: gains at which a climb ends, and at which it has converged
FEWER = 0.75  # share of the fits that still climb, below which the others are put away
STIFF, STIFFEST = 1e-2, 1e8


class End(NamedTuple):
    """Where climbs ended."""

    theta: Floats  # (fit, p)
    value: Floats  # (fit,) minus the log density but for constants
    gradient: Floats  # (fit, p)
    hessian: Floats  # (fit, p, p)
    gain: Floats  # (fit,) of the last step that would have been taken


class Density(NamedTuple):
    """Minus the log density and its derivatives."""

    value: Floats  # (fit,)
    gradient: Floats  # (fit, p) of the log density
    hessian: Floats  # (fit, p, p)


def climb(
    law: Law,
    space: Space,
    sheet: Sheet,
    output: NDArray[np.intp],
    whitened: Whitened,
    theta: Floats,
    company: NDArray[np.intp],
) -> End:
    """Find the most probable parameters of each fit.

    Args:
        law: The formula, without its discrepancy.
        space: Of the residuals.
        sheet: The rows of all outputs.
        output: ``(fit,)`` whose rows.
        whitened: Their covariances, leaves ``(fit, …)``.
        theta: ``(fit, p)`` where to begin.
        company: ``(fit,)`` a number; fits of one number step on together until :data:`FEWER` of them climb, so that
            what a fit ends with does not depend on other outputs.
    """
    loc, scale = prior_normal(law)
    prior = 1.0 / scale**2
    root = np.sqrt(whitened.inverse)
    away, effect, y = whitened.away, whitened.effect, sheet.y[output]

    def at(theta: Floats) -> Density:
        value, slope = values_and_slopes(law, space, theta, sheet.x, output)
        residual = np.where(root > 0, y - value, 0.0)
        both = np.concatenate([slope, residual[..., None]], axis=2) * root[..., None]
        sound = np.isfinite(both).all(axis=(1, 2))
        if not sound.all():
            both = np.where(sound[:, None, None], both, 0.0)
        gram = np.swapaxes(both, 1, 2) @ both
        if away.shape[1]:
            taken = away @ both
            gram -= np.swapaxes(taken, 1, 2) @ taken
        if effect.shape[1]:
            taken = effect[..., None] * by_run(sheet, output, both * root[..., None])
            gram -= np.swapaxes(taken, 1, 2) @ taken
        deviation = theta - loc
        density = 0.5 * gram[:, -1, -1] + 0.5 * (deviation**2 * prior).sum(axis=1)
        hessian = gram[:, :-1, :-1] + np.diag(prior)
        return Density(np.where(sound, density, np.inf), gram[:, :-1, -1] - deviation * prior, hessian)

    value, gradient, hessian = at(theta)
    value = np.where(np.isfinite(value), value, np.inf)
    damping = np.full(len(theta), STIFF)
    gain = np.full(len(theta), np.inf)
    live = np.ones(len(theta), bool)
    eye = np.eye(theta.shape[1])
    whole = End(*(np.array(leaf) for leaf in (theta, value, gradient, hessian, gain)))
    which = np.arange(len(theta))
    for _ in range(STEPS):
        diagonal = np.diagonal(hessian, axis1=1, axis2=2)[:, :, None] * eye
        damped = np.nan_to_num(hessian) + damping[:, None, None] * np.nan_to_num(diagonal) + 1e-12 * eye
        step = np.linalg.solve(damped, np.nan_to_num(gradient)[..., None])[..., 0]
        new = at(theta + step)
        better = live & np.isfinite(new.value) & (new.value <= value) & np.isfinite(new.hessian).all(axis=(1, 2))
        gain = np.where(better, value - new.value, np.where(live & (damping > 1e4), 0.0, gain))
        theta = np.where(better[:, None], theta + step, theta)
        value = np.where(better, new.value, value)
        gradient = np.where(better[:, None], new.gradient, gradient)
        hessian = np.where(better[:, None, None], new.hessian, hessian)
        damping = np.where(better, damping / 8.0, np.minimum(damping * 8.0, STIFFEST))
        climbs = live & (gain >= TOLERANCE)
        left = np.bincount(company, live)
        few = np.bincount(company, climbs) <= FEWER * left
        live = np.where(few[company], climbs, live)
        if live.mean() > FEWER:
            continue
        for leaf, now in zip(whole, (theta, value, gradient, hessian, gain), strict=True):
            leaf[which] = now
        if not live.any():
            return whole
        which, damping, company = which[live], damping[live], company[live]
        root, away, effect = root[live], away[live], effect[live]
        y, output = y[live], output[live]
        theta, value, gradient, hessian, gain = (leaf[live] for leaf in (theta, value, gradient, hessian, gain))
        live = np.ones(len(which), bool)
    for leaf, now in zip(whole, (theta, value, gradient, hessian, gain), strict=True):
        leaf[which] = now
    return whole
