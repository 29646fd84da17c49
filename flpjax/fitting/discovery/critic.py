"""The critic: what the residuals of a fitted expression, and scores that its fit did not see, say against it.

Trends along what its parameters can't do come with standard errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.discovery.folds import Held, Sample, by_run, log_density
from flpjax.ladder.table import Floats
from flpjax.laws.grammar import Expression, Term, format_number
from flpjax.laws.law import Params


@dataclass(frozen=True, eq=False)
class Linearised:
    """A fitted expression at the checkpoints that count, and what small steps of its parameters do there.

    Trends are slopes of the residuals on what the expression lacks, made orthogonal to what it can already do (a score
    test), with standard errors that take the checkpoints of a run for one fact.

    Attributes:
        expression: The formula.
        params: Of the fit.
        loss: ``(row, domain)``.
        predicted: ``(row,)`` scores.
        residual: ``(row,)`` scores that were measured, less those.
        run: ``(row,)`` labels.
    """

    expression: Expression
    params: Params
    loss: Floats
    predicted: Floats
    residual: Floats
    run: NDArray[np.int64]

    @cached_property
    def height(self) -> Floats:
        """``(row,)`` of the logit link, σ(η)."""
        return (self.predicted - self.expression.chance) / self._range

    @cached_property
    def bend(self) -> Floats:
        """``(row, 1)`` by how much the score rises with the sum."""
        rise = np.ones(len(self.residual))
        if self.expression.link == "exponential":
            rise = self.predicted - self.expression.chance - float(self.params["floor"])
        elif self.expression.link == "logit":
            rise = self._range * self.height * (1.0 - self.height)
        return rise[:, None]

    @cached_property
    def jacobian(self) -> Floats:
        """``(row, p)``: constant, slopes, and what the link leaves free."""
        ones = np.ones((len(self.residual), 1))
        columns = np.hstack([ones, self.expression.features(self.loss)]) * self.bend
        if not self.expression.free:
            return columns
        return np.hstack([columns, self.height[:, None] if self.expression.link == "logit" else ones])

    @property
    def residual_sd(self) -> float:
        """With the parameters counted off, a fraction."""
        rows, used = self.jacobian.shape
        return float(np.sqrt((self.residual**2).sum() / max(rows - used, 1)))

    def trends(self, terms: tuple[Term, ...]) -> list[tuple[float, float]]:
        """:meth:`along` each of these terms, which are not there."""
        return [self.along(c) for c in (replace(self.expression, terms=terms).features(self.loss) * self.bend).T]

    def along(self, column: Floats) -> tuple[float, float]:
        """Points of score per s.d. of a feature ``(row,)``, and t; ``(0, 0)`` if the parameters can do all it can."""
        basis, upper = np.linalg.qr(self.jacobian / np.linalg.norm(self.jacobian, axis=0).clip(1e-12))
        basis = basis[:, abs(np.diag(upper)) > 1e-6]
        new = column - basis @ (basis.T @ column)
        square = float(new @ new)
        if square <= 1e-6 * float(column @ column) or square == 0.0:
            return 0.0, 0.0
        slope = float(new @ self.residual) / square
        error = float(np.linalg.norm(by_run(new * (self.residual - slope * new), self.run))) / square
        return 100.0 * slope * float(np.sqrt(square / len(new))), slope / error if error > 0 else 0.0

    def covariance(self) -> Floats:
        """Of the slopes, ``(term, term)``, by the sandwich with runs as units."""
        sums = by_run(self.jacobian * self.residual[:, None], self.run)
        bread = np.linalg.pinv(self.jacobian.T @ self.jacobian, rcond=1e-10, hermitian=True)
        slopes = slice(1, 1 + len(self.expression.terms))
        return (bread @ sums.T @ sums @ bread)[slopes, slopes]

    @cached_property
    def _range(self) -> float:
        """Of the logit link, from chance to the ceiling."""
        return float(self.expression.constants(self.params)["ceiling"]) - self.expression.chance


CLEAR = 2.0  # standard errors from which on a trend is a finding
SCANNED = 3.0  # the same for the best of many
KNOTS = tuple(0.1 * i for i in range(1, 10))  # quantiles of a loss at which hinges are looked for

Kind = Literal["curvature", "domain", "bend", "product", "top", "spread", "bounds", "sign", "undetermined", "fit"]


class Finding(NamedTuple):
    """One deficiency of an expression that the critic found."""

    kind: Kind
    words: str
    number: float  # points of score (of a trend: per s.d. of the term), a ratio or a share, as `words` says
    strength: float = 0.0  # |estimate| in standard errors; 0 where there is no standard error
    term: Term | None = None  # the term to be added (kinds domain, bend, product) or dropped (sign, undetermined)


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
            what = f"slope of {at.expression.term_words(term)} undetermined, {format_number(slope, '.2g')} ± {sd:.2g}"
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
    return f"{format_number(points, '+.2f')} points"


def _t(t: float) -> str:
    return f"t = {format_number(t, '.1f')}"
