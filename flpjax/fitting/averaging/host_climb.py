"""Damped Gauss-Newton steps (Levenberg–Marquardt) of few fits, on the host: compiling steps takes longer than these."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.climb import STEPS, Covariances, End
from flpjax.fitting.averaging.lanes import values_and_slopes
from flpjax.fitting.averaging.sheet import Sheet, by_run
from flpjax.fitting.averaging.steps import HOPELESS, STIFF, STIFFEST, TOLERANCE
from flpjax.fitting.averaging.whitening import Whitened
from flpjax.laws.law import Law, Space, prior_normal

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
FEWER = 0.75  # share of the fits that still climb, below which the others are put away
TOGETHER = 1024  # fits that climb at once: more leave a processor's cache


class Density(NamedTuple):
    """Minus the log density and its derivatives."""

    value: Floats  # (fit,)
    gradient: Floats  # (fit, p) of the log density
    hessian: Floats  # (fit, p, p)


def climb_few(law: Law, space: Space, sheet: Sheet, output: Indices, covariances: Covariances, theta: Floats) -> End:
    """As :func:`~flpjax.fitting.averaging.climb.climb`, by the same steps."""
    parts = []
    for at in range(0, len(output), TOGETHER):
        some = np.arange(at, min(at + TOGETHER, len(output)))
        parts.append(_climb(law, space, sheet, output[some], covariances(some), theta[some]))
    return End(*(np.concatenate(leaf) for leaf in zip(*parts, strict=True)))


def _climb(law: Law, space: Space, sheet: Sheet, output: Indices, whitened: Whitened, theta: Floats) -> End:
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
            taken = effect[..., None] * by_run(sheet, both * root[..., None])
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
    whole = End(*map(np.array, (theta, value, gradient, hessian, gain, whitened.log_det)))
    which = np.arange(len(theta))
    for _ in range(STEPS):
        diagonal = np.diagonal(hessian, axis1=1, axis2=2)[:, :, None] * eye
        damped = np.nan_to_num(hessian) + damping[:, None, None] * np.nan_to_num(diagonal) + 1e-12 * eye
        step = np.linalg.solve(damped, np.nan_to_num(gradient)[..., None])[..., 0]
        new = at(theta + step)
        better = live & np.isfinite(new.value) & (new.value <= value) & np.isfinite(new.hessian).all(axis=(1, 2))
        gain = np.where(better, value - new.value, np.where(live & (damping > HOPELESS), 0.0, gain))
        theta = np.where(better[:, None], theta + step, theta)
        value = np.where(better, new.value, value)
        gradient = np.where(better[:, None], new.gradient, gradient)
        hessian = np.where(better[:, None, None], new.hessian, hessian)
        damping = np.where(better, damping / 8.0, np.minimum(damping * 8.0, STIFFEST))
        live &= gain >= TOLERANCE
        if live.mean() > FEWER:
            continue
        for leaf, now in zip(whole[:5], (theta, value, gradient, hessian, gain), strict=True):
            leaf[which] = now
        if not live.any():
            return whole
        which, damping = which[live], damping[live]
        root, away, effect = root[live], away[live], effect[live]
        y, output = y[live], output[live]
        theta, value, gradient, hessian, gain = (leaf[live] for leaf in (theta, value, gradient, hessian, gain))
        live = np.ones(len(which), bool)
    for leaf, now in zip(whole[:5], (theta, value, gradient, hessian, gain), strict=True):
        leaf[which] = now
    return whole
