"""A law with its discrepancy, fitted at every point of a grid of hyperparameters, with the evidence for each.

Of one output, residuals are normal: ``y = law(θ) + B·(a·ξ) + Z·(s·u) + noise``, with weights ξ of the discrepancy and
effects u of runs that are standard normal. They are integrated out; θ has Laplace's approximation (Rasmussen &
Williams 2006, §5.4; Tierney & Kadane 1986). Outputs of a law, and origins, each of which sees some of the rows, are one
batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.climb import ENOUGH, climb
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import guesses
from flpjax.fitting.averaging.sheet import Rows, Sheet, stacked
from flpjax.fitting.averaging.whitening import Whitened, whiten
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Space, prior_normal

Floats = NDArray[np.float64]
TOGETHER = 512  # fits of one output whose climbs end together
BATCH = 1024  # fits that climb at once: more leave a processor's cache


class Fits(NamedTuple):
    """Of one law to one output."""

    theta: Floats  # (origin, point, p) most probable
    hessian: Floats  # (origin, point, p, p) of minus the log density there
    log_evidence: Floats  # (origin, point), the hyperprior included
    converged: NDArray[np.bool_]  # (origin, point)
    gradient: Floats  # (origin, point) its norm, in units of the prior


def fit_rows(law: Law, space: Space, rows: Rows, grid: Grid, shift: float = 0.0) -> Fits:
    """As :func:`fit_outputs`, of one output."""
    return fit_outputs(law, space, [rows], grid, shift)[0]


def fit_outputs(law: Law, space: Space, each: Sequence[Rows], grid: Grid, shift: float = 0.0) -> tuple[Fits, ...]:
    """Fit a law to several outputs, at all origins and points of the grid.

    Args:
        law: With or without a discrepancy; what its weights stand for is integrated out.
        space: Of the residuals.
        each: What it is fitted to, by output; all with the same origins.
        grid: Hyperparameters.
        shift: Added to every log evidence: the law's own prior.
    """
    per_output = len(each[0].seen) * len(grid.noise)
    size = max(BATCH // per_output, 1)
    found: list[Fits] = []
    for at in range(0, len(each), size):
        found += _fit_batch(law, space, stacked(law, each[at : at + size]), grid, shift)
    return tuple(found)


def _fit_batch(law: Law, space: Space, sheet: Sheet, grid: Grid, shift: float) -> list[Fits]:
    inner = law.law if isinstance(law, Discrepancy) else law
    loc, scale = prior_normal(inner)
    (outputs, origins), points = sheet.seen.shape[:2], len(grid.noise)
    begun = _starts(inner, space, sheet, loc, scale)  # (start, output, origin, p)
    output, origin = (v.ravel() for v in np.meshgrid(np.arange(outputs), np.arange(origins), indexing="ij"))
    middle = np.full(len(output), int(np.argmax(grid.log_prior)), np.intp)
    again = np.tile(np.arange(len(output)), len(begun))
    whitened = _whiten(sheet, output, origin, grid, middle)
    whitened = Whitened(*(leaf[again] for leaf in whitened))
    tried = climb(inner, space, sheet, output[again], whitened, begun.reshape(len(again), -1), output[again])
    value = np.where(np.isfinite(tried.value), tried.value, np.inf).reshape(len(begun), -1)
    best = value.argmin(axis=0)
    first = tried.theta.reshape(len(begun), len(output), -1)[best, np.arange(len(output))]

    fit = np.repeat(np.arange(len(output)), points)
    output, origin, point = output[fit], origin[fit], np.tile(np.arange(points), outputs * origins)
    blocks = -(-origins // max(TOGETHER // points, 1))
    company = output * blocks + origin // max(TOGETHER // points, 1)
    whitened = _whiten(sheet, output, origin, grid, point)
    end = climb(inner, space, sheet, output, whitened, first[fit], company)
    count = sheet.seen.sum(axis=2)[output, origin]
    evidence = -end.value - 0.5 * (whitened.log_det + count * np.log(2.0 * np.pi))
    evidence -= 0.5 * np.linalg.slogdet(end.hessian)[1] + np.log(scale).sum()
    evidence = np.where(np.isfinite(evidence), evidence, -np.inf) + grid.log_prior[point] + shift
    fits = Fits(end.theta, end.hessian, evidence, end.gain < ENOUGH, np.linalg.norm(end.gradient * scale, axis=1))
    shaped = [leaf.reshape(outputs, origins, points, *leaf.shape[1:]) for leaf in fits]
    return [Fits(*(leaf[o] for leaf in shaped)) for o in range(outputs)]


def _whiten(
    sheet: Sheet, output: NDArray[np.intp], origin: NDArray[np.intp], grid: Grid, point: NDArray[np.intp]
) -> Whitened:
    """Of outputs with the same rows, once."""
    alike = sheet.alike[output]
    if (alike == output).all():
        return whiten(sheet, output, origin, grid, point)
    own = np.stack([alike, origin, point], axis=1)
    different, index = np.unique(own, axis=0, return_inverse=True)
    once = whiten(sheet, different[:, 0], different[:, 1], grid, different[:, 2])
    return Whitened(*(leaf[index.ravel()] for leaf in once))


def _starts(law: Law, space: Space, sheet: Sheet, loc: Floats, scale: Floats) -> Floats:
    """``(start, output, origin, p)``: the law's own guess from the rows seen, its prior at the level seen, between."""
    y = np.exp(sheet.y) if space == "log" else sheet.y
    guess = guesses(law, sheet.x, y, sheet.seen)
    guess = np.where(np.isfinite(guess), np.clip(guess, loc - 4.0 * scale, loc + 4.0 * scale), loc)
    usual = np.broadcast_to(loc, guess.shape).copy()
    usual[..., 0] = guess[..., 0]
    return np.stack([guess, usual, 0.5 * (guess + usual)])
