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
from flpjax.fitting.averaging.importance import effective, resampled, spread_about, truncated, wide_normal
from flpjax.fitting.averaging.lanes import values
from flpjax.fitting.averaging.sheet import Rows, Sheet, by_run, of_rows, stacked
from flpjax.fitting.averaging.whitening import effect_of_runs, variance_of_rows, weights_of
from flpjax.fitting.even import covariance_roots
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Space, prior_normal

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
MOST = 1 << 16  # draws of outputs that are made at a time
PROPOSED, EACH = 1000, 4  # parameters of a map, of which its draws are taken by importance: at most, and for each draw
FEWEST = 100  # proposals, from which kernels can be made
ENOUGH, ROUNDS = 0.2, 3  # share of the proposals that must count, or others are made, so many times at most


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
    per_call = max(MOST // max(len(taken), _proposed(taken.sum(axis=0))), 1)
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
    output, draw = np.nonzero(taken.T)
    if space == "linear" and len(output):
        own_theta, own_point = _reweighed(law.law, sheet, grid, fits, origin, output, rng)
        theta[draw, output], point[draw, output] = own_theta, own_point
        noise = np.sqrt(grid.noise[point] ** 2 + measured**2)
    curvature = np.zeros((*taken.shape, law.cells))
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


class _Residuals(NamedTuple):
    """What rows say of lanes' parameters, the effects of runs integrated."""

    square: Floats  # (lane,) of the residuals, by their covariance without the departure
    projected: Floats  # (lane, cell) on the basis
    mean: Floats  # (lane, cell) of the departure's weights, given the residuals
    unroot: Floats  # (pair, cell, cell) of the weights' covariance, by output and point
    pair: Indices  # (lane,) which of them


def _residuals(
    law: Law, space: Space, sheet: Sheet, grid: Grid, origin: int, output: Indices, point: Indices, theta: Floats
) -> _Residuals:
    """Of lanes, each an output (ascending), a point of the grid and parameters ``(lane, p)`` of the law."""
    there = np.full(len(output), origin)
    law_value = values(law, space, theta, sheet.x, output)
    inverse = sheet.seen[output, origin] / variance_of_rows(sheet, output, there, grid, point)
    off = np.where(inverse > 0, sheet.y[output] - law_value, 0.0)
    residual = off * inverse
    if sheet.runs:
        effect = effect_of_runs(sheet, output, grid.noise[point], by_run(sheet, inverse))
        residual -= inverse * of_rows(sheet, effect * by_run(sheet, residual))
    projected = np.empty((len(output), sheet.basis.shape[2]))
    outputs, begins = np.unique(output, return_index=True)
    for o, own in zip(outputs, np.split(np.arange(len(output)), begins[1:]), strict=True):
        projected[own] = residual[own] @ sheet.basis[o]
    pair, index = np.unique(output * len(grid.noise) + point, return_inverse=True)
    known = weights_of(sheet, pair // len(grid.noise), origin, grid, pair % len(grid.noise))
    mean = np.einsum("lij,lj->li", known.mean[index], projected)
    return _Residuals((off * residual).sum(axis=1), projected, mean, known.unroot, index)


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
    """
    found = _residuals(law, space, sheet, grid, origin, output, point, theta)
    return np.asarray(found.mean + np.einsum("lji,lj->li", found.unroot[found.pair], normal))


def _proposed(wanted: NDArray[np.int64]) -> int:
    """How many parameters of a map are proposed where of some output so many draws are wanted."""
    return int(min(PROPOSED, max(EACH * int(wanted.max(initial=0)), FEWEST)))


def _reweighed(
    law: Law, sheet: Sheet, grid: Grid, fits: Fits, origin: int, output: Indices, rng: np.random.Generator
) -> tuple[Floats, Indices]:
    """Parameters ``(lane, p)`` and points of the grid ``(lane,)`` of maps' own densities, by importance.

    Args:
        law: Without its discrepancy.
        sheet: The rows.
        grid: Of hyperparameters.
        fits: Leaves ``(output, …)``.
        origin: Which.
        output: ``(lane,)`` of the draws that there must be, ascending.
        rng: For proposals, and which are taken.
    """
    outputs, wanted = np.unique(output, return_counts=True)
    loc, scale = prior_normal(law)
    size, proposed = len(loc), _proposed(wanted)
    log_evidence, best = fits.log_evidence[:, origin], fits.value[:, origin]
    volume = 0.5 * np.linalg.slogdet(fits.hessian[:, origin])[1]
    root = covariance_roots(fits.hessian[:, origin])

    def weight(o: Indices, theta: Floats, point: Indices, log_density: Floats) -> list[Floats]:
        """Of proposals ``(output, proposal, …)``, by the log density that they have over Laplace's approximation."""
        lane, at = np.repeat(o, proposed), point.ravel()
        found = _residuals(law, "linear", sheet, grid, origin, lane, at, theta.reshape(-1, size))
        explained = grid.amplitude[at] * (found.projected * found.mean).sum(axis=1)
        density = 0.5 * (found.square - explained).reshape(point.shape)
        density += 0.5 * (((theta - loc) / scale) ** 2).sum(axis=2)
        return [truncated(each) for each in best[o[:, None], point] - density - log_density]

    point = _points(log_evidence[outputs], np.ones((proposed, len(outputs)), bool), rng).T
    each = [wide_normal(proposed, size, rng) for _ in outputs]
    theta = fits.theta[outputs[:, None], origin, point]
    theta += np.einsum("okpq,okq->okp", root[outputs[:, None], point], np.stack([away for away, _ in each]))
    counts = weight(outputs, theta, point, np.stack([log_density for _, log_density in each]))
    for _ in range(ROUNDS):
        few = np.array([i for i, w in enumerate(counts) if effective(w) < ENOUGH * proposed], np.intp)
        if not len(few):
            break
        again = [spread_about(theta[i], counts[i], rng) for i in few]
        other = np.stack([point[i][resampled(counts[i], proposed, rng)] for i in few])
        share = np.stack([np.bincount(own, minlength=len(grid.noise))[own] / proposed for own in other])
        of_point = log_evidence[outputs[few][:, None], other] + volume[outputs[few][:, None], other]
        offset = np.stack([log_density for _, log_density in again]) + np.log(share) - of_point
        new = np.stack([values for values, _ in again])
        for i, t, p, w in zip(few, new, other, weight(outputs[few], new, other, offset), strict=True):
            if effective(w) > effective(counts[i]):
                theta[i], point[i], counts[i] = t, p, w
    taken = [resampled(w, n, rng) for w, n in zip(counts, wanted, strict=True)]
    return (
        np.concatenate([own[at] for own, at in zip(theta, taken, strict=True)]),
        np.concatenate([own[at] for own, at in zip(point, taken, strict=True)]),
    )
