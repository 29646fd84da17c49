"""A law with its discrepancy, fitted at every point of a grid of hyperparameters, with the evidence for each.

Of one output, residuals are normal: ``y = law(θ) + B·(a·ξ) + Z·(s·u) + noise``, with weights ξ of the discrepancy and
effects u of runs that are standard normal. They are integrated out; θ has Laplace's approximation (Rasmussen &
Williams 2006, §5.4; Tierney & Kadane 1986). Outputs of a law, and origins, each of which sees some of the rows, are one
batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.elimination import UNROLLED
from flpjax.fitting.averaging.climb import climb
from flpjax.fitting.averaging.host_climb import climb_few
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import guesses
from flpjax.fitting.averaging.prospects import Standing, prospects
from flpjax.fitting.averaging.rivals import Rivals
from flpjax.fitting.averaging.sheet import Rows, Sheet, stacked
from flpjax.fitting.averaging.steps import TOLERANCE
from flpjax.fitting.averaging.whitening import Covariances, covariances
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Space, prior_normal, size

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
MANY = 10_000  # fits, from which on it pays to compile a program that takes whole steps; which takes about 2 s
ENOUGH = 1e-3  # of the log density: a climb has converged where a full step promises less
BATCH = 512  # outputs that are fitted at a time: what memory holds of their rows


class Fits(NamedTuple):
    """Of one law to one output; of several, each leaf has a leading axis ``output``."""

    theta: Floats  # (origin, point, p) most probable
    value: Floats  # (origin, point) of minus the log density there, but for constants
    hessian: Floats  # (origin, point, p, p) of minus the log density there
    log_evidence: Floats  # (origin, point), the hyperprior included
    converged: NDArray[np.bool_]  # (origin, point)
    gradient: Floats  # (origin, point) its norm, in units of the prior


def fit_rows(law: Law, space: Space, rows: Rows, grid: Grid, shift: float = 0.0) -> Fits:
    """As :func:`fit_outputs`, of one output."""
    return Fits(*(leaf[0] for leaf in fit_outputs(law, space, [rows], grid, shift)))


def fit_outputs(law: Law, space: Space, each: Sequence[Rows], grid: Grid, shift: float = 0.0) -> Fits:
    """Fit a law to several outputs, at all origins and points of the grid.

    Args:
        law: With or without a discrepancy; what its weights stand for is integrated out.
        space: Of the residuals.
        each: What it is fitted to, by output; all with the same origins.
        grid: Hyperparameters.
        shift: Added to every log evidence: the law's own prior.

    Returns:
        Leaves ``(output, …)``.
    """
    inner = law.law if isinstance(law, Discrepancy) else law
    many = len(each) * len(each[0].seen) * len(grid.noise) >= MANY and size(inner) <= UNROLLED
    parts = [
        _fit_batch(law, space, stacked(law, each[at : at + BATCH]), grid, shift, many)
        for at in range(0, len(each), BATCH)
    ]
    return Fits(*(np.concatenate(leaf) for leaf in zip(*parts, strict=True)))


def _fit_batch(law: Law, space: Space, sheet: Sheet, grid: Grid, shift: float, many: bool) -> Fits:
    inner = law.law if isinstance(law, Discrepancy) else law
    loc, scale = prior_normal(inner)
    (outputs, origins), points = sheet.seen.shape[:2], len(grid.noise)
    begin = _starts(inner, space, sheet, loc, scale)  # (output, origin, start, p)
    starts = begin.shape[2]

    def climbed(own: Indices, grid: Grid, theta: Floats) -> tuple[Standing, Floats]:
        """From starts ``(lane, p)`` of ``output · origin``, at all points of a grid; with their log determinants."""
        output, origin = np.divmod(own, origins)
        stand, log_det = prospects(inner, space, sheet, grid, output, origin, theta)
        point, lane = np.tile(np.arange(len(grid.noise)), len(own)), np.arange(len(own)).repeat(len(grid.noise))

        def asked(fit: Indices) -> Covariances:
            return covariances(sheet, output[lane[fit]], origin[lane[fit]], grid, point[fit])

        rivals = Rivals(own[lane], grid.log_prior[point] - 0.5 * log_det)
        lost = rivals.lost(np.arange(len(lane)), stand.value, stand.hessian, stand.gain)
        which = np.flatnonzero(~lost & (stand.gain >= TOLERANCE))
        return (climb if many else climb_few)(inner, space, sheet, output[lane], asked, stand, which, rivals), log_det

    middle = int(np.argmax(grid.log_prior))
    own = np.arange(outputs * origins)
    tried, _ = climbed(own.repeat(starts), Grid(*(leaf[middle, None] for leaf in grid)), begin.reshape(-1, len(loc)))
    best = tried.value.reshape(-1, starts).argmin(axis=1)
    end, log_det = climbed(own, grid, tried.theta.reshape(len(own), starts, -1)[own, best])
    log_prior = np.tile(grid.log_prior, len(own))
    count = sheet.seen.sum(axis=2).ravel().repeat(points)
    evidence = end.gain - end.value - 0.5 * (log_det + count * np.log(2.0 * np.pi))
    with np.errstate(invalid="ignore"):  # of fits that never had a finite value
        evidence -= 0.5 * np.linalg.slogdet(end.hessian)[1] + np.log(scale).sum()
    evidence = np.where(np.isfinite(evidence), evidence, -np.inf) + log_prior + shift
    length = np.linalg.norm(end.gradient * scale, axis=1)
    converged = (end.gain < ENOUGH) & np.isfinite(end.value)
    fits = Fits(end.theta, end.value, end.hessian, evidence, converged, length)
    shaped: list[Any] = [leaf.reshape(outputs, origins, points, *leaf.shape[1:]) for leaf in fits]
    return Fits(*shaped)


def _starts(law: Law, space: Space, sheet: Sheet, loc: Floats, scale: Floats) -> Floats:
    """``(output, origin, start, p)``: the law's own guess from the rows seen, its prior at the level seen, between."""
    y = np.exp(sheet.y) if space == "log" else sheet.y
    guess = guesses(law, sheet.x, y, sheet.seen)
    guess = np.where(np.isfinite(guess), np.clip(guess, loc - 4.0 * scale, loc + 4.0 * scale), loc)
    usual = np.broadcast_to(loc, guess.shape).copy()
    usual[..., 0] = guess[..., 0]
    return np.stack([guess, usual, 0.5 * (guess + usual)], axis=2)


