"""How probable what was measured is by a law: its numbers, its discrepancy and the noise integrated out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Floats = NDArray[np.float64]


def log_evidence(value: Floats, slope: Floats, away: Floats, basis: Floats, noise: Floats, y: Floats) -> float:
    """Log probability density of measurements by a law that is linear about its fit (Laplace's approximation).

    ``y ~ N(value − slope·away, slope·slopeᵀ + basis·basisᵀ + diag(noise²))``.

    Args:
        value: ``(row,)`` of the fitted law.
        slope: ``(row, number)`` by numbers whose priors are standard normal.
        away: ``(number,)`` where the fit lies in these priors.
        basis: ``(row, cell)`` of the discrepancy, by weights whose priors are standard normal.
        noise: ``(row,)`` s.d. of measurements.
        y: ``(row,)``.
    """
    rest = y - value + slope @ away
    covariance = slope @ slope.T + basis @ basis.T + np.diag(noise**2)
    root = np.linalg.cholesky(covariance)
    whitened = solve_triangular(root, rest, lower=True)
    return float(-0.5 * whitened @ whitened - np.log(np.diag(root)).sum() - 0.5 * len(y) * np.log(2.0 * np.pi))
