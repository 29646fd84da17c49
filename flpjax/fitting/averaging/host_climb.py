"""Damped Gauss-Newton steps (Levenberg–Marquardt) of few fits, on the host: compiling steps takes longer than these."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.climb import STEPS, Asked
from flpjax.fitting.averaging.lanes import LANES, countable, values_and_slopes
from flpjax.fitting.averaging.prospects import Standing, promised
from flpjax.fitting.averaging.rivals import LOOK, Rivals
from flpjax.fitting.averaging.secant import learned, times
from flpjax.fitting.averaging.sheet import Sheet, by_run
from flpjax.fitting.averaging.steps import HOPELESS, SOFTER, STIFF, STIFFER, STIFFEST, TOLERANCE
from flpjax.fitting.averaging.whitening import Covariances
from flpjax.laws.law import Law, Space, prior_normal

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
FEWER = 0.75  # share of the fits that still climb, below which the others are put away, and others begin
TOGETHER = 1024  # fits that climb at once, at most: more leave a processor's cache
NUMBERS = 1 << 22  # derivatives of all of them: larger arrays are asked of the system, and filled, anew each time


class Density(NamedTuple):
    """Minus the log density and its derivatives."""

    value: Floats  # (fit,)
    gradient: Floats  # (fit, p) of the log density
    hessian: Floats  # (fit, p, p)


class _Fitted(NamedTuple):
    """What is fitted, and to what."""

    law: Law
    space: Space
    sheet: Sheet
    loc: Floats  # (p,) of the prior
    precision: Floats  # (p,) of the prior


class _Climbers(NamedTuple):
    """The fits that climb together, and where each stands."""

    fit: Indices  # (lane,) which it is
    output: Indices  # (lane,) whose rows
    y: Floats  # (lane, row)
    root: Floats  # (lane, row) of the inverse variance of a row by itself; 0 unseen
    away: Floats  # (lane, cell, row) what integrated weights take away
    effect: Floats  # (lane, run) what integrated effects of runs do
    theta: Floats  # (lane, p)
    value: Floats  # (lane,) minus the log density but for constants
    gradient: Floats  # (lane, p) of the log density
    hessian: Floats  # (lane, p, p) of minus the log density
    gain: Floats  # (lane,) that a full step promises
    damping: Floats  # (lane,)
    stiffer: Floats  # (lane,) factor on it, should the next step not be taken
    bend: Floats  # (lane, p, p) what the Hessian lacks
    bends: NDArray[np.bool_]  # (lane,) whether the last step went rather as the Hessian with it had said
    steps: Indices  # (lane,) tried so far

    @property
    def climbs(self) -> NDArray[np.bool_]:
        """``(lane,)`` whether a fit has not ended."""
        return np.asarray((self.gain >= TOLERANCE) & (self.steps < STEPS))


def climb_few(
    law: Law,
    space: Space,
    sheet: Sheet,
    output: Indices,
    covariances: Asked,
    stand: Standing,
    which: Indices,
    rivals: Rivals,
) -> Standing:
    """As :func:`~flpjax.fitting.averaging.climb.climb`."""
    loc, scale = prior_normal(law)
    fitted = _Fitted(law, space, sheet, loc, 1.0 / scale**2)
    end = Standing(*(leaf.copy() for leaf in stand))
    together = max(min(TOGETHER, NUMBERS // (sheet.y.shape[1] * len(loc))) // LANES * LANES, LANES)

    def begun(fit: Indices) -> _Climbers:
        return _begun(fit, output[fit], fitted.sheet.y[output[fit]], covariances(fit), stand)

    climbers, which = begun(which[:together]), which[together:]
    for round_ in itertools.count():
        if round_ % LOOK == 0:
            lost = rivals.lost(climbers.fit, climbers.value, climbers.hessian, climbers.gain)
            climbers = climbers._replace(steps=np.where(lost, STEPS, climbers.steps))
        going = int(climbers.climbs.sum())
        if going <= FEWER * len(climbers.fit):
            climbers = _put_away(climbers, end)
            more = together - going
            if len(which):
                climbers, which = _together(climbers, begun(which[:more])), which[more:]
            elif not going:
                break
        climbers = _stepped(fitted, climbers)
    return end


def _put_away(climbers: _Climbers, end: Standing) -> _Climbers:
    """Write down where fits ended, and keep the others."""
    over = ~climbers.climbs
    ends = climbers.theta, climbers.value, climbers.gradient, climbers.hessian, climbers.gain
    for whole, leaf in zip(end, ends, strict=True):
        whole[climbers.fit[over]] = leaf[over]
    leaves: list[Any] = [leaf[~over] for leaf in climbers]
    return _Climbers(*leaves)


def _together(some: _Climbers, others: _Climbers) -> _Climbers:
    leaves: list[Any] = [np.concatenate(each) for each in zip(some, others, strict=True)]
    return _Climbers(*leaves)


def _begun(fit: Indices, output: Indices, y: Floats, known: Covariances, stand: Standing) -> _Climbers:
    """Fits before their first step."""
    problem = fit, output, y, known.root, known.away, known.effect
    own = Standing(*(leaf[fit] for leaf in stand))
    none = np.zeros(len(fit), np.intp)
    damping = np.full(len(fit), STIFF), np.full(len(fit), STIFFER)
    return _Climbers(*problem, *own, *damping, np.zeros_like(own.hessian), none > 0, none)


def _density(fitted: _Fitted, of: _Climbers, theta: Floats) -> Density:
    """At other parameters ``(lane, p)``."""
    law, space, sheet, loc, precision = fitted
    value, slope = values_and_slopes(law, space, theta, sheet.x, of.output)
    residual = np.where(of.root > 0, of.y - value, 0.0)
    both = np.empty((*residual.shape, len(loc) + 1))
    with np.errstate(invalid="ignore"):  # an infinite slope of a row that does not count
        np.multiply(slope, of.root[..., None], out=both[..., :-1])
    np.multiply(residual, of.root, out=both[..., -1])
    sound = countable(both)
    if not sound.all():
        both = np.where(of.root[..., None] > 0, both, 0.0)
        sound = countable(both)
        both = np.where(sound[:, None, None], both, 0.0)
    gram = np.swapaxes(both, 1, 2) @ both
    if of.away.shape[1]:
        taken = of.away @ both
        gram -= np.swapaxes(taken, 1, 2) @ taken
    if of.effect.shape[1]:
        taken = of.effect[..., None] * by_run(sheet, both * of.root[..., None])
        gram -= np.swapaxes(taken, 1, 2) @ taken
    deviation = theta - loc
    density = 0.5 * gram[:, -1, -1] + 0.5 * (deviation**2 * precision).sum(axis=1)
    hessian = gram[:, :-1, :-1] + np.diag(precision)
    return Density(np.where(sound, density, np.inf), gram[:, :-1, -1] - deviation * precision, hessian)


def _stepped(fitted: _Fitted, now: _Climbers) -> _Climbers:
    """One step of each that has not ended."""
    live, damping = now.climbs, now.damping
    gradient, hessian = now.gradient, now.hessian
    if not (np.isfinite(hessian).all() and np.isfinite(gradient).all()):
        gradient, hessian = np.nan_to_num(gradient), np.nan_to_num(hessian)
    each = np.arange(hessian.shape[1])
    stiff = damping[:, None] * hessian[:, each, each]
    damped = hessian + now.bends[:, None, None] * now.bend
    damped[:, each, each] += stiff + 1e-12
    move = np.asarray(np.linalg.solve(damped, gradient[..., None])[..., 0], np.float64)
    new = _density(fitted, now, now.theta + move)
    better = live & np.isfinite(new.value) & (new.value <= now.value) & np.isfinite(new.hessian).all(axis=(1, 2))
    gained = np.zeros(len(live))
    gained[better] = now.value[better] - new.value[better]
    gain = np.where(live & (damping > HOPELESS), 0.0, now.gain)
    gain[better] = promised(new.gradient[better], new.hessian[better])
    plain = (move * (gradient - 0.5 * times(hessian, move))).sum(axis=1)
    bent = plain - 0.5 * (move * times(now.bend, move)).sum(axis=1)
    said = np.where(now.bends, bent, plain)
    # Nielsen (1999): as soft as the step went as it was said to, and no jumps, after which every other step fails.
    fulfilled = np.divide(gained, said, out=np.zeros(len(live)), where=(said > 0) & np.isfinite(gained))
    softer = np.clip(1.0 - (2.0 * fulfilled - 1.0) ** 3, SOFTER, STIFFER)
    return now._replace(
        theta=np.where(better[:, None], now.theta + move, now.theta),
        value=np.where(better, new.value, now.value),
        gradient=np.where(better[:, None], new.gradient, now.gradient),
        hessian=np.where(better[:, None, None], new.hessian, now.hessian),
        gain=gain,
        damping=np.minimum(damping * np.where(better, softer, now.stiffer), STIFFEST),
        stiffer=np.where(better, STIFFER, 2.0 * now.stiffer),
        bend=learned(now.bend, better, move, gradient - new.gradient, new.hessian),
        bends=better & (np.abs(bent - gained) < np.abs(plain - gained)),
        steps=now.steps + 1,
    )
