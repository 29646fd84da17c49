"""What draws are made of: numbers that fill a distribution evenly, and square roots of covariances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri


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
