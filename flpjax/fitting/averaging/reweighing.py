"""Draws of maps by importance: Laplace's approximation proposes, the density itself weighs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.evidence import Fits, points_by_evidence
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.importance import effective, resampled, spread_about, truncated, wide_normal
from flpjax.fitting.averaging.residuals import residuals
from flpjax.fitting.averaging.sheet import Sheet
from flpjax.fitting.even import covariance_roots
from flpjax.laws.law import Law, prior_normal

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
MOST, EACH = 1000, 2  # proposals: at most, and for each draw that is wanted
FEWEST = 100  # from which kernels can be made
ENOUGH, ROUNDS = 0.2, 3  # share of the proposals that must count, or others are made, so many times at most


def proposals_for(wanted: NDArray[np.int64]) -> int:
    """How many parameters are proposed, where of each output ``(output,)`` so many draws are wanted."""
    return int(min(MOST, max(EACH * int(wanted.max(initial=0)), FEWEST)))


def by_importance(
    law: Law, sheet: Sheet, grid: Grid, fits: Fits, origin: int, output: Indices, rng: np.random.Generator, many: bool
) -> tuple[Floats, Indices]:
    """Parameters ``(lane, p)`` and points of the grid ``(lane,)`` of maps' own densities.

    Args:
        law: Without its discrepancy.
        sheet: The rows.
        grid: Of hyperparameters.
        fits: Leaves ``(output, …)``.
        origin: Which.
        output: ``(lane,)`` of the draws that there must be, ascending.
        rng: For proposals, and which are taken.
        many: Whether this is one of many calls.
    """
    outputs, wanted = np.unique(output, return_counts=True)
    loc, scale = prior_normal(law)
    size, proposed = len(loc), proposals_for(wanted)
    log_evidence, best = fits.log_evidence[:, origin], fits.value[:, origin]
    volume = 0.5 * np.linalg.slogdet(fits.hessian[:, origin])[1]
    root = covariance_roots(fits.hessian[:, origin])

    def weight(o: Indices, theta: Floats, point: Indices, log_density: Floats) -> list[Floats]:
        """Of proposals ``(output, proposal, …)``, by the log density that they have over Laplace's approximation."""
        lane, at = np.repeat(o, proposed), point.ravel()
        found = residuals(law, "linear", sheet, grid, origin, lane, at, theta.reshape(-1, size), many)
        explained = grid.amplitude[at] * (found.projected * found.mean).sum(axis=1)
        density = 0.5 * (found.square - explained).reshape(point.shape)
        density += 0.5 * (((theta - loc) / scale) ** 2).sum(axis=2)
        return [truncated(each) for each in best[o[:, None], point] - density - log_density]

    point = points_by_evidence(log_evidence[outputs], np.ones((proposed, len(outputs)), bool), rng).T
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
