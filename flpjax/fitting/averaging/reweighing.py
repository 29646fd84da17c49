"""Draws of maps by importance: Laplace's approximation proposes, the density itself weighs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.evidence import Fits, points_in_order
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
ENOUGH, ROUNDS = 0.3, 3  # share of the proposals that must count, or others are made, so many times at most


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

    def weight(o: Indices, theta: Floats, point: Indices, log_density: Floats) -> Floats:
        """Of proposals ``(output, proposal, …)``, by the log density that they have over Laplace's approximation."""
        lane, at = np.repeat(o, proposed), point.ravel()
        found = residuals(law, "linear", sheet, grid, origin, lane, at, theta.reshape(-1, size), many)
        density = 0.5 * (found.square - found.explained).reshape(point.shape)
        density += 0.5 * (((theta - loc) / scale) ** 2).sum(axis=2)
        return truncated(best[o[:, None], point] - density - log_density)

    point = points_in_order(log_evidence[outputs], proposed)  # so that lanes with the same covariance lie together
    whose = outputs[:, None]
    root, _ = _shapes(fits.hessian[:, origin], whose, point)
    away, log_density = wide_normal(point.shape, size, rng)
    theta = fits.theta[whose, origin, point] + np.einsum("okpq,okq->okp", root, away)
    first = weight(outputs, theta, point, log_density)
    pools, worth = list(map(Pool, theta, point, first)), effective(first)
    for _ in range(ROUNDS):
        few = np.flatnonzero(worth < ENOUGH * proposed)
        if not few.size:
            break
        again = [spread_about(pools[i].theta, pools[i].weight, proposed, rng) for i in few]
        theta, log_density = (np.stack(leaf) for leaf in zip(*again, strict=True))
        point = np.sort([pools[i].point[resampled(pools[i].weight, proposed, rng)] for i in few], axis=1)
        _, volume = _shapes(fits.hessian[:, origin], whose[few], point)
        share = np.stack([np.bincount(own, minlength=len(grid.noise))[own] / proposed for own in point])
        log_density += np.log(share) - log_evidence[whose[few], point] - volume
        for i, pool in zip(few, map(Pool, theta, point, weight(outputs[few], theta, point, log_density)), strict=True):
            pools[i] = joined(pools[i], pool)
            worth[i] = effective(pools[i].weight)
    taken = [resampled(pool.weight, n, rng) for pool, n in zip(pools, wanted, strict=True)]
    return (
        np.concatenate([pool.theta[at] for pool, at in zip(pools, taken, strict=True)]),
        np.concatenate([pool.point[at] for pool, at in zip(pools, taken, strict=True)]),
    )


class Pool(NamedTuple):
    """Proposals of one output, of all rounds."""

    theta: Floats  # (proposal, p)
    point: Indices  # (proposal,) of the grid
    weight: Floats  # (proposal,)


def joined(first: Pool, second: Pool) -> Pool:
    """Both, each counting by how many draws of equal weight it is worth."""
    weight = [each.weight / each.weight.sum() * effective(each.weight) for each in (first, second)]
    theta, point = np.concatenate([first.theta, second.theta]), np.concatenate([first.point, second.point])
    return Pool(theta, point, np.concatenate(weight))


def _shapes(hessian: Floats, output: Indices, point: Indices) -> tuple[Floats, Floats]:
    """Roots ``(output, proposal, p, p)`` of covariances, and half the log determinants of their inverses.

    Args:
        hessian: ``(output, point, p, p)`` of minus the log densities.
        output: ``(output, 1)`` whose.
        point: ``(output, proposal)``, of the few points that are proposed at.
    """
    different, index = np.unique(output * hessian.shape[1] + point, return_inverse=True)
    own = hessian.reshape(-1, *hessian.shape[2:])[different]
    index = index.reshape(point.shape)
    return covariance_roots(own)[index], 0.5 * np.linalg.slogdet(own)[1][index]
