"""Importance sampling of densities that are far from normal: proposals with heavy tails, and weights that are bounded.

Maps to scores that data leave open, a sigmoid of which a straight piece is seen, have such densities: Laplace's
approximation of them lies too high beyond the data, and reaches too far.
"""

from __future__ import annotations

from math import lgamma

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.even import even_levels

Floats = NDArray[np.float64]
TAILS, WIDER = 3.0, 3.0  # degrees of freedom of Student's t, and its scale as a multiple of the normal's


def wide_normal(shape: tuple[int, ...], size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Standardised proposals ``(*shape, p)``, normal and t in turn, and their log density ``shape``."""
    away = rng.standard_normal((*shape, size))
    heavy = away[..., ::2, :]
    heavy *= (WIDER / np.sqrt(rng.chisquare(TAILS, heavy.shape[:-1]) / TAILS))[..., None]
    square = np.einsum("...p,...p->...", away, away)
    of_normal = -0.5 * (square + size * np.log(2.0 * np.pi))
    return away, np.logaddexp(of_normal, _log_t(square / WIDER**2, size) - size * np.log(WIDER))


def spread_about(theta: Floats, weight: Floats, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Others ``(draw, p)`` by Student's t with the weighted mean and covariance, and their log density."""
    size = theta.shape[1]
    share = weight / weight.sum()
    mean = share @ theta
    off = theta - mean
    root = np.linalg.cholesky((share[:, None] * off).T @ off + 1e-9 * np.diag(off.var(axis=0) + 1e-12))
    away = rng.standard_normal((draws, size)) / np.sqrt(rng.chisquare(TAILS, draws) / TAILS)[:, None]
    return mean + away @ root.T, _log_t((away**2).sum(axis=1), size) - np.log(np.diag(root)).sum()


def _log_t(square: Floats, size: int) -> Floats:
    """Log density of Student's t at squared distances from its centre."""
    constant = lgamma(0.5 * (TAILS + size)) - lgamma(0.5 * TAILS) - 0.5 * size * np.log(TAILS * np.pi)
    return np.asarray(constant - 0.5 * (TAILS + size) * np.log1p(square / TAILS))


def truncated(log_weight: Floats) -> Floats:
    """Weights ``(…, draw)``, none above the mean times the root of their number (Ionides 2008).

    They are all alike where none is known.
    """
    known = np.where(np.isfinite(log_weight), log_weight, -np.inf)
    top = known.max(axis=-1, keepdims=True)
    weight = np.where(np.isfinite(top), np.exp(known - np.where(np.isfinite(top), top, 0.0)), 1.0)
    return np.asarray(np.minimum(weight, weight.mean(axis=-1, keepdims=True) * np.sqrt(weight.shape[-1])))


def effective(weight: Floats) -> Floats:
    """How many draws of equal weight ``(…, draw)`` they are worth (Kong 1992)."""
    return np.asarray(weight.sum(axis=-1) ** 2 / (weight**2).sum(axis=-1))


def resampled(weight: Floats, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Which proposals are taken, so many, evenly by their weights."""
    taken = np.searchsorted(np.cumsum(weight) / weight.sum(), even_levels(count, rng))
    return np.minimum(taken, len(weight) - 1)
