"""Draws around an optimum: Laplace's approximation, as wide as few runs make it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri


def student_t_draws(
    centre: NDArray[np.float64],
    root: NDArray[np.float64],
    freedom: NDArray[np.float64],
    level: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """``(fit, draw, output, p)``: Student's t, all parameters of a draw stretched alike, all fits by the same draws.

    Args:
        centre: ``(fit, output, p)`` optima.
        root: ``(fit, output, p, p)`` square roots of the covariances.
        freedom: ``(output,)`` degrees of freedom.
        level: ``(draw,)`` from 0 to 1, where in the distribution of its scale each draw lies.
        rng: For the directions.
    """
    _, outputs, size = centre.shape
    directions = np.stack([even_directions(len(level), size, rng) for _ in range(outputs)])  # (output, draw, p)
    wide = np.sqrt(freedom / (2.0 * gammaincinv(0.5 * freedom[None, :], level[:, None])))
    away = np.moveaxis(root @ np.swapaxes(directions, 1, 2), -1, 1)
    return np.asarray(centre[:, None] + wide[..., None] * away)


def covariance_roots(hessian: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square roots ``(…, p, p)`` of the inverses of symmetric matrices; NaN where one is not finite.

    Directions that the data and the prior leave open get the widest that float64 can tell from open.
    """
    finite = np.isfinite(hessian).all(axis=(-2, -1), keepdims=True)
    value, vector = np.linalg.eigh(np.where(finite, hessian, np.eye(hessian.shape[-1])))
    root = vector / np.sqrt(np.maximum(value, 1e-10 * value[..., -1:]))[..., None, :]
    return np.where(finite, root, np.nan)


def even_levels(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(count,)`` numbers that fill 0 to 1 evenly, in random order."""
    return np.asarray((rng.permutation(count) + 0.5) / count)


def even_normal(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(count,)`` standard normal numbers that fill the distribution evenly, in random order."""
    return np.asarray(ndtri(even_levels(count, rng)))


def mirrored_levels(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(count,)`` as :func:`even_levels`, the two of a mirrored pair of :func:`even_directions` alike."""
    half = even_levels(-(-count // 2), rng)
    return np.concatenate([half, half])[:count]


def even_directions(count: int, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(count, size)`` standard normal numbers that fill the space evenly, the second half the first one mirrored.

    Roberts's additive recurrence (2018, "The unreasonable effectiveness of quasirandom sequences"): multiples of the
    powers of 1/φ, with φ the positive root of φ^(size+1) = φ + 1, from a random place on and in random order.
    """
    half = -(-count // 2)
    ratio = 2.0
    for _ in range(64):  # to the last bit
        ratio = (1.0 + ratio) ** (1.0 / (size + 1))
    steps = ratio ** -np.arange(1.0, size + 1)
    level = (rng.uniform(size=size) + np.arange(1.0, half + 1)[:, None] * steps) % 1.0
    normal = ndtri(np.clip(level, 1e-12, 1.0 - 1e-12))[rng.permutation(half)]
    return np.concatenate([normal, -normal])[:count]
