"""Draws of a law's parameters, of the weights of its discrepancy, and of the noise, from fits on a grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flpjax.fitting.averaging.evidence import Fits, Rows, columns, values_and_slopes, whiten
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.even import covariance_roots, even_levels
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Space

Floats = NDArray[np.float64]


class Sample(NamedTuple):
    """Draws of one output's law."""

    vectors: Floats  # (draw, p) unconstrained, as the law has them
    noise: Floats  # (draw,) s.d. of what one run measures about it


def sample(
    law: Law, space: Space, rows: Rows, grid: Grid, fits: Fits, origin: int, draws: int, rng: np.random.Generator
) -> Sample:
    """Draw from the posterior at one origin.

    Args:
        law: That was fitted.
        space: Of the residuals.
        rows: It was fitted to.
        grid: Its hyperparameters.
        fits: How.
        origin: Which.
        draws: How many.
        rng: For all of it.
    """
    inner = law.law if isinstance(law, Discrepancy) else law
    log_weight = fits.log_evidence[origin]
    weight = np.exp(log_weight - logsumexp(log_weight))
    level = even_levels(draws, rng)
    point = np.minimum(np.searchsorted(np.cumsum(weight), level), len(weight) - 1)
    used, index = np.unique(point, return_inverse=True)
    root = covariance_roots(fits.hessian[origin, used])
    size = root.shape[-1]
    theta = fits.theta[origin, point] + np.einsum("dpq,dq->dp", root[index], rng.standard_normal((draws, size)))
    noise = np.sqrt(grid.noise[point] ** 2 + rows.measured**2)
    if not isinstance(law, Discrepancy):
        return Sample(theta, noise)
    table, cells = columns(law, rows)
    weighted = whiten(rows, table, cells, np.full(len(used), origin, np.intp), grid, used)
    value, _ = values_and_slopes(inner, space, theta, rows.x)
    inverse = weighted.inverse[index]
    residual = np.where(inverse > 0, rows.y - value, 0.0) * inverse
    white = np.einsum("dkl,dl->dk", weighted.root[index], residual @ table) + rng.standard_normal(
        (draws, table.shape[1])
    )
    curvature = np.einsum("dlk,dl->dk", weighted.unroot[index], white)[:, :cells]
    return Sample(np.concatenate([theta, np.log(grid.amplitude[point])[:, None], curvature], axis=1), noise)
