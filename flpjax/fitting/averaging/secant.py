"""What Gauss-Newton leaves out of a curvature, learned from the steps taken.

Where residuals stay large, or parameters bend the law strongly, Gauss-Newton steps are too long or too short by a
factor that does not change, and a climb creeps. The missing part of the Hessian is made up by a symmetric secant of
rank two (Dennis, Gay & Welsch 1981, NL2SOL, eqs. 4.2 to 4.5), from gradients that are known anyway.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def times(matrix: Floats, vector: Floats) -> Floats:
    """``(lane, p)`` of ``(lane, p, p)`` and ``(lane, p)``."""
    return np.asarray((matrix @ vector[..., None])[..., 0])


def learned(bend: Floats, better: NDArray[np.bool_], move: Floats, turned: Floats, hessian: Floats) -> Floats:
    """The missing part after a step.

    Args:
        bend: ``(lane, p, p)`` as known before.
        better: ``(lane,)`` whether the step was taken; of others it stays.
        move: ``(lane, p)`` the step.
        turned: ``(lane, p)`` by how much the gradient of what is minimised changed on it.
        hessian: ``(lane, p, p)`` Gauss-Newton's, behind the step.
    """
    slope = (turned * move).sum(axis=1)
    known = better & (slope > 0) & np.isfinite(turned).all(axis=1)
    if not known.any():
        return bend
    own, move, turned, slope = bend[known], move[known], turned[known], slope[known]
    wanted = turned - times(hessian[known], move)
    had = times(own, move)
    # Sized first, so that what was learned where residuals were larger is forgotten.
    along = np.abs((move * had).sum(axis=1))
    size = np.minimum(np.abs((move * wanted).sum(axis=1)) / np.where(along > 0, along, np.inf), 1.0)
    own = own * size[:, None, None]
    off = wanted - size[:, None] * had
    unit = turned / slope[:, None]
    half = off - 0.5 * (off * move).sum(axis=1)[:, None] * unit
    both = half[:, :, None] * unit[:, None, :]
    own += both
    own += np.swapaxes(both, 1, 2)
    found = bend.copy()
    found[known] = np.where(np.isfinite(own).all(axis=(1, 2))[:, None, None], own, 0.0)
    return found
