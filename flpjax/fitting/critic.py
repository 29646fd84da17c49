"""The critic: what the residuals of a fitted expression, and scores that its fit did not see, say against it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.forms.form import Params
from flpjax.forms.grammar import Expression, Term
from flpjax.runs.table import Floats, Runs

RUN_FOLDS = 5
CUTS = (1 / 2, 2 / 3, 5 / 6)  # shares of the ladder's levels of compute after which the rest is held out
CLEAR = 2.0  # standard errors from which on a trend is a finding
LEAST_SD = 1e-3  # of a score: without noise a density would have no end
FEWEST_RUNS = 2  # that train a fold, as for any fit
SCANNED = 3.0  # the same for the best of many
KNOTS = tuple(0.1 * i for i in range(1, 10))  # quantiles of a loss at which hinges are looked for

Kind = Literal["curvature", "domain", "bend", "product", "top", "spread", "bounds", "sign", "undetermined", "fit"]


class Finding(NamedTuple):
    """One thing that the critic holds against an expression."""

    kind: Kind
    words: str
    number: float  # points of score, a ratio, or a share: the words say
    strength: float  # standard errors from nothing, or 0 where there are none
    term: Term | None = None  # that is missing, or that is not earned


@dataclass(frozen=True, eq=False)
class Folds:
    """Which rows train and which test, alike for all tasks and expressions.

    Attributes:
        train: ``(fold, row)``.
        test: ``(fold, row)``.
        rolling: ``(fold,)`` whether the fold holds out the largest runs, of which it tests what lies beyond the compute
            it has seen; the others hold out runs at random.
    """

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    rolling: NDArray[np.bool_]

    @classmethod
    def of(cls, runs: Runs, rng: np.random.Generator) -> Folds:
        """Leave out each run once, at random, and the largest runs after each of :data:`CUTS`."""
        most = np.array([runs.flops[runs.run == i].max() for i in range(len(runs.names))])
        group = rng.permutation(len(most)) % min(RUN_FOLDS, len(most))
        test = [group == g for g in range(group.max() + 1)]
        level = np.unique(np.round(np.log10(most), 1), return_inverse=True)[1]
        levels = level.max() + 1
        for cut in sorted({round(share * levels) for share in CUTS} - {0, levels}):
            test.append(level >= cut)
        runs_out = np.array(test)
        rolling = np.arange(len(test)) > group.max()
        train = ~runs_out[:, runs.run]
        seen = np.array([runs.flops[t].max(initial=0.0) for t in train])
        beyond = ~rolling[:, None] | (runs.flops > seen[:, None])
        return cls(train, ~train & beyond, rolling)


class Held(NamedTuple):
    """A held-out log score: mean of the folds at random and of the rolling ones, nats per checkpoint."""

    mean: float
    stderr: float  # runs being the independent units

    @classmethod
    def of(cls, pointwise: Floats, run: NDArray[np.int64], rolling: NDArray[np.bool_]) -> Held:
        """From log densities, or differences of two, ``(fold, row)``, NaN where a fold does not test."""
        parts, pull = [], np.zeros(int(run.max()) + 1)
        kinds = [p for p in (pointwise[~rolling], pointwise[rolling]) if np.isfinite(p).any()]
        for part in kinds:
            tested = np.isfinite(part)
            parts.append(part[tested].mean())
            np.add.at(pull, run, np.where(tested, part - parts[-1], 0.0).sum(0) / tested.sum() / len(kinds))
        if not parts:
            return cls(float("nan"), float("nan"))
        units = max(len(np.unique(run[np.isfinite(pointwise).any(axis=0)])), 2)
        return cls(float(np.mean(parts)), float(np.sqrt((pull**2).sum() * units / (units - 1))))


@dataclass(frozen=True, eq=False)
class Criticism:
    """What the critic says of one fitted expression.

    Attributes:
        held: The held-out log score.
        random: Its part from runs left out at random, nats per checkpoint.
        rolling: Its part from the largest runs left out; NaN if no fold could.
        pointwise: ``(fold, row)`` log densities, NaN where a fold does not test.
        run: ``(row,)`` labels.
        by_size: ``(fold,)`` which folds are rolling ones.
        residual_sd: Of the fit to all runs, a fraction.
        findings: The strongest first.
    """

    held: Held
    random: float
    rolling: float
    pointwise: Floats
    run: NDArray[np.int64]
    by_size: NDArray[np.bool_]
    residual_sd: float
    findings: tuple[Finding, ...]

    def ahead_of(self, other: Criticism) -> Held:
        """By how much this log score is better, checkpoint by checkpoint: what is hard for both counts for none."""
        return Held.of(self.pointwise - other.pointwise, self.run, self.by_size)


def log_density(
    expression: Expression, predicted: Floats, y: Floats, keep: NDArray[np.bool_], folds: Folds, run: NDArray[np.int64]
) -> Floats:
    """Gaussian log density ``(fold, row)`` of what each fold left out, with the residual s.d. of what it trained on.

    Which folds count depends on the data alone, so that all expressions of a task are judged on the same rows.

    Args:
        expression: Its parameters are counted off the residuals' degrees of freedom.
        predicted: ``(fold, row)`` by the fit to the fold's training rows.
        y: ``(row,)`` scores.
        keep: ``(row,)`` the rows that count.
        folds: The folds.
        run: ``(row,)``.
    """
    density = np.full(predicted.shape, np.nan)
    for f, (train, test) in enumerate(zip(folds.train & keep, folds.test & keep, strict=True)):
        if len(np.unique(run[train])) < FEWEST_RUNS or not test.any():
            continue
        squares = ((predicted[f] - y)[train] ** 2).sum()
        sd = max(LEAST_SD, float(np.sqrt(squares / max(train.sum() - len(expression.terms) - 1, 1))))
        density[f, test] = -0.5 * ((predicted[f] - y)[test] / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    return density


def criticise(
    expression: Expression,
    params: Params,
    loss: Floats,
    y: Floats,
    run: NDArray[np.int64],
    keep: NDArray[np.bool_],
    predicted: Floats,
    folds: Folds,
) -> Criticism:
    """Judge a fitted expression.

    Trends are slopes of the residuals on what the expression lacks, made orthogonal to what it can already do (a score
    test), with standard errors that take the checkpoints of a run for one fact.

    Args:
        expression: The fitted formula.
        params: Of the fit to all runs.
        loss: ``(row, domain)``.
        y: ``(row,)`` scores; any number where a row does not count.
        run: ``(row,)`` labels.
        keep: ``(row,)`` the rows that count.
        predicted: ``(1 + fold, row)`` by the fit to all runs, and by each fold's.
        folds: The folds.
    """
    pointwise = log_density(expression, predicted[1:], y, keep, folds, run)
    random, rolling = (Held.of(pointwise[of], run, folds.rolling[of]).mean for of in (~folds.rolling, folds.rolling))
    at = _Fit(expression, params, loss[keep], predicted[0, keep], (y - predicted[0])[keep], run[keep])
    sd = float(np.sqrt((at.residual**2).sum() / max(keep.sum() - at.jacobian.shape[1], 1)))
    findings = [*_missing(at), *_coefficients(at), *_spread(at)]
    findings += _top((y - predicted[1:])[folds.rolling], np.isfinite(pointwise[folds.rolling]), run)
    seen = np.concatenate([predicted[0, keep], predicted[1:][np.isfinite(pointwise)]])
    outside = float(((seen < expression.chance - 2 * sd) | (seen > 1.0)).mean())
    if outside > 0:
        what = f"{outside:.0%} of its predictions are below chance or above 1"
        findings.append(Finding("bounds", what, outside, 0.0))
    order = sorted(findings, key=lambda f: -f.strength)
    held = Held.of(pointwise, run, folds.rolling)
    return Criticism(held, random, rolling, pointwise, run, folds.rolling, sd, tuple(order))


class _Fit:
    """One fit, with what its parameters can do to its predictions."""

    def __init__(
        self,
        expression: Expression,
        params: Params,
        loss: Floats,
        predicted: Floats,
        residual: Floats,
        run: NDArray[np.int64],
    ) -> None:
        self.expression, self.loss, self.predicted, self.residual, self.run = expression, loss, predicted, residual, run
        self.slopes = np.asarray(params["slopes"], np.float64)
        bend, free = np.ones(len(residual)), []
        if expression.link == "exponential":
            bend = predicted - expression.chance - float(params["floor"])
            free = [np.ones(len(residual))]
        elif expression.link == "logit":
            top = float(np.asarray(expression.constants(params)["ceiling"]))
            height = (predicted - expression.chance) / (top - expression.chance)
            bend = (top - expression.chance) * height * (1.0 - height)
            free = [height] if expression.free else []
        self.bend = bend[:, None]
        sums = np.column_stack([np.ones(len(residual)), expression.features(loss)]) * self.bend
        self.jacobian = np.column_stack([sums, *free])

    def trend(self, terms: tuple[Term, ...]) -> list[tuple[float, float]]:
        """For each term that is not there, points of score per s.d. of it in the residuals, and standard errors."""
        columns = (
            Expression(
                terms, self.expression.domains, centre=self.expression.centre, spread=self.expression.spread
            ).features(self.loss)
            * self.bend
        )
        return [self.along(column) for column in columns.T]

    def along(self, column: Floats) -> tuple[float, float]:
        """The same for a feature ``(row,)``; ``(0, 0)`` if the parameters can do all that it can."""
        basis, upper = np.linalg.qr(self.jacobian / np.linalg.norm(self.jacobian, axis=0).clip(1e-12))
        basis = basis[:, abs(np.diag(upper)) > 1e-6]
        new = column - basis @ (basis.T @ column)
        square = float(new @ new)
        if square <= 1e-6 * float(column @ column) or square == 0.0:
            return 0.0, 0.0
        slope = float(new @ self.residual) / square
        sums = np.zeros(int(self.run.max()) + 1)
        np.add.at(sums, self.run, new * (self.residual - slope * new))
        error = float(np.sqrt((sums**2).sum())) / square
        return 100.0 * slope * float(np.sqrt(square / len(new))), slope / error if error > 0 else 0.0

    def covariance(self) -> NDArray[np.float64]:
        """Of the parameters, by the sandwich with runs as units."""
        sums = np.zeros((int(self.run.max()) + 1, self.jacobian.shape[1]))
        np.add.at(sums, self.run, self.jacobian * self.residual[:, None])
        hessian = self.jacobian.T @ self.jacobian
        bread = np.linalg.pinv(hessian, rcond=1e-10, hermitian=True)
        return bread @ sums.T @ sums @ bread


def _missing(at: _Fit) -> list[Finding]:
    """Curvature along the prediction, and trends with terms that the expression lacks."""
    found = []
    unit = (at.predicted - at.predicted.mean()) / max(float(at.predicted.std()), 1e-9)
    points, t = at.along(unit**2)
    if abs(t) >= CLEAR:
        way = (
            "above the curve at both ends and below it between" if t > 0 else "below it at both ends and above between"
        )
        what = f"residuals bend along the prediction by {abs(points):.2f} points: scores are {way} (t = {t:.1f})"
        found.append(Finding("curvature", what, points, abs(t)))
    names, there = at.expression.domains, set(at.expression.terms)
    z = (at.loss - np.array(at.expression.centre)) / np.array(at.expression.spread)
    scans: list[tuple[Kind, str, float, list[Term]]] = [
        *(("domain", "a trend with", CLEAR, [Term("domain", (n,))]) for n in names),
        *(("product", "a trend with", SCANNED, [Term("product", pair)]) for pair in combinations(names, 2)),
    ]
    for i, n in enumerate(names):
        knots = dict.fromkeys(round(float(q), 1) for q in np.quantile(z[:, i], KNOTS))
        scans.append(("bend", "a bend at", SCANNED, [Term("hinge", (n,), k) for k in knots]))
    for kind, how, clear, terms in scans:
        lacking = tuple(t for t in terms if t not in there)
        if not lacking:
            continue
        trends = dict(zip(lacking, at.trend(lacking), strict=True))
        term = max(trends, key=lambda t: abs(trends[t][0]))  # what would lower the sum of squares most
        points, t = trends[term]
        if abs(t) >= clear:
            words = at.expression.term_words(term)
            what = f"residuals have {how} {words}, of {points:+.2f} points per s.d. (t = {t:.1f})"
            found.append(Finding(kind, what, points, abs(t), term))
    return found


def _top(residual: Floats, tested: NDArray[np.bool_], run: NDArray[np.int64]) -> list[Finding]:
    """The largest runs, held out: mean residual ``(fold, row)`` where tested."""
    if not tested.any():
        return []
    held = Held.of(np.where(tested, residual, np.nan), run, np.ones(len(residual), bool))
    t = held.mean / held.stderr if held.stderr > 0 else 0.0
    if abs(t) < CLEAR:
        return []
    way = "under" if t > 0 else "over"
    what = f"the largest runs, held out, are {way}-predicted by {100 * abs(held.mean):.1f} points (t = {t:.1f})"
    return [Finding("top", what, 100.0 * held.mean, abs(t))]


def _spread(at: _Fit) -> list[Finding]:
    """Variance that depends on the prediction."""
    upper = at.predicted > np.median(at.predicted)
    if upper.all() or not upper.any():
        return []
    ratio = float(at.residual[upper].std() / max(at.residual[~upper].std(), 1e-9))
    if 0.5 < ratio < 2.0:
        return []
    return [Finding("spread", f"residuals of high scores vary {ratio:.1f} times as much as of low ones", ratio, 0.0)]


def _coefficients(at: _Fit) -> list[Finding]:
    """Scores that rise with a loss, and slopes that the runs leave open."""
    found, count = [], len(at.expression.terms)
    covariance = at.covariance()[1 : 1 + count, 1 : 1 + count]
    error = np.sqrt(np.diag(covariance).clip(0.0))
    for i, name in enumerate(at.expression.domains):
        step = np.zeros(at.loss.shape[1])
        step[i] = 1e-4 * at.expression.spread[i]
        gradient = (at.expression.features(at.loss + step) - at.expression.features(at.loss - step)).mean(0) / 2e-4
        rise, sd = float(gradient @ at.slopes), float(np.sqrt(max(gradient @ covariance @ gradient, 0.0)))
        points = 100.0 * rise * float(at.bend.mean())
        if rise > CLEAR * sd and points > 0.1:
            own = [t for t in at.expression.terms if name in t.names]
            what = f"the score rises with the loss of {name}, by {points:.1f} points per s.d. (t = {rise / sd:.1f})"
            found.append(Finding("sign", what, points, rise / sd if sd > 0 else 0.0, own[0] if own else None))
    for term, slope, sd in zip(at.expression.terms, at.slopes, error, strict=True):
        if abs(slope) < sd and count > 1:
            words = at.expression.term_words(term)
            what = f"the coefficient of {words} is not determined: {slope:.2g} ± {sd:.2g}"
            found.append(Finding("undetermined", what, float(slope), 0.0, term))
    return found
