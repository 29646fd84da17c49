"""Draws of laws' parameters, of the weights of their discrepancies, and of the noise, from fits on a grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.evidence import Fits, points_by_evidence
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import MANY
from flpjax.fitting.averaging.residuals import residuals, times_matrices
from flpjax.fitting.averaging.reweighing import by_importance, proposals_for
from flpjax.fitting.averaging.sheet import Rows, Sheet, stacked
from flpjax.fitting.even import covariance_roots
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Space

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
MOST = 1 << 16  # draws of outputs that are made at a time


class Sample(NamedTuple):
    """Draws of the laws of several outputs."""

    vectors: Floats  # (draw, output, p) unconstrained, as the law has them
    noise: Floats  # (draw, output) s.d. of what one run measures about it


def sample_outputs(
    law: Law,
    space: Space,
    each: Sequence[Rows],
    grid: Grid,
    fits: Fits,
    origin: int,
    taken: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Sample:
    """Draw from the posteriors of several outputs at one origin.

    Args:
        law: That was fitted.
        space: Of the residuals.
        each: What it was fitted to, by output.
        grid: Its hyperparameters.
        fits: How, leaves ``(output, …)``.
        origin: Which.
        taken: ``(draw, output)`` which draws there must be; each output's own fill its grid evenly. The others have
            parameters, and no departure.
        rng: For all of it.
    """
    per_call = max(MOST // max(len(taken), proposals_for(taken.sum(axis=0))), 1)
    parts = [slice(at, at + per_call) for at in range(0, len(each), per_call)]
    many = taken.size >= MANY

    def some(part: slice, rng: np.random.Generator) -> Sample:
        leaves: list[Any] = [leaf[part] for leaf in fits]
        own = Fits(*leaves)
        sheet = stacked(law, each[part])
        return _sampled(law, space, sheet, each[part], grid, own, origin, taken[:, part], rng, many)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        drawn = list(pool.map(some, parts, rng.spawn(len(parts))))
    return Sample(*(np.concatenate(leaf, axis=1) for leaf in zip(*drawn, strict=True)))


def _sampled(
    law: Law,
    space: Space,
    sheet: Sheet,
    each: Sequence[Rows],
    grid: Grid,
    fits: Fits,
    origin: int,
    taken: NDArray[np.bool_],
    rng: np.random.Generator,
    many: bool,
) -> Sample:
    everyone = np.arange(len(each))[None]
    point = points_by_evidence(fits.log_evidence[:, origin], taken, rng)
    root = covariance_roots(fits.hessian[:, origin])
    theta = fits.theta[everyone, origin, point]
    theta = theta + np.einsum("dopq,doq->dop", root[everyone, point], rng.standard_normal(theta.shape))
    measured = np.array([r.measured for r in each])
    noise = np.sqrt(grid.noise[point] ** 2 + measured**2)
    if not isinstance(law, Discrepancy):
        return Sample(theta, noise)
    output, draw = np.nonzero(taken.T)
    if space == "linear" and len(output):
        own_theta, own_point = by_importance(law.law, sheet, grid, fits, origin, output, rng, many)
        theta[draw, output], point[draw, output] = own_theta, own_point
        noise = np.sqrt(grid.noise[point] ** 2 + measured**2)
    curvature = np.zeros((*taken.shape, law.cells))
    own = rng.standard_normal((len(output), law.cells))
    if len(output):
        at, normal = (point[draw, output], theta[draw, output]), own[:, sheet.cells]
        own[:, sheet.cells] = _curvature(law.law, space, sheet, grid, origin, output, *at, normal, many)
    curvature[draw, output] = own
    return Sample(np.concatenate([theta, np.log(grid.amplitude)[point][..., None], curvature], axis=2), noise)


def _curvature(
    law: Law,
    space: Space,
    sheet: Sheet,
    grid: Grid,
    origin: int,
    output: Indices,
    point: Indices,
    theta: Floats,
    normal: Floats,
    many: bool,
) -> Floats:
    """Weights of a discrepancy's cells ``(lane, cell)`` given the law's parameters.

    Args:
        law: Without its discrepancy.
        space: Of the residuals.
        sheet: The rows.
        grid: Of hyperparameters.
        origin: Which.
        output: ``(lane,)``, ascending.
        point: ``(lane,)`` of the grid.
        theta: ``(lane, p)``.
        normal: ``(lane, cell)`` standard normal.
        many: Whether this is one of many calls.
    """
    found = residuals(law, space, sheet, grid, origin, output, point, theta, many)
    return found.mean + times_matrices(normal, found.unroot, found.pair)