def points_by_evidence(log_evidence: Floats, taken: NDArray[np.bool_], rng: np.random.Generator) -> Indices:
    """``(draw, output)`` points of the grid, as often as the evidence ``(output, point)`` has them."""
    order = np.where(taken, rng.random(taken.shape), 1.0).argsort(axis=0, kind="stable")  # those taken come first
    level = np.empty(taken.shape)
    even = (np.arange(len(taken))[:, None] + 0.5) / np.maximum(taken.sum(axis=0), 1)
    np.put_along_axis(level, order, even, axis=0)
    return _points_at(log_evidence, np.where(taken, level, 0.5).T).T


def points_in_order(log_evidence: Floats, count: int) -> Indices:
    """``(output, draw)`` so many points of the grid, ascending, as often as the evidence has them."""
    level = (np.arange(count) + 0.5) / count
    return _points_at(log_evidence, np.broadcast_to(level, (len(log_evidence), count)))


def _points_at(log_evidence: Floats, level: Floats) -> Indices:
    """``(output, draw)`` where the evidence ``(output, point)``, summed, comes to levels ``(output, draw)``."""
    top = log_evidence.max(axis=1, keepdims=True)
    weight = np.exp(log_evidence - np.where(np.isfinite(top), top, 0.0))
    upper = np.cumsum(weight, axis=1) / np.maximum(weight.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    point = np.zeros(level.shape, np.intp)
    for bound in upper[:, :-1].T:
        point += level > bound[:, None]
    return point
