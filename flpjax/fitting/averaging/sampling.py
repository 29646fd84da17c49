"""Draws of laws' parameters, of the weights of their discrepancies, and of the noise, from fits on a grid."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.evidence import Fits, points_by_evidence
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import MANY
from flpjax.fitting.averaging.residuals import residuals
from flpjax.fitting.averaging.reweighing import by_importance, proposals_for
from flpjax.fitting.averaging.sheet import Sheet
from flpjax.fitting.even import covariance_roots
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Space, size

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
    sheet: Sheet,
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
        sheet: What it was fitted to, by output.
        grid: Its hyperparameters.
        fits: How, leaves ``(output, …)``.
        origin: Which.
        taken: ``(draw, output)`` which draws there must be; each output's own fill its grid evenly. The others have
            the most probable parameters, and no departure.
        rng: For all of it.
    """
    best = fits.log_evidence[:, origin].argmax(axis=1)
    point = np.broadcast_to(best, taken.shape).copy()
    vectors = np.zeros((*taken.shape, size(law)))
    p = fits.theta.shape[-1]
    vectors[..., :p] = fits.theta[np.arange(len(best)), origin, best]
    wanted = taken.sum(axis=0)
    order = np.argsort(wanted, kind="stable")  # so that those drawn together want about as many proposals
    order = order[wanted[order] > 0]
    per_call = max(MOST // max(len(taken), proposals_for(wanted)), 1)
    parts = [order[at : at + per_call] for at in range(0, len(order), per_call)]
    many = taken.size >= MANY

    def draw(part: Indices, rng: np.random.Generator) -> None:
        leaves: list[Any] = [leaf[part] for leaf in fits]
        own, some = Fits(*leaves), sheet.of(part)
        some = some.seen_from(origin) if many else some  # few lanes share the programs of the fits
        lane, at = np.nonzero(taken[:, part].T)
        if isinstance(law, Discrepancy) and space == "linear":
            theta, points = by_importance(law.law, some, grid, own, origin, lane, rng, many)
        else:
            theta, points = _normal(own, origin, taken[:, part], rng)
        output = part[lane]
        point[at, output] = points
        vectors[at, output, :p] = theta
        if isinstance(law, Discrepancy):
            curvature = rng.standard_normal((len(lane), law.cells))
            seen = curvature[:, sheet.cells]
            curvature[:, sheet.cells] = _curvature(law.law, space, some, grid, origin, lane, points, theta, seen, many)
            vectors[at, output, p + 1 :] = curvature

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(draw, parts, rng.spawn(len(parts))))
    if isinstance(law, Discrepancy):
        vectors[..., p] = np.log(grid.amplitude)[point]
    return Sample(vectors, np.sqrt(grid.noise[point] ** 2 + sheet.measured**2))


def _normal(fits: Fits, origin: int, taken: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, Indices]:
    """Parameters ``(lane, p)`` and points of the grid ``(lane,)`` by Laplace's approximation; lanes by output."""
    output, draw = np.nonzero(taken.T)
    point = points_by_evidence(fits.log_evidence[:, origin], taken, rng)[draw, output]
    root = covariance_roots(fits.hessian[:, origin])[output, point]
    away = rng.standard_normal((len(output), root.shape[-1]))
    return fits.theta[output, origin, point] + np.einsum("lpq,lq->lp", root, away), point


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
    return found.weights(normal)
