"""What rows say of parameters of a law, with the effects of runs integrated and a discrepancy's weights given them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import LANES, values
from flpjax.fitting.averaging.shared import times_matrices
from flpjax.fitting.averaging.sheet import Sheet, by_run
from flpjax.fitting.averaging.whitening import Whitened, integrated, whitened
from flpjax.laws.law import Law, Space

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Residuals(NamedTuple):
    """Of lanes, each an output, a point of the grid, and parameters of the law."""

    square: Floats  # (lane,) residuals by the inverse of their covariance, the discrepancy left out
    projected: Floats  # (lane, cell) what they say of each weight of the discrepancy, in the eigenvectors
    amplitude: Floats  # (lane,)
    known: Whitened  # leaves (pair, …), of outputs and kinds of noise
    pair: Indices  # (lane,) which of them

    @property
    def explained(self) -> Floats:
        """``(lane,)`` how much of the square the discrepancy explains."""
        return np.einsum("lc,lc,lc->l", self.projected, self.projected, self._variance)

    def weights(self, normal: Floats) -> Floats:
        """Draws ``(lane, cell)`` of the discrepancy's weights, by standard normal numbers."""
        root = np.sqrt(self._variance)
        turned = root * (root * self.projected + normal)
        turned /= self.amplitude[:, None]
        return times_matrices(turned, np.swapaxes(self.known.turn, 1, 2), self.pair)

    @property
    def _variance(self) -> Floats:
        return integrated(self.known.told[self.pair], self.amplitude)


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
        output: ``(lane,)``; those of an output and a kind of noise best lie together.
        point: ``(lane,)`` of the grid.
        theta: ``(lane, p)``.
        many: Whether this is one of many calls, for which a program without derivatives pays.
    """
    first, kind = grid.kinds
    kinds = len(first)
    pairs, pair = np.unique(output * kinds + kind[point], return_inverse=True)
    if (np.diff(pair) < 0).any():
        order = np.argsort(pair, kind="stable")
        found = residuals(law, space, sheet, grid, origin, output[order], point[order], theta[order], many)
        back = np.argsort(order)
        square, projected, amplitude = (leaf[back] for leaf in found[:3])
        return Residuals(square, projected, amplitude, found.known, pair)
    value = values(law, space, theta, sheet.x, output, True if many and len(output) >= LANES else None)
    known, index = whitened(sheet, pairs // kinds, origin, grid, pairs % kinds)
    known = jax.tree.map(lambda leaf: leaf[index], known)
    weighted = known.inverse[..., None] * known.basis
    square = np.empty(len(output))
    projected = np.empty((len(output), sheet.basis.shape[2]))
    begins = np.flatnonzero(np.diff(pair, prepend=-1))
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(pair)], strict=True):  # its rows stay at hand
        o, own = output[begin], pair[begin]
        off = np.where(sheet.seen[o, origin], sheet.y[o] - value[begin:end], 0.0)
        np.matmul(off, weighted[own], out=projected[begin:end])
        if sheet.runs:
            of_runs = by_run(sheet, off * known.inverse[own])
            of_runs *= of_runs
            square[begin:end] = -(of_runs @ known.effect[own])
        else:
            square[begin:end] = 0.0
        off *= off
        square[begin:end] += off @ known.inverse[own]
    return Residuals(square, projected, grid.amplitude[point], known, pair)
