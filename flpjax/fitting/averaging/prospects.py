"""What fits promise where they begin: at any number of points of a grid, by one evaluation of the law for all of them.

Hyperparameters change how residuals weigh, and neither residuals nor slopes. Of sums over rows there is one for each
noise; amplitudes of the discrepancy scale its eigenvalues.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import countable, values_and_slopes
from flpjax.fitting.averaging.sheet import Sheet, by_run
from flpjax.fitting.averaging.whitening import integrated, whitened
from flpjax.laws.law import Law, Space, prior_normal

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
NUMBERS = 1 << 18  # weighted rows at a time: about what a processor's cache holds


class Standing(NamedTuple):
    """Where fits stand."""

    theta: Floats  # (fit, p)
    value: Floats  # (fit,) minus the log density but for constants
    gradient: Floats  # (fit, p) of the log density
    hessian: Floats  # (fit, p, p) of minus the log density
    gain: Floats  # (fit,) of the log density that a full step promises: half of Newton's decrement squared


def prospects(
    law: Law, space: Space, sheet: Sheet, grid: Grid, output: Indices, origin: Indices, theta: Floats
) -> tuple[Standing, Floats]:
    """Stand at parameters of some outputs and origins, at every point of a grid.

    Args:
        law: The formula, without its discrepancy.
        space: Of the residuals.
        sheet: The rows of all outputs.
        grid: Hyperparameters.
        output: ``(lane,)`` whose rows.
        origin: ``(lane,)`` which of them are seen.
        theta: ``(lane, p)``.

    Returns:
        Leaves ``(lane · point, …)``, and log determinants ``(lane · point,)`` of the covariances of the rows seen.
    """
    columns = sheet.basis.shape[2] + theta.shape[1] + 1
    each = max(NUMBERS // (len(grid.kinds.first) * sheet.y.shape[1] * columns), 1)
    parts = []
    for at in range(0, len(output), each):
        some = slice(at, at + each)
        parts.append(_prospects(law, space, sheet, grid, output[some], origin[some], theta[some]))
    *leaves, log_det = (np.concatenate(leaf) for leaf in zip(*parts, strict=True))
    return Standing(theta.repeat(len(grid.noise), axis=0), *leaves), log_det


def _prospects(
    law: Law, space: Space, sheet: Sheet, grid: Grid, output: Indices, origin: Indices, theta: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Value, gradient, Hessian, gain, and log determinant."""
    loc, scale = prior_normal(law)
    flat, p, (first, kind) = len(output) * len(grid.noise), len(loc), grid.kinds
    kinds = len(first)
    both, sound = _columns(law, space, sheet, output, origin, theta)
    of_kind = np.tile(np.arange(kinds), len(output))
    known, index = whitened(sheet, output.repeat(kinds), origin.repeat(kinds), grid, of_kind)
    weighted = known.inverse[index, :, None] * both.repeat(kinds, axis=0)
    gram = np.swapaxes(both, 1, 2).repeat(kinds, axis=0) @ weighted
    if sheet.runs:
        of_runs = by_run(sheet, weighted)
        gram -= np.swapaxes(of_runs, 1, 2) @ (known.effect[index, :, None] * of_runs)
    turned = np.swapaxes(known.basis[index], 1, 2) @ weighted

    def of_points(leaf: Floats) -> Floats:
        return leaf.reshape(len(output), kinds, *leaf.shape[1:])[:, kind]

    told, turned = of_points(known.told[index]), of_points(turned)
    gram = of_points(gram) - np.swapaxes(turned, 2, 3) @ (integrated(told, grid.amplitude)[..., None] * turned)
    log_det = of_points(known.log_det[index]) + np.log1p(grid.amplitude[:, None] ** 2 * told).sum(axis=2)
    deviation, precision = theta - loc, 1.0 / scale**2
    density = 0.5 * (gram[..., -1, -1] + (deviation**2 * precision).sum(axis=1)[:, None])
    hessian = gram[..., :p, :p] + np.diag(precision)
    gradient = gram[..., :p, -1] - (deviation * precision)[:, None]
    gain = promised(gradient, hessian)
    density = np.where(sound[:, None], density, np.inf)
    return density.ravel(), gradient.reshape(flat, p), hessian.reshape(flat, p, p), gain.ravel(), log_det.ravel()


def _columns(
    law: Law, space: Space, sheet: Sheet, output: Indices, origin: Indices, theta: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Slopes and residuals ``(lane, row, p + 1)``, 0 of rows that are not seen; and which lanes are finite."""
    value, slope = values_and_slopes(law, space, theta, sheet.x, output)
    seen = sheet.seen[output, origin]
    both = np.concatenate([slope, (sheet.y[output] - value)[..., None]], axis=2)
    both = np.where(seen[..., None], both, 0.0)
    sound = countable(both)
    return np.where(sound[:, None, None], both, 0.0), sound


def promised(gradient: Floats, hessian: Floats) -> Floats:
    """``(…,)`` by how much a full step raises the log density if it is quadratic."""
    move = np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return np.asarray(0.5 * (gradient * move).sum(axis=-1))
