"""Laws, each with a discrepancy, weighed by their evidence, or by hold-outs towards the target."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from benchmarks.plan.beliefs import AMPLITUDE, NOISE, Floats, Points, departures, joint
from benchmarks.plan.evidence import log_evidence
from benchmarks.plan.fits import Fits
from flpjax.fitting.averaging.hyperpriors import OF
from flpjax.fitting.lawsearch.folds import Folds
from flpjax.fitting.lawsearch.found import weighted_median
from flpjax.fitting.lawsearch.trials import CORNER, FLOOR, PRICE, Problem
from flpjax.results.selection.conditioning import Joint

Rule = Literal["evidence", "hold-outs", "both"]
SPREAD = (1.0 / 3.0, 1.0, 3.0)  # of discrepancies, about the median of ladders of the past
PRIOR = np.exp(-0.5 * (np.log(SPREAD) / OF["log"].amplitude_prior[1]) ** 2)
LOUD = np.exp(OF["log"].noise_prior[1] * np.array([-1.0, 0.0, 1.0]))  # of noises, likewise
LIKELY = np.exp(-0.5 * np.array([1.0, 0.0, 1.0]))
LEAST_SHARE = 0.02  # of the largest weight: laws with less are left out


class Part(NamedTuple):
    """One law with a discrepancy of one amplitude, and one noise.

    Attributes:
        law: Fitted.
        amplitude: ``(output,)`` of the discrepancy, in the unit of the residuals.
        noise: ``(output,)`` s.d. of residuals.
        log_weight: Not normalised.
    """

    law: Fits
    amplitude: Floats
    noise: Floats
    log_weight: float


class Weighed(NamedTuple):
    """One of these, its forecasts, and its weight in the average.

    Attributes:
        law: Fitted.
        amplitude: ``(output,)`` of the discrepancy, in the unit of the residuals.
        noise: ``(output,)`` s.d. of residuals.
        forecast: ``(output, row)``.
        weight: Of all, they sum to 1.
    """

    law: Fits
    amplitude: Floats
    noise: Floats
    forecast: Floats
    weight: float


class Measured(NamedTuple):
    """What was measured, and where.

    Attributes:
        rows: Of all rows, those that were measured, in the order of the search.
        y: ``(output, measured row)`` in the space of the residuals.
        scale: ``(output,)`` what relative errors are multiplied by in that space.
        basis: ``(row, cell)`` of a discrepancy of amplitude 1, at all rows.
        folds: Of the measured rows.
    """

    rows: list[int]
    y: Floats
    scale: Floats
    basis: Floats
    folds: Folds

    @classmethod
    def of(cls, problem: Problem, points: Points, rows: Sequence[int]) -> Measured:
        """The measured rows of a search, among all."""
        log = problem.space == "log"
        y = np.log(problem.y) if log else problem.y
        scale = np.ones(len(y)) if log else np.abs(problem.level)
        return cls(list(rows), y, scale, departures(problem.axes, points.columns), problem.folds)

    def log_evidence(self, part: Part, output: int) -> float:
        """How probable one output is; the noise of rows that lie far from the law is larger."""
        value, slope = part.law.value[0, output, self.rows], part.law.slope[0, output][self.rows]
        noise = part.noise[output] / np.sqrt(self._robust(part, 0, output))
        basis = part.amplitude[output] * self.basis[self.rows]
        return log_evidence(value, slope, part.law.away[0, output], basis, noise, self.y[output])

    def forecast(self, part: Part, fold: int, output: int) -> Floats:
        """``(row,)`` the law and its discrepancy, given a fold's rows."""
        design, _, moved = self._regression(part, fold, output)
        return np.asarray(part.law.value[fold, output] + design @ moved)

    def deviations(self, part: Part, fold: int, output: int) -> Floats:
        """``(number, row)`` whose sums of squares are the variances that are left."""
        design, root, _ = self._regression(part, fold, output)
        return np.asarray(root @ design.T)

    def _robust(self, part: Part, fold: int, output: int) -> Floats:
        """``(measured row,)`` weights of the Huber loss."""
        rest = np.abs(self.y[output] - part.law.value[fold, output, self.rows])
        return np.minimum(1.0, CORNER / np.maximum(rest / part.noise[output], 1e-9))

    def _regression(self, part: Part, fold: int, output: int) -> tuple[Floats, Floats, Floats]:
        """The design ``(row, number)``, a root of the covariance of the numbers, and by how much they move."""
        law, noise = part.law, part.noise[output]
        design = np.concatenate([law.slope[fold, output], part.amplitude[output] * self.basis], axis=1)
        rest = self.y[output] - law.value[fold, output, self.rows]
        here = design[self.rows]
        seen = here * (self.folds.seen[fold] * self._robust(part, fold, output))[:, None] / noise**2
        precision = seen.T @ here + np.eye(design.shape[1])
        centre = np.concatenate([-law.away[fold, output], np.zeros(self.basis.shape[1])])
        root = np.linalg.inv(np.linalg.cholesky(precision))
        return design, root, root.T @ (root @ (seen.T @ rest + centre))


