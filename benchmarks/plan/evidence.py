"""How probable what was measured is by a law: its numbers, its discrepancy and the noise integrated out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Floats = NDArray[np.float64]


def log_density(rest: Floats, covariance: Floats) -> float:
    """Log density of a normal distribution: of a law that is linear about its fit, Laplace's evidence.

    Args:
        rest: ``(row,)`` less what is expected.
        covariance: ``(row, row)``.
    """
    root = np.linalg.cholesky(covariance)
    whitened = solve_triangular(root, rest, lower=True)
    return float(-0.5 * whitened @ whitened - np.log(np.diag(root)).sum() - 0.5 * len(rest) * np.log(2.0 * np.pi))
