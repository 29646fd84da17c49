"""How far rows depart from the laws that were found, as a Gaussian process of their features (Kennedy & O'Hagan 2001).

Residuals of a law that is a little wrong are alike where features are. If their probability says so, against that of
residuals which are noise, forecasts hold what the rows nearby departed by; far from all rows it fades away. Where
residuals are noise, there is no departure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flpjax.fitting.lawsearch.structure import Floats

LENGTHS = (0.3, 0.6, 1.2, 2.5)
"""In s.d. of the features: over how much departures stay alike."""
RATIOS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Variance of departures over that of the noise."""
EVIDENCE = 2.0  # by which the log probability of residuals must rise: what two numbers are worth, as Akaike has it
CORNER = 4.0  # robust s.d.: a residual beyond counts as this
TINY = 1e-300


class Departure(NamedTuple):
    """A Gaussian process of each cell's residuals; length and ratio are shared.

    Attributes:
        length: In s.d. of the features.
        ratio: Its variance over that of the noise.
        at: ``(cell,)`` of ``(row, feature)`` in s.d.: where residuals were measured.
        weights: ``(cell,)`` of ``(row,)``.
    """

    length: float
    ratio: float
    at: tuple[Floats, ...]
    weights: tuple[Floats, ...]

    def __str__(self) -> str:
        return f"what rows depart from them by, alike over {self.length:g} s.d. of the features"

    def mean(self, cell: int, x: Floats) -> Floats:
        """``(row,)`` what is expected at ``x`` ``(row, feature)``, in s.d."""
        return np.asarray(self.ratio * _alike(x, self.at[cell], self.length) @ self.weights[cell])


def departure_of(at: Sequence[Floats], residuals: Sequence[Floats]) -> Departure | None:
    """The departure that residuals show; None if they may be noise.

    Args:
        at: ``(cell,)`` of ``(row, feature)`` in s.d.
        residuals: ``(cell,)`` of ``(row,)``, measured minus law.
    """
    rows = [_without_odd(r) for r in residuals]
    best, most = (0.0, 0.0), sum(_log_probability(np.ones(len(r)), r) for r in rows) + EVIDENCE
    for length in LENGTHS:
        spectra = [np.linalg.eigh(_alike(x, x, length)) for x in at]
        turned = [vectors.T @ r for (_, vectors), r in zip(spectra, rows, strict=True)]
        for ratio in RATIOS:
            variances = [1.0 + ratio * np.maximum(values, 0.0) for values, _ in spectra]
            evidence = sum(_log_probability(v, r) for v, r in zip(variances, turned, strict=True))
            if evidence > most:
                best, most = (length, ratio), evidence
    length, ratio = best
    if not ratio:
        return None
    weights = (np.linalg.solve(ratio * _alike(x, x, length) + np.eye(len(x)), r) for x, r in zip(at, rows, strict=True))
    return Departure(length, ratio, tuple(at), tuple(np.asarray(w) for w in weights))


def _alike(x: Floats, other: Floats, length: float) -> Floats:
    """``(row, other)`` correlation, Matérn 3/2."""
    squared = np.sum(x**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2.0 * x @ other.T
    away = np.sqrt(3.0 * np.maximum(squared, 0.0)) / length
    return np.asarray((1.0 + away) * np.exp(-away))


def _log_probability(variance: Floats, residual: Floats) -> float:
    """Of independent residuals, variances known up to the factor that makes them most probable."""
    noise = np.mean(residual**2 / variance)
    return -0.5 * float(np.log(variance).sum() + len(residual) * np.log(noise + TINY))


def _without_odd(residual: Floats) -> Floats:
    most = CORNER * 1.48 * np.median(np.abs(residual))
    return np.clip(residual, -most, most) if most > 0.0 else residual