def weighed(
    laws: Sequence[Fits], problem: Problem, points: Points, measured: Sequence[int], rule: Rule = "evidence"
) -> list[Weighed]:
    """Each law with discrepancies of each amplitude, weighed by what was measured.

    Args:
        laws: Fitted.
        problem: The measured rows, in the order of the search.
        points: All rows.
        measured: The same by number.
        rule: By their evidence; by what they err by on hold-outs towards the target; or by the mean of both weights.
    """
    laws = [law for law in laws if np.isfinite(law.value).all() and np.isfinite(law.slope).all()]
    here = Measured.of(problem, points, measured)
    rules = ("evidence", "hold-outs") if rule == "both" else (rule,)
    found: list[tuple[Part, float]] = []
    for each in rules:
        parts = by_evidence(laws, here) if each == "evidence" else by_hold_outs(laws, here)
        share = np.exp(np.array([p.log_weight for p in parts]) - max(p.log_weight for p in parts))
        found += [(p, float(s / share.sum()) / len(rules)) for p, s in zip(parts, share, strict=True)]
    most = max(share for _, share in found)
    kept = [(part, share) for part, share in found if share >= LEAST_SHARE * most]
    total = sum(share for _, share in kept)
    return [
        Weighed(p.law, p.amplitude, p.noise, np.stack([here.forecast(p, 0, k) for k in range(len(here.y))]), s / total)
        for p, s in kept
    ]


def by_evidence(laws: Sequence[Fits], here: Measured) -> list[Part]:
    """Each law with each amplitude and each noise by its evidence; of many that were tried, each has less prior."""
    found = []
    for law in laws:
        outputs = law.value.shape[1]
        for (times, prior), (loud, likely) in product(zip(SPREAD, PRIOR, strict=True), zip(LOUD, LIKELY, strict=True)):
            wide, noise = times * AMPLITUDE * here.scale[:outputs], loud * NOISE * here.scale[:outputs]
            part = Part(law, wide, noise, 0.0)
            evidence = sum(here.log_evidence(part, k) for k in range(outputs))
            found.append(part._replace(log_weight=float(evidence + np.log(prior * likely / law.tried))))
    return found


def by_hold_outs(laws: Sequence[Fits], here: Measured) -> list[Part]:
    """Each law with each amplitude by what it errs by on the folds."""
    folds, found, prices, scatter = here.folds, [], [], []
    for law in laws:
        outputs = law.value.shape[1]
        scale = here.scale[:outputs]
        rest = np.abs(here.y[:outputs] - law.value[0][:, here.rows])
        noise = np.maximum(1.48 * np.median(rest, axis=1), 0.2 * NOISE * scale)
        for times, prior in zip(SPREAD, PRIOR, strict=True):
            part = Part(law, times * AMPLITUDE * scale, noise, float(np.log(prior)))
            forecasts = np.stack(
                [[here.forecast(part, f, k)[here.rows] for k in range(outputs)] for f in range(1, len(folds.seen))]
            )
            errors = np.abs(forecasts - here.y[:outputs])  # (fold, output, row)
            ahead = folds.ahead[1:, None]
            mean = (errors * ahead).sum(axis=2) / ahead.sum(axis=2) + FLOOR * noise
            prices.append(float(np.exp(np.log(mean).mean()) * (1.0 + PRICE * law.numbers)))
            found.append(part)
            widest = errors[-1][:, folds.ahead[-1]]
            scatter.append(float(np.mean(widest.std(axis=1) / (widest.mean(axis=1) * np.sqrt(widest.shape[1])))))
    # a mean held-out error is known so well, and the least of many is less than what it stands for
    unsure = scatter[int(np.argmin(prices))]
    paid = np.array(
        [p * (1.0 + unsure * np.sqrt(2.0 * np.log(f.law.tried))) for p, f in zip(prices, found, strict=True)]
    )
    away = (paid / paid.min() - 1.0) / unsure
    return [f._replace(log_weight=float(f.log_weight - a)) for f, a in zip(found, away, strict=True)]


def median_of(laws: Sequence[Weighed]) -> Floats:
    """``(output, row)`` forecasts: the median of the laws, by weight."""
    return weighted_median(np.array([law.forecast for law in laws]), np.array([law.weight for law in laws]))


def after(laws: Sequence[Weighed], problem: Problem, points: Points, measured: Sequence[int]) -> Joint:
    """What the weighed laws leave open of all rows: each one's numbers and discrepancy, and where they differ."""
    here = Measured.of(problem, points, measured)
    weight = np.array([law.weight for law in laws])
    rows = []
    for k in range(points.outputs):
        own = [np.sqrt(law.weight) * here.deviations(Part(*law[:3], 0.0), 0, k) for law in laws]
        values = np.array([law.forecast[k] for law in laws])
        rows.append(np.concatenate([*own, np.sqrt(weight)[:, None] * (values - weight @ values)]))
    noise = weight @ np.array([law.noise for law in laws])
    return joint(rows, points, noise)
