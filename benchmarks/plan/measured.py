"""Measurements regressed on a law with its departures: how probable they are, what it forecasts, what stays open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from benchmarks.plan.beliefs import Floats, Points, departures, nearby
from benchmarks.plan.evidence import log_density
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


@dataclass(frozen=True, eq=False)
class Measured:
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

    @cached_property
    def _shared(self) -> tuple[Floats, Floats]:
        """``(row, measured row)`` covariances of both departures, of amplitude 1."""
        along, near = self.along @ self.along[self.rows].T, self.near @ self.near[self.rows].T
        return along, near

    def log_evidence(self, part: Part, output: int) -> float:
        """How probable one output is, residuals being Huber's: normal near the law, and with longer tails.

        A row that lies far off has a larger noise, at the price that Huber's loss asks of it: an s.d. of its own for
        each, free of charge, would make small noises probable of rows that scatter.
        """
        weight = self._robust(part, 0, output)
        price = 0.5 * (np.log(weight) + CORNER**2 * (1.0 / weight - 1.0)).sum()
        rows = np.array(self.rows)
        covariance = self._covariance(part, 0, output, rows)
        covariance[np.diag_indices(len(rows))] += part.noise[output] ** 2 / weight
        return log_density(self.y[output] - self._expected(part, 0, output, rows), covariance) - float(price)

    def forecast(self, part: Part, fold: int, output: int) -> Floats:
        """``(row,)`` the law and its departures, given a fold's rows."""
        return self._given(part, fold, output, np.arange(len(self.along)))

    def held_out(self, part: Part, fold: int, output: int) -> Floats:
        """``(measured row,)`` the same at the measured rows alone."""
        return self._given(part, fold, output, np.array(self.rows))

    def deviations(self, part: Part, fold: int, output: int) -> Floats:
        """``(number, row)`` whose sums of squares are the variances that are left."""
        along, local = part.amplitude[output] * self.along, part.local[output] * self.near
        design = np.concatenate([part.law.slope[fold, output], along, local], axis=1)
        here = design[self.rows]
        precision = (here * self._precision(part, fold, output)[:, None]).T @ here + np.eye(design.shape[1])
        return np.asarray(solve_triangular(np.linalg.cholesky(precision), design.T, lower=True))

    def _given(self, part: Part, fold: int, output: int, at: NDArray[np.intp]) -> Floats:
        """Forecasts at some rows by covariances of measured rows, which are fewer than the numbers of departures."""
        rows = np.array(self.rows)
        root = np.sqrt(self._precision(part, fold, output))
        total = root[:, None] * self._covariance(part, fold, output, rows) * root + np.eye(len(rows))
        rest = self.y[output] - self._expected(part, fold, output, rows)
        moved = root * np.linalg.solve(total, root * rest)
        return self._expected(part, fold, output, at) + self._covariance(part, fold, output, at) @ moved

    def _expected(self, part: Part, fold: int, output: int, at: NDArray[np.intp]) -> Floats:
        """The law where its priors lie, linear about its fit."""
        law = part.law
        return np.asarray(law.value[fold, output, at] - law.slope[fold, output, at] @ law.away[fold, output])

    def _covariance(self, part: Part, fold: int, output: int, at: NDArray[np.intp]) -> Floats:
        """``(row, measured row)`` by the law's priors and both departures, without noise."""
        along, near = self._shared
        slope = part.law.slope[fold, output]
        departure = part.amplitude[output] ** 2 * along[at] + part.local[output] ** 2 * near[at]
        return np.asarray(slope[at] @ slope[self.rows].T + departure)

    def _precision(self, part: Part, fold: int, output: int) -> Floats:
        """``(measured row,)`` of a fold's rows; 0 of those that it leaves out."""
        return self.folds.seen[fold] * self._robust(part, fold, output) / part.noise[output] ** 2

    def _robust(self, part: Part, fold: int, output: int) -> Floats:
        """``(measured row,)`` weights of the Huber loss: a row is odd if neither noise nor its neighbourhood tells."""
        rest = np.abs(self.y[output] - part.law.value[fold, output, self.rows])
        sd = np.hypot(part.noise[output], part.local[output])
        return np.minimum(1.0, CORNER / np.maximum(rest / sd, 1e-9))
