"""What rows say of parameters of a law, with the effects of runs integrated and a discrepancy's weights given them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import LANES, values
from flpjax.fitting.averaging.sheet import Sheet, by_run
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
        square[begin:end] = _square(sheet, known, pair[begin:end], off)
        projected[begin:end] = times_matrices(off, known.project, pair[begin:end])
    return Residuals(square, projected, times_matrices(projected, known.mean, pair), known.unroot, pair)


def _square(sheet: Sheet, known: Weights, pair: Indices, off: Floats) -> Floats:
    residual = off * known.inverse[pair]
    square = np.einsum("lr,lr->l", off, residual)
    if sheet.runs:
        of_run = by_run(sheet, residual)
        square -= np.einsum("lr,lr,lr->l", of_run, of_run, known.effect[pair])
    return np.asarray(square)


def times_matrices(vectors: Floats, matrices: Floats, index: Indices) -> Floats:
    """``(lane, b)`` vectors ``(lane, a)`` times one matrix each ``(pair, a, b)``, which many lanes share."""
    found = np.empty((len(vectors), matrices.shape[2]))
    order = np.argsort(index, kind="stable")
    own, begins = np.unique(index[order], return_index=True)
    for pair, lanes in zip(own, np.split(order, begins[1:]), strict=True):
        found[lanes] = vectors[lanes] @ matrices[pair]
    return found
