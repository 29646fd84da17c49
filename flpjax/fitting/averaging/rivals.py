"""Fits that compete, and when one has no chance left: it is given up, for nothing would be taken of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
LOOK = 6  # steps from one look to the next
BEHIND = 16.0  # log evidence that a rival is ahead by at least: of two that are alike, one gets e⁻¹⁶ of all draws
MORE = 10.0  # times as much as the next step promises a climb may still gain


class Rivals:
    """The log evidence of fits, as far as they have climbed, against the best of their group.

    Args:
        group: ``(fit,)`` which group each is of.
        favour: ``(fit,)`` its log evidence but for what climbing changes.
    """

    def __init__(self, group: Indices, favour: Floats) -> None:
        self._group, self._favour = group, favour
        self._best = np.full(int(group.max()) + 1, -np.inf)

    def lost(self, fit: Indices, value: Floats, hessian: Floats, gain: Floats) -> NDArray[np.bool_]:
        """``(lane,)`` which have no chance left.

        Args:
            fit: ``(lane,)`` which fits these are.
            value: ``(lane,)`` minus the log density there.
            hessian: ``(lane, p, p)`` of it.
            gain: ``(lane,)`` that a full step promises.
        """
        with np.errstate(invalid="ignore"):  # of fits that have no finite value
            evidence = self._favour[fit] - value - 0.5 * np.linalg.slogdet(hessian)[1]
        evidence = np.where(np.isfinite(evidence), evidence, -np.inf)
        np.maximum.at(self._best, self._group[fit], evidence)
        with np.errstate(invalid="ignore"):
            behind = self._best[self._group[fit]] - evidence
        return np.asarray(behind > np.maximum(BEHIND, MORE * gain))
