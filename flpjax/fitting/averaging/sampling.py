"""Draws of laws' parameters, of the weights of their discrepancies, and of the noise, from fits on a grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.evidence import Fits
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import values
from flpjax.fitting.averaging.sheet import Rows, Sheet, by_run, of_rows, stacked
from flpjax.fitting.averaging.whitening import effect_of_runs, variance_of_rows, weights_of
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
    per_call = max(MOST // len(taken), 1)
    parts = [slice(at, at + per_call) for at in range(0, len(each), per_call)]

    def some(part: slice, rng: np.random.Generator) -> Sample:
        leaves: list[Any] = [leaf[part] for leaf in fits]
        own = Fits(*leaves)
        return _sampled(law, space, stacked(law, each[part]), each[part], grid, own, origin, taken[:, part], rng)

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
) -> Sample:
    everyone = np.arange(len(each))[None]
    point = _points(fits.log_evidence[:, origin], taken, rng)
    root = covariance_roots(fits.hessian[:, origin])
    theta = fits.theta[everyone, origin, point]
    theta = theta + np.einsum("dopq,doq->dop", root[everyone, point], rng.standard_normal(theta.shape))
    measured = np.array([r.measured for r in each])
    noise = np.sqrt(grid.noise[point] ** 2 + measured**2)
    if not isinstance(law, Discrepancy):
        return Sample(theta, noise)
    curvature = np.zeros((*taken.shape, law.cells))
    output, draw = np.nonzero(taken.T)
    own = rng.standard_normal((len(output), law.cells))
    if len(output):
        own[:, sheet.cells] = _curvature(
            law.law, space, sheet, grid, origin, output, point[draw, output], theta[draw, output], own[:, sheet.cells]
        )
    curvature[draw, output] = own
    return Sample(np.concatenate([theta, np.log(grid.amplitude)[point][..., None], curvature], axis=2), noise)


def _points(log_evidence: Floats, taken: NDArray[np.bool_], rng: np.random.Generator) -> Indices:
    """``(draw, output)`` points of the grid, as often as the evidence ``(output, point)`` has them."""
    top = log_evidence.max(axis=1, keepdims=True)
    weight = np.exp(log_evidence - np.where(np.isfinite(top), top, 0.0))
    upper = np.cumsum(weight, axis=1) / np.maximum(weight.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    order = np.where(taken, rng.random(taken.shape), 1.0).argsort(axis=0, kind="stable")  # those taken come first
    level = np.empty(taken.shape)
    even = (np.arange(len(taken))[:, None] + 0.5) / np.maximum(taken.sum(axis=0), 1)
    np.put_along_axis(level, order, even, axis=0)
    level = np.where(taken, level, 0.5)
    point = np.zeros(taken.shape, np.intp)
    for bound in upper[:, :-1].T:
        point += level > bound
    return point


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
) -> Floats:
    """Weights of a discrepancy's cells ``(lane, cell)`` given the law's parameters, the effects of runs integrated.

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
    """
    there = np.full(len(output), origin)
    law_value = values(law, space, theta, sheet.x, output)
    inverse = sheet.seen[output, origin] / variance_of_rows(sheet, output, there, grid, point)
    residual = np.where(inverse > 0, sheet.y[output] - law_value, 0.0) * inverse
    if sheet.runs:
        effect = effect_of_runs(sheet, output, grid.noise[point], by_run(sheet, inverse))
        residual -= inverse * of_rows(sheet, effect * by_run(sheet, residual))
    projected = np.empty(normal.shape)
    outputs, begins = np.unique(output, return_index=True)
    for o, own in zip(outputs, np.split(np.arange(len(output)), begins[1:]), strict=True):
        projected[own] = residual[own] @ sheet.basis[o]
    pair, index = np.unique(output * len(grid.noise) + point, return_inverse=True)
    known = weights_of(sheet, pair // len(grid.noise), origin, grid, pair % len(grid.noise))
    mean = np.einsum("lij,lj->li", known.mean[index], projected)
    return np.asarray(mean + np.einsum("lji,lj->li", known.unroot[index], normal))
