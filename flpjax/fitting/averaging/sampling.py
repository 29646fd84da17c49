"""Draws of a law's parameters, of the weights of its discrepancy, and of the noise, from fits on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flpjax.fitting.averaging.evidence import Fits
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import ROWS, values
from flpjax.fitting.averaging.sheet import Rows, cells_of, columns, stacked_rows
from flpjax.fitting.averaging.whitening import factors, factors_of_cells
from flpjax.fitting.even import covariance_roots, even_levels
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Space

Floats = NDArray[np.float64]
MANY_RUNS = 200  # with effects of their own, beyond which these are integrated rather than drawn
MOST = 1 << 16  # draws of all outputs whose laws are evaluated at a time


class Sample(NamedTuple):
    """Draws of one output's law."""

    vectors: Floats  # (draw, p) unconstrained, as the law has them
    noise: Floats  # (draw,) s.d. of what one run measures about it


class _Drawn(NamedTuple):
    """Parameters of one output's law, and what its weights are still to be drawn with."""

    rows: Rows
    theta: Floats  # (draw, p)
    noise: Floats  # (draw,)
    used: NDArray[np.intp]  # points of the grid that draws have
    place: NDArray[np.intp]  # (draw,) which of them
    table: Floats  # (row, k) what weights do
    cells: int  # how many of them are the discrepancy's
    normal: Floats  # (draw, k)


def sample(
    law: Law, space: Space, rows: Rows, grid: Grid, fits: Fits, origin: int, draws: int, rng: np.random.Generator
) -> Sample:
    """As :func:`sample_outputs`, of one output."""
    return sample_outputs(law, space, [rows], grid, [fits], origin, draws, rng)[0]


def sample_outputs(
    law: Law,
    space: Space,
    each: Sequence[Rows],
    grid: Grid,
    fits: Sequence[Fits],
    origin: int,
    draws: int,
    rng: np.random.Generator,
) -> list[Sample]:
    """Draw from the posteriors of several outputs at one origin.

    Args:
        law: That was fitted.
        space: Of the residuals.
        each: What it was fitted to, by output.
        grid: Its hyperparameters.
        fits: How, by output.
        origin: Which.
        draws: How many of each.
        rng: For all of it.
    """
    departs = isinstance(law, Discrepancy)
    per_call = max(MOST // draws, 1)
    found: list[Sample] = []
    for at in range(0, len(each), per_call):
        some = slice(at, at + per_call)
        drawn = [_drawn(law, r, grid, f, origin, draws, rng) for r, f in zip(each[some], fits[some], strict=True)]
        if not departs:
            found += [Sample(d.theta, d.noise) for d in drawn]
            continue
        law_values = _values(law.law, space, drawn)  # type: ignore[attr-defined]
        found += [_with_weights(d, grid, value, origin) for d, value in zip(drawn, law_values, strict=True)]
    return found


def _drawn(law: Law, rows: Rows, grid: Grid, fits: Fits, origin: int, draws: int, rng: np.random.Generator) -> _Drawn:
    log_weight = fits.log_evidence[origin]
    weight = np.exp(log_weight - logsumexp(log_weight))
    level = even_levels(draws, rng)
    point = np.minimum(np.searchsorted(np.cumsum(weight), level), len(weight) - 1)
    used, index = np.unique(point, return_inverse=True)
    root = covariance_roots(fits.hessian[origin, used])
    size = root.shape[-1]
    theta = fits.theta[origin, point] + _by_point(root, index, rng.standard_normal((draws, size)))
    noise = np.sqrt(grid.noise[point] ** 2 + rows.measured**2)
    if rows.effects and len(np.unique(rows.run)) > MANY_RUNS:
        table = cells_of(law, rows.x)
        cells = table.shape[1]
    else:
        table, cells = columns(law, rows)
    normal = rng.standard_normal((draws, table.shape[1])) if isinstance(law, Discrepancy) else np.zeros((draws, 0))
    return _Drawn(rows, theta, noise, used, index, table, cells, normal)


def _with_weights(drawn: _Drawn, grid: Grid, value: Floats, origin: int) -> Sample:
    """A sample with weights of the discrepancy drawn, given the law's value ``(draw, row)`` at the rows."""
    rows, table = drawn.rows, drawn.table
    if rows.effects and table.shape[1] == drawn.cells:
        known = factors_of_cells(rows, table, origin, grid, drawn.used)
    else:
        known = factors(rows, table, drawn.cells, origin, grid, drawn.used)
    inverse = known.inverse[drawn.place]
    residual = np.where(inverse > 0, rows.y - value, 0.0) * inverse
    if len(known.design) == 1:
        projected = residual @ known.design[0]
    else:
        projected = _by_point(np.swapaxes(known.design, 1, 2), drawn.place, residual)
    white = _by_point(known.root, drawn.place, projected) + drawn.normal
    curvature = _by_point(np.swapaxes(known.unroot, 1, 2), drawn.place, white)[:, : drawn.cells]
    amplitude = np.log(grid.amplitude[drawn.used])[drawn.place]
    return Sample(np.concatenate([drawn.theta, amplitude[:, None], curvature], axis=1), drawn.noise)


def _by_point(matrix: Floats, index: NDArray[np.intp], vector: Floats) -> Floats:
    """``(draw, p)`` each draw's vector ``(draw, q)`` times the matrix ``(used, p, q)`` of its point."""
    found = np.empty((len(vector), matrix.shape[1]))
    order = np.argsort(index, kind="stable")
    for own, at in zip(matrix, np.split(order, np.cumsum(np.bincount(index, minlength=len(matrix)))[:-1]), strict=True):
        found[at] = vector[at] @ own.T
    return found


def _values(law: Law, space: Space, drawn: Sequence[_Drawn]) -> list[Floats]:
    """Per output ``(draw, row)`` the law at its rows."""
    rows = max(len(d.rows.y) for d in drawn)
    rows += -rows % ROWS
    x = stacked_rows([d.rows.x for d in drawn], rows)
    draws = len(drawn[0].theta)
    output = np.repeat(np.arange(len(drawn)), draws)
    law_values = values(law, space, np.concatenate([d.theta for d in drawn]), x, output).reshape(
        len(drawn), draws, rows
    )
    return [value[:, : len(d.rows.y)] for value, d in zip(law_values, drawn, strict=True)]
