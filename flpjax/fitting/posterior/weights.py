"""Importance weights: their tails smoothed, how far these can be trusted, and draws by them (Vehtari et al. 2024)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RELIABLE = 0.7  # k̂ beyond this: the proposals miss a part of the posterior


def smoothed(log_ratio: Floats) -> tuple[Floats, float]:
    """Normalised weights ``(draw,)`` of importance ratios, and the k̂ of their tail; infinite if nothing is finite."""
    finite = np.isfinite(log_ratio)
    if finite.sum() < 25:
        return np.where(finite, 1.0, 0.0) / max(int(finite.sum()), 1), np.inf
    ratio = np.where(finite, np.exp(log_ratio - log_ratio[finite].max()), 0.0)
    tail = int(min(0.2 * len(ratio), 3.0 * np.sqrt(len(ratio))))
    order = np.argsort(ratio, kind="stable")
    largest, cutoff = order[-tail:], ratio[order[-tail - 1]]
    excess = ratio[largest] - cutoff
    if not excess[-1] > 1e-12:
        return ratio / ratio.sum(), -np.inf  # all alike: nothing to smooth
    k, scale = fit_tail(np.maximum(excess, 1e-300))
    level = (np.arange(tail) + 0.5) / tail
    with np.errstate(over="ignore"):  # of a tail that has no end; weights end at 1
        quantile = -scale * np.log1p(-level) if abs(k) < 1e-8 else scale * np.expm1(-k * np.log1p(-level)) / k
    ratio[largest] = np.minimum(cutoff + quantile, 1.0)
    return ratio / ratio.sum(), float(k)


def fit_tail(excess: Floats) -> tuple[float, float]:
    """Shape k and scale of a generalised Pareto distribution, from ascending ``(draw,)`` (Zhang & Stephens 2009).

    With PSIS's weak prior on k: ten observations at 0.5.
    """
    n = len(excess)
    points = 30 + int(np.sqrt(n))
    quartile = excess[int(n / 4 + 0.5) - 1]
    theta = 1.0 / excess[-1] + (1.0 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))) / (3.0 * quartile)
    k = np.log1p(-theta[:, None] * excess[None, :]).mean(axis=1)
    likelihood = n * (np.log(-theta / k) - k - 1.0)
    weight = np.exp(likelihood - likelihood.max())
    best = float(np.sum(theta * weight) / weight.sum())
    shape = float(np.log1p(-best * excess).mean())
    scale = -shape / best
    return (shape * n + 5.0) / (n + 10.0), float(scale)


def resample(weight: Floats, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``(draws,)`` systematic resampling, in random order."""
    level = (np.arange(draws) + rng.uniform()) / draws
    at = np.minimum(np.searchsorted(np.cumsum(weight), level), len(weight) - 1)
    return rng.permutation(at).astype(np.int64)
