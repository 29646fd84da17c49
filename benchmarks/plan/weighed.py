"""Laws, each with its departures, weighed by their evidence, by hold-outs towards the target, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from benchmarks.plan.beliefs import AMPLITUDE, NOISE, Floats, Points, joint
from benchmarks.plan.fits import Fits
from benchmarks.plan.measured import Measured, Part
from flpjax.fitting.averaging.hyperpriors import OF
from flpjax.fitting.lawsearch.members import weighted_median
from flpjax.fitting.lawsearch.problem import Problem
from flpjax.fitting.lawsearch.trials import FLOOR, PRICE
from flpjax.results.selection.conditioning import Joint

Rule = Literal["evidence", "hold-outs", "both"]
SPREAD = (1.0 / 3.0, 1.0, 3.0)  # of discrepancies, about the median of ladders of the past
PRIOR = np.exp(-0.5 * (np.log(SPREAD) / OF["log"].amplitude_prior[1]) ** 2)
LOCAL = (0.0, 0.01, 0.04)  # amplitudes of local departures, of log losses: none, of reruns' size, of a wrong law's
STEPS = np.linspace(-1.0, 2.0, 7)  # of noises, in s.d. about the median of ladders of the past
LOUD = np.exp(OF["log"].noise_prior[1] * STEPS)
LIKELY = np.exp(-0.5 * STEPS**2)
TO_SD = 1.4826  # median absolute residual → s.d., if normal
WIDTH, WIDTHS = np.log(2.0), 256  # s.d. of the logarithm of the priors' widths, which are guesses; draws of it
LEAST_SHARE = 0.02  # of the largest weight: laws with less are left out


class Weighed(NamedTuple):
    """A law with its departures, its forecasts, and its weight in the average.

    Attributes:
        part: The law.
        forecast: ``(output, row)``.
        weight: Of all, they sum to 1.
    """

    part: Part
    forecast: Floats
    weight: float


def weighed(
    laws: Sequence[Fits], problem: Problem, points: Points, measured: Sequence[int], rng: np.random.Generator
) -> dict[Rule, list[Weighed]]:
    """Each law with departures of each amplitude, weighed by what was measured, by each rule.

    By their evidence; by what they err by on hold-outs towards the target; and by the mean of both weights.

    Args:
        laws: Fitted.
        problem: The measured rows, in the order of the search.
        points: All rows.
        measured: The same by number.
        rng: For what evidences err by.
    """
    laws = [law for law in laws if np.isfinite(law.value).all() and np.isfinite(law.slope).all()]
    here = Measured.of(problem, points, measured)
    evidence, hold_outs = shares_of_evidence(by_evidence(laws, here), rng), _shares(by_hold_outs(laws, here))
    both = [(part, 0.5 * share) for part, share in (*evidence, *hold_outs)]
    forecasts: dict[int, Floats] = {}

    def kept(shares: list[tuple[Part, float]]) -> list[Weighed]:
        most = max(share for _, share in shares)
        some = [(part, share) for part, share in shares if share >= LEAST_SHARE * most]
        for part, _ in some:
            if id(part) not in forecasts:
                forecasts[id(part)] = np.stack([here.forecast(part, 0, k) for k in range(len(here.y))])
        total = sum(share for _, share in some)
        return [Weighed(part, forecasts[id(part)], share / total) for part, share in some]

    return {"evidence": kept(evidence), "hold-outs": kept(hold_outs), "both": kept(both)}


def _shares(parts: list[Part]) -> list[tuple[Part, float]]:
    """Each with its share of all weights."""
    share = np.exp(np.array([p.log_weight for p in parts]) - max(p.log_weight for p in parts))
    return list(zip(parts, (share / share.sum()).tolist(), strict=True))


def shares_of_evidence(parts: list[Part], rng: np.random.Generator) -> list[tuple[Part, float]]:
    """Each with its share of all weights, expected over what evidences err by.

    A number that the rows determine costs a law the logarithm of its prior's width. Widths are guesses, within a factor
    of two, and those of a law are the same for all outputs: where rows are few, evidences err by as much as laws
    differ, and the most probable one must not have it all; where they are many, it is nothing.
    """
    laws = {id(p.law): p.law for p in parts}
    sd = [WIDTH * np.sqrt(law.numbers) * law.value.shape[1] for law in laws.values()]
    error = dict(zip(laws, (rng.standard_normal((WIDTHS, len(laws))) * sd).T, strict=True))
    log_weight = np.stack([p.log_weight + error[id(p.law)] for p in parts], axis=1)  # (draw, part)
    share = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return list(zip(parts, (share / share.sum(axis=1, keepdims=True)).mean(axis=0).tolist(), strict=True))


def by_evidence(laws: Sequence[Fits], here: Measured) -> list[Part]:
    """Each law with each amplitude and each noise by its evidence; of many that were tried, each has less prior."""
    found = []
    grid = list(product(zip(SPREAD, PRIOR, strict=True), zip(LOUD, LIKELY, strict=True), LOCAL))
    for law in laws:
        outputs = law.value.shape[1]
        scale = here.scale[:outputs]
        for (times, prior), (loud, likely), local in grid:
            part = Part(law, times * AMPLITUDE * scale, local * scale, loud * NOISE * scale, 0.0)
            evidence = sum(here.log_evidence(part, k) for k in range(outputs))
            found.append(part._replace(log_weight=float(evidence + np.log(prior * likely / law.tried))))
    return found


def by_hold_outs(laws: Sequence[Fits], here: Measured) -> list[Part]:
    """Each law with each amplitude by what it errs by on the folds."""
    folds, found, prices, scatter = here.folds, [], [], []
    for law in laws:
        outputs = law.value.shape[1]
        scale = here.scale[:outputs]
        noise = _noise(here.y[:outputs] - law.value[0][:, here.rows], law.numbers, NOISE * scale)
        for (times, prior), local in product(zip(SPREAD, PRIOR, strict=True), LOCAL):
            part = Part(law, times * AMPLITUDE * scale, local * scale, noise, float(np.log(prior)))
            forecasts = np.stack(
                [[here.held_out(part, f, k) for k in range(outputs)] for f in range(1, len(folds.seen))]
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


def _noise(residual: Floats, numbers: float, before: Floats) -> Floats:
    """``(output,)`` s.d. of residuals ``(output, row)``, robust: of a law that bent to the rows they are too small.

    Rows that its numbers leave free count, beside one row's worth of what ladders of the past had: a scaled inverse χ²
    prior of that weight is about as wide as theirs.
    """
    free = max(residual.shape[1] - numbers, 0.0)
    squares = (TO_SD * np.median(np.abs(residual), axis=1)) ** 2 * residual.shape[1]
    return np.asarray(np.sqrt((squares + before**2) / (free + 1.0)))


def median_of(laws: Sequence[Weighed]) -> Floats:
    """``(output, row)`` forecasts: the median of the laws, by weight."""
    return weighted_median(np.array([law.forecast for law in laws]), np.array([law.weight for law in laws]))


def after(laws: Sequence[Weighed], problem: Problem, points: Points, measured: Sequence[int]) -> Joint:
    """What the weighed laws leave open of all rows: each one's numbers and departures, and where they differ."""
    here = Measured.of(problem, points, measured)
    weight = np.array([law.weight for law in laws])
    rows = []
    for k in range(points.outputs):
        own = [np.sqrt(law.weight) * here.deviations(law.part, 0, k) for law in laws]
        values = np.array([law.forecast[k] for law in laws])
        rows.append(np.concatenate([*own, np.sqrt(weight)[:, None] * (values - weight @ values)]))
    noise = np.sqrt(weight @ np.array([law.part.noise for law in laws]) ** 2)
    return joint(rows, points, noise)
