"""Measurements regressed on a law with its departures: how probable they are, what it forecasts, what stays open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.plan.beliefs import Floats, Points, departures, nearby
from benchmarks.plan.evidence import log_evidence
from benchmarks.plan.fits import Fits
from flpjax.fitting.lawsearch.folds import Folds
from flpjax.fitting.lawsearch.problem import Problem
from flpjax.fitting.lawsearch.trials import CORNER


class Part(NamedTuple):
    """One law with a discrepancy of one amplitude, a local departure, and one noise.

    Attributes:
        law: Fitted.
        amplitude: ``(output,)`` of the discrepancy, in the unit of the residuals.
        local: ``(output,)`` of the local departure, likewise.
        noise: ``(output,)`` s.d. of residuals.
        log_weight: Not normalised.
    """

    law: Fits
    amplitude: Floats
    local: Floats
    noise: Floats
    log_weight: float


class Measured(NamedTuple):
    """What was measured, and where.

    Attributes:
        rows: Of all rows, those that were measured, in the order of the search.
        y: ``(output, measured row)`` in the space of the residuals.
        scale: ``(output,)`` what relative errors are multiplied by in that space.
        along: ``(row, cell)`` of a discrepancy of amplitude 1, at all rows.
        near: ``(row, cell)`` of a local departure of amplitude 1, likewise.
        folds: Of the measured rows.
    """

    rows: list[int]
    y: Floats
    scale: Floats
    along: Floats
    near: Floats
    folds: Folds

    @classmethod
    def of(cls, problem: Problem, points: Points, rows: Sequence[int]) -> Measured:
        """The measured rows of a search, among all."""
        log = problem.space == "log"
        y = np.log(problem.y) if log else problem.y
        scale = np.ones(len(y)) if log else np.abs(problem.level)
        along, near = (basis(problem.axes, points.columns) for basis in (departures, nearby))
        return cls(list(rows), y, scale, along, near, problem.folds)

    def log_evidence(self, part: Part, output: int) -> float:
        """How probable one output is; the noise of rows that lie far from the law is larger."""
        value, slope = part.law.value[0, output, self.rows], part.law.slope[0, output][self.rows]
        noise = part.noise[output] / np.sqrt(self._robust(part, 0, output))
        basis = self._departure(part, output)[self.rows]
        return log_evidence(value, slope, part.law.away[0, output], basis, noise, self.y[output])

    def forecast(self, part: Part, fold: int, output: int) -> Floats:
        """``(row,)`` the law and its departures, given a fold's rows."""
        design, _, moved = self._regression(part, fold, output)
        return np.asarray(part.law.value[fold, output] + design @ moved)

    def deviations(self, part: Part, fold: int, output: int) -> Floats:
        """``(number, row)`` whose sums of squares are the variances that are left."""
        design, root, _ = self._regression(part, fold, output)
        return np.asarray(root @ design.T)

    def _departure(self, part: Part, output: int) -> Floats:
        """``(row, cell)`` of both departures, by weights whose priors are standard normal."""
        along = part.amplitude[output] * self.along
        local = part.local[output]
        return np.concatenate([along, local * self.near], axis=1) if local > 0 else along

    def _robust(self, part: Part, fold: int, output: int) -> Floats:
        """``(measured row,)`` weights of the Huber loss: a row is odd if neither noise nor its neighbourhood tells."""
        rest = np.abs(self.y[output] - part.law.value[fold, output, self.rows])
        sd = np.hypot(part.noise[output], part.local[output])
        return np.minimum(1.0, CORNER / np.maximum(rest / sd, 1e-9))

    def _regression(self, part: Part, fold: int, output: int) -> tuple[Floats, Floats, Floats]:
        """The design ``(row, number)``, a root of the covariance of the numbers, and by how much they move."""
        law, departure = part.law, self._departure(part, output)
        design = np.concatenate([law.slope[fold, output], departure], axis=1)
        rest = self.y[output] - law.value[fold, output, self.rows]
        here = design[self.rows]
        seen = here * (self.folds.seen[fold] * self._robust(part, fold, output))[:, None] / part.noise[output] ** 2
        precision = seen.T @ here + np.eye(design.shape[1])
        centre = np.concatenate([-law.away[fold, output], np.zeros(departure.shape[1])])
        root = np.linalg.inv(np.linalg.cholesky(precision))
        return design, root, root.T @ (root @ (seen.T @ rest + centre))
