"""What rows say of parameters of a law, with the effects of runs integrated and a discrepancy's weights given them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import LANES, values
from flpjax.fitting.averaging.shared import times_matrices
from flpjax.fitting.averaging.sheet import Sheet, by_run, of_rows
from flpjax.fitting.averaging.whitening import Weights, weights_of
from flpjax.laws.law import Law, Space

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Residuals(NamedTuple):
    """Of lanes, each an output, a point of the grid, and parameters of the law."""

    square: Floats  # (lane,) residuals by the inverse of their covariance, the discrepancy left out
    projected: Floats  # (lane, cell) what they say of each weight of the discrepancy
    mean: Floats  # (lane, cell) of the weights
    unroot: Floats  # (pair, cell, cell) L⁻¹, of the weights' posterior precision L·Lᵀ, by output and point
    pair: Indices  # (lane,) which of them


def residuals(
    law: Law,
    space: Space,
    sheet: Sheet,
    grid: Grid,
    origin: int,
    output: Indices,
    point: Indices,
    theta: Floats,
    many: bool = False,
) -> Residuals:
    """What rows say of lanes.

    Args:
        law: Without its discrepancy.
        space: Of the residuals.
        sheet: The rows.
        grid: Of hyperparameters.
        origin: Which.
        output: ``(lane,)``, ascending.
        point: ``(lane,)`` of the grid.
        theta: ``(lane, p)``.
        many: Whether this is one of many calls, for which a program without derivatives pays.
    """
    value = values(law, space, theta, sheet.x, output, True if many and len(output) >= LANES else None)
    pairs, pair = np.unique(output * len(grid.noise) + point, return_inverse=True)
    known = weights_of(sheet, pairs // len(grid.noise), origin, grid, pairs % len(grid.noise))
    square = np.empty(len(output))
    projected = np.empty((len(output), sheet.basis.shape[2]))
    outputs, begins = np.unique(output, return_index=True)
    for o, begin, end in zip(outputs, begins, [*begins[1:], len(output)], strict=True):  # that one's rows stay at hand
        off = np.where(sheet.seen[o, origin], sheet.y[o] - value[begin:end], 0.0)
        weighed = _weighed(sheet, known, pair[begin:end], off)
        square[begin:end] = np.einsum("lr,lr->l", off, weighed)
        np.matmul(weighed, sheet.basis[o], out=projected[begin:end])
    return Residuals(square, projected, times_matrices(projected, known.mean, pair), known.unroot, pair)


def _weighed(sheet: Sheet, known: Weights, pair: Indices, off: Floats) -> Floats:
    """``(lane, row)`` residuals times the inverse of their covariance, the discrepancy left out."""
    inverse = known.inverse[pair]
    weighed = off * inverse
    if sheet.runs:
        inverse *= of_rows(sheet, by_run(sheet, weighed) * known.effect[pair])
        weighed -= inverse
    return weighed
