"""How far new rows may be from what a found law says: noise, numbers that rows leave open, errors beyond the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from flpjax.fitting.lawsearch.members import weighted_median
from flpjax.fitting.lawsearch.powersum import LEAST
from flpjax.fitting.lawsearch.problem import Problem
from flpjax.fitting.lawsearch.structure import Axis, Floats, Structure, basis, in_sd

SUM_TO_ONE = 1e4  # how much weight that weights sum to 1 has, beside coordinates in s.d.
INSIDE = 1e-4  # s.d.: a row no further off than this is among the others
HELD_OUT = 100  # rows of a fold, whose distances are measured
GROWTHS = np.geomspace(0.03, 300.0, 61)
"""Of errors, in units of the noise per s.d. of distance, all as probable."""
LIKE_ROWS = 4.0  # as how many rows that know nothing of each other a fold counts
UPPER = 0.84  # of the probability
FARTHEST = 60.0  # of a held-out error, in units of the noise
FREEDOM = 4.0  # of Student's t of what is measured about the laws
SCALE2 = (FREEDOM - 2.0) / FREEDOM  # squared scale of one whose s.d. is 1


def scatter(problem: Problem, noise: Floats, size: float) -> Floats:
    """``(cell,)`` s.d. of new rows: that of residuals is too small by ``√((n − p) / n)``.

    Args:
        problem: All rows.
        noise: ``(cell,)`` s.d. of residuals.
        size: Numbers of the law, p.
    """
    rows = problem.weight.sum(axis=1)
    return np.asarray(noise * np.sqrt(rows / np.maximum(rows - size, 1.0)))


def freedom(problem: Problem, structure: Structure, vector: Floats, noise: float, cell: int, x: Floats) -> Floats:
    """``(row,)`` variance of a law because its numbers are not known, by Laplace's approximation.

    Args:
        problem: All rows.
        structure: The law.
        vector: ``(slot,)`` its numbers, of which priors are standard normal.
        noise: S.d. of a row about it.
        cell: Where it was fitted.
        x: ``(feature, row)`` where it is asked.
    """
    own = problem.columns[cell][:, problem.weight[cell] > 0]
    here, there = _slopes(problem, structure, vector, own) / noise, _slopes(problem, structure, vector, x)
    precision = here.T @ here + np.eye(structure.size)
    return np.asarray((there * np.linalg.solve(precision, there.T).T).sum(axis=1))


def _slopes(problem: Problem, structure: Structure, vector: Floats, x: Floats) -> Floats:
    """``(row, slot)`` derivatives of a law, or of its logarithm where residuals are logarithms, by its numbers."""
    value, parts, at = np.zeros(x.shape[1]), [], 0
    for term in structure.terms:
        features = np.stack([basis(problem.axes, x, m) for m in (None, *term.monomials)], axis=1)
        inside = features @ vector[at : at + features.shape[1]]
        at += features.shape[1]
        part = term.sign * np.exp(np.clip(inside, -60.0, 60.0)) if term.sign else np.ones_like(inside)
        value += part if term.sign else inside
        parts.append(part[:, None] * features)
    slopes = np.hstack(parts)
    return slopes if problem.signed else slopes / np.maximum(value, LEAST)[:, None]


def growth_of(problem: Problem, residuals: Floats, weight: Floats) -> float:
    """By how much of the noise errors grow per s.d. beyond the rows, as the hold-outs show it.

    A law that is a little wrong errs in proportion to how far it is carried on. Of its probability by what was held
    out, each fold counting as a few rows, since its errors are alike, the end of one s.d. upwards is taken: the laws
    were chosen by the same hold-outs.

    Args:
        problem: The rows.
        residuals: ``(fold, law, cell, row)`` of laws that were fitted to a fold's rows, in units of the noise.
        weight: ``(law,)`` they sum to 1.
    """
    found = np.nan_to_num(residuals, nan=FARTHEST, posinf=FARTHEST, neginf=-FARTHEST).clip(-FARTHEST, FARTHEST)
    found = np.moveaxis(found, 1, 0)
    middle = weighted_median(found, weight)
    between = np.tensordot(weight, (found - middle) ** 2, 1)
    widest = problem.columns[int(problem.weight.sum(axis=1).argmax())]  # the rows that folds are of
    logs = np.zeros(len(GROWTHS))
    for k, (seen, ahead) in enumerate(zip(problem.folds.seen, problem.folds.ahead, strict=True)):
        out = np.flatnonzero(ahead)
        out = out[:: 1 + len(out) // HELD_OUT]
        there = problem.weight[:, out] > 0
        if not there.any():
            continue
        away = _beyond(problem.axes, widest[:, seen > 0], widest[:, out])
        variance = 1.0 + between[k][:, out] + (GROWTHS[:, None, None] * away) ** 2
        scaled = middle[k][:, out] ** 2 / (SCALE2 * variance)
        log_density = -0.5 * (FREEDOM + 1.0) * np.log1p(scaled / FREEDOM) - 0.5 * np.log(variance)
        logs += LIKE_ROWS * log_density[:, there].mean(axis=1)
    share = np.cumsum(np.exp(logs - logs.max()))
    return float(np.exp(np.interp(UPPER, share / share[-1], np.log(GROWTHS))))


def carried_on(problem: Problem, cell: int, x: Floats, growth: float) -> Floats:
    """``(row,)`` how much larger than the noise errors are: 1 among the rows, more beyond them.

    Args:
        problem: All rows.
        cell: Among whose rows, or beyond.
        x: ``(feature, row)`` of what is forecast.
        growth: Of errors, :func:`growth_of`.
    """
    return np.hypot(1.0, growth * _beyond(problem.axes, problem.columns[cell], x))


def _beyond(axes: Sequence[Axis], inside: Floats, x: Floats) -> Floats:
    """``(row,)`` how far ``x`` ``(feature, row)`` lies outside what rows ``inside`` enclose, in s.d. of all rows.

    Their convex hull: the largest model on the most tokens is new where either alone is not.
    """
    corners = np.unique(in_sd(axes, inside), axis=0)
    of_means = np.vstack([corners.T, np.full(len(corners), SUM_TO_ONE)])  # a row inside is a mean of others
    asked, which = np.unique(in_sd(axes, x), axis=0, return_inverse=True)
    away = np.array([nnls(of_means, np.append(row, SUM_TO_ONE))[1] for row in asked])
    return np.where(away > INSIDE, away, 0.0)[which.ravel()]
