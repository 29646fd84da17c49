"""The critic: what the residuals of a fitted expression, and scores that its fit did not see, say against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.discovery.folds import Held, Sample, log_density
from flpjax.fitting.discovery.trends import Linearised
from flpjax.ladder.table import Floats
from flpjax.laws.grammar import Expression, Term, figure
from flpjax.laws.law import Params

CLEAR = 2.0  # standard errors from which on a trend is a finding
SCANNED = 3.0  # the same for the best of many
KNOTS = tuple(0.1 * i for i in range(1, 10))  # quantiles of a loss at which hinges are looked for

Kind = Literal["curvature", "domain", "bend", "product", "top", "spread", "bounds", "sign", "undetermined", "fit"]


class Finding(NamedTuple):
    """One thing that the critic holds against an expression."""

    kind: Kind
    words: str
    number: float  # points of score (of a trend: per s.d. of the term), a ratio, or a share: the words say
    strength: float = 0.0  # standard errors from nothing, or 0 where there are none
    term: Term | None = None  # that is missing, or that is not earned


@dataclass(frozen=True, eq=False)
class Criticism:
    """What the critic says of one fitted expression.

    Attributes:
        held: The held-out log score.
        pointwise: ``(fold, row)`` log densities, NaN where a fold does not test.
        run: ``(row,)`` labels.
        rolling: ``(fold,)`` which folds hold out the largest runs.
        findings: The strongest first.
    """

    held: Held
    pointwise: Floats
    run: NDArray[np.int64]
    rolling: NDArray[np.bool_]
    findings: tuple[Finding, ...]

    def ahead_of(self, other: Criticism) -> Held:
        """By how much this log score is better, checkpoint by checkpoint: what is hard for both counts for none."""
        return Held.of(self.pointwise - other.pointwise, self.run, self.rolling)


def criticise(expression: Expression, params: Params, sample: Sample, predicted: Floats) -> Criticism:
    """Judge a fitted expression.

    Args:
        expression: The fitted formula.
        params: Of the fit to all runs.
        sample: The checkpoints, and the folds.
        predicted: ``(1 + fold, row)`` by the fit to all runs, and by each fold's.
    """
    _, loss, y, run, keep, folds = sample
    pointwise = log_density(predicted[1:], sample, 1 + len(expression.terms))
    held = Held.of(pointwise, run, folds.rolling)
    at = Linearised(expression, params, loss[keep], predicted[0, keep], (y - predicted[0])[keep], run[keep])
    tested = np.isfinite(pointwise)
    beyond = np.where(tested, y - predicted[1:], np.nan)[folds.rolling]
    seen = np.concatenate([at.predicted, predicted[1:][tested]])
    findings = [*_missing(at), *_signs(at), *_undetermined(at), *_spread(at), *_top(beyond, run), *_bounds(at, seen)]
    findings.sort(key=lambda f: -f.strength)
    return Criticism(held, pointwise, run, folds.rolling, tuple(findings))


def _missing(at: Linearised) -> Iterator[Finding]:
    """Curvature along the prediction, and trends with terms that the expression lacks."""
    unit = (at.predicted - at.predicted.mean()) / max(float(at.predicted.std()), 1e-9)
    points, t = at.along(unit**2)
    if abs(t) >= CLEAR:
        what = f"residuals bend {'up' if t > 0 else 'down'} along the prediction"
        yield Finding("curvature", f"{what}, {_points(points)} ({_t(t)})", points, abs(t))
    names = at.expression.domains
    z = (at.loss - np.array(at.expression.centre)) / np.array(at.expression.spread)
    scans: list[tuple[Kind, float, list[Term]]] = [
        *(("domain", CLEAR, [Term("domain", (n,))]) for n in names),
        *(("product", SCANNED, [Term("product", pair)]) for pair in combinations(names, 2)),
    ]
    for i, n in enumerate(names):
        knots = dict.fromkeys(round(float(q), 1) for q in np.quantile(z[:, i], KNOTS))
        scans.append(("bend", SCANNED, [Term("hinge", (n,), k) for k in knots]))
    for kind, clear, terms in scans:
        lacking = tuple(t for t in terms if t not in at.expression.terms)
        if not lacking:
            continue
        trends = dict(zip(lacking, at.trends(lacking), strict=True))
        term = max(trends, key=lambda t: abs(trends[t][0]))  # what would lower the sum of squares most
        points, t = trends[term]
        if abs(t) >= clear:
            where = f"trend with {at.expression.term_words(term)}"
            if kind == "bend":
                where = f"bend at {term.names[0]} {at.expression.knot_of(term):.3g}"
            yield Finding(kind, f"{where}, {_points(points)} ({_t(t)})", points, abs(t), term)


def _signs(at: Linearised) -> Iterator[Finding]:
    """Scores that rise with a loss."""
    slopes, covariance = np.asarray(at.params["slopes"], np.float64), at.covariance()
    for i, name in enumerate(at.expression.domains):
        step = np.zeros(at.loss.shape[1])
        step[i] = 1e-4 * at.expression.spread[i]
        gradient = (at.expression.features(at.loss + step) - at.expression.features(at.loss - step)).mean(0) / 2e-4
        rise, sd = float(gradient @ slopes), float(np.sqrt(max(gradient @ covariance @ gradient, 0.0)))
        points = 100.0 * rise * float(at.bend.mean())
        if rise > CLEAR * sd and points > 0.1:
            t = rise / sd if sd > 0 else 0.0
            own = next((term for term in at.expression.terms if name in term.names), None)
            yield Finding("sign", f"score rises with loss of {name}, {_points(points)} ({_t(t)})", points, t, own)


def _undetermined(at: Linearised) -> Iterator[Finding]:
    """Slopes that the runs leave open."""
    slopes, error = np.asarray(at.params["slopes"], np.float64), np.sqrt(np.diag(at.covariance()).clip(0.0))
    for term, slope, sd in zip(at.expression.terms, slopes, error, strict=True):
        if abs(slope) < sd and len(slopes) > 1:
            what = f"slope of {at.expression.term_words(term)} undetermined, {figure(slope, '.2g')} ± {sd:.2g}"
            yield Finding("undetermined", what, float(slope), term=term)


def _spread(at: Linearised) -> Iterator[Finding]:
    """Variance that depends on the prediction."""
    upper = at.predicted > np.median(at.predicted)
    if not upper.all() and upper.any():
        ratio = float(at.residual[upper].std() / max(at.residual[~upper].std(), 1e-9))
        if not 0.5 < ratio < 2.0:
            yield Finding("spread", f"residuals of high scores vary {ratio:.1f} times as much as of low ones", ratio)


def _top(residual: Floats, run: NDArray[np.int64]) -> Iterator[Finding]:
    """The largest runs, held out: mean residual ``(fold, row)``, NaN where a fold does not test."""
    held = Held.of(residual, run, np.ones(len(residual), bool))
    t = held.mean / held.stderr if held.stderr > 0 else 0.0
    if abs(t) >= CLEAR:
        way, points = "under" if t > 0 else "over", 100.0 * held.mean
        what = f"largest runs, held out, {way}-predicted by {abs(points):.1f} points ({_t(t)})"
        yield Finding("top", what, points, abs(t))


def _bounds(at: Linearised, seen: Floats) -> Iterator[Finding]:
    """Predictions that can't be scores, among all those that were made."""
    outside = float(((seen < at.expression.chance - 2 * at.residual_sd) | (seen > 1.0)).mean())
    if outside > 0:
        yield Finding("bounds", f"{outside:.0%} of its predictions are below chance or above 1", outside)


def _points(points: float) -> str:
    return f"{figure(points, '+.2f')} points"


def _t(t: float) -> str:
    return f"t = {figure(t, '.1f')}"
