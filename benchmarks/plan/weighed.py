"""Laws that ship and laws that a search found, each with a discrepancy, weighed by hold-outs towards the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.plan.beliefs import AMPLITUDE, NOISE, Floats, Points, departures, joint, linearised
from flpjax.engine.batch import solve
from flpjax.engine.moments import Anchor
from flpjax.engine.settings import Settings
from flpjax.fitting.averaging.hyperpriors import OF
from flpjax.fitting.lawsearch.folds import Folds
from flpjax.fitting.lawsearch.found import FoundLaws, weighted_median
from flpjax.fitting.lawsearch.proposer import propose
from flpjax.fitting.lawsearch.trials import CORNER, FLOOR, PRICE, Problem, carried, fit
from flpjax.ladder.features import Features
from flpjax.laws.law import Law, pack, prior_normal, spread_starts, unpack
from flpjax.laws.residual import Residual
from flpjax.results.selection.conditioning import Joint

SPREAD = (1.0 / 3.0, 1.0, 3.0)  # of discrepancies, about the median of ladders of the past
PRIOR = np.exp(-0.5 * (np.log(SPREAD) / OF["log"].amplitude_prior[1]) ** 2)
MOST = 6  # laws of a search that are weighed
STARTS, STEPS = 16, 100
LEAST_SHARE = 0.02  # of the largest weight: laws with less are left out


class Fits(NamedTuple):
    """A law fitted to all measured rows, and to those that each fold leaves.

    Attributes:
        value: ``(fold, output, row)`` at all rows, in the space of the residuals.
        slope: ``(fold, output, row, number)`` by numbers whose priors are standard normal.
        away: ``(fold, output, number)`` where the fit lies, in these units.
        numbers: How many it has.
        tried: Of how many laws it was the best on these folds; 1 if it was there before.
    """

    value: Floats
    slope: Floats
    away: Floats
    numbers: float
    tried: int = 1


class Weighed(NamedTuple):
    """One law with a discrepancy of one amplitude.

    Attributes:
        fits: Of the law.
        amplitude: Of the discrepancy, in the unit of the residuals.
        noise: ``(output,)`` s.d. of residuals.
        forecast: ``(output, row)``.
        price: Its held-out error, numbers paid for.
        weight: In the average.
    """

    fits: Fits
    amplitude: Floats
    noise: Floats
    forecast: Floats
    price: float
    weight: float


def found_fits(found: FoundLaws, points: Points, rng: np.random.Generator) -> list[Fits]:
    """The best laws of a search, and those that it began with, fitted anew to all rows and to each fold."""
    problem = found.problem
    simple = {s.same() for s in propose([], problem.axes, problem.signed) if s.size > 1}
    trials = [t for t in found.log if t.structure.same() in simple]
    trials += [t for t in found.log if t.structure.same() not in simple][:MOST]
    warm = np.stack([carried(t.structure, t, np.zeros(len(problem.y))) for t in trials])  # (law, output, slot)
    used = np.stack([np.arange(warm.shape[2]) < t.structure.size for t in trials])[:, None]
    starts = np.stack([warm, *(warm + 0.3 * used * rng.standard_normal(warm.shape) for _ in range(3))], axis=2)
    vectors, _ = fit(problem, [t.structure for t in trials], starts, found.noise, problem.folds.seen, STEPS)
    laws = []
    for i, trial in enumerate(trials):
        own = vectors[:, i]  # (fold, output, slot)
        value, slope = linearised(points, problem.axes, trial.structure, own.reshape(-1, own.shape[2]))
        shape = (*own.shape[:2], value.shape[1])
        tried = len(simple) if trial.structure.same() in simple else found.tried
        laws.append(
            Fits(value.reshape(shape), slope.reshape(*shape, -1), own, float(trial.structure.complexity), tried)
        )
    return laws


def law_fits(law: Law, x: Features, problem: Problem, measured: Sequence[int], rng: np.random.Generator) -> Fits:
    """A law that ships, fitted to the first output at all rows and to each fold.

    Args:
        law: Centred.
        x: Of all rows.
        problem: The measured rows, in the order of the search.
        measured: The same by number.
        rng: For starts.
    """
    y = problem.y[:1]
    here = jax.tree.map(lambda v: v[list(measured)][None], x)
    seen = problem.folds.seen
    residual = Residual(law, problem.space)
    first = jax.tree.map(lambda v: v[0], here)
    guess = np.asarray(pack(law, law.guess(first, jnp.asarray(y[0]), jnp.ones(y.shape[1]))))
    starts = spread_starts(law, guess[None], STARTS, rng)
    loc, sd = prior_normal(law)
    noise = NOISE * (1.0 if problem.space == "log" else abs(float(problem.level[0])))
    pull = np.broadcast_to((noise / sd) ** 2, (len(seen), len(sd)))
    anchor = Anchor(jnp.asarray(np.broadcast_to(loc, pull.shape)), jnp.asarray(pull))
    done = solve(
        residual, (here, y), np.ones_like(y), seen, starts, anchor=anchor, huber=CORNER * noise,
        settings=Settings(steps=STEPS),
    )  # fmt: skip
    vectors = jnp.asarray(done.vector[:, 0])

    def one(vector: jax.Array, row: Features) -> jax.Array:
        value = law.apply(unpack(law, vector), row)
        return jnp.log(value) if problem.space == "log" else value

    both = jax.jit(jax.vmap(jax.vmap(jax.value_and_grad(one), (None, 0)), (0, None)))
    value, slope = map(np.asarray, both(vectors, x))
    away = (np.asarray(vectors) - loc) / sd
    return Fits(value[:, None], slope[:, None] * sd, away[:, None], float(len(sd)))


def weighed(laws: Sequence[Fits], problem: Problem, points: Points, measured: Sequence[int]) -> list[Weighed]:
    """Each law with discrepancies of each amplitude, weighed by what they err by on the folds.

    Args:
        laws: Fitted.
        problem: The measured rows, in the order of the search.
        points: All rows.
        measured: The same by number.
    """
    folds, log = problem.folds, problem.space == "log"
    y = np.log(problem.y) if log else problem.y
    scale = np.ones(len(y)) if log else np.abs(problem.level)
    basis = departures(problem.axes, points.columns)
    found: list[Weighed] = []
    scatter: list[float] = []
    for law in laws:
        outputs = law.value.shape[1]
        if not np.isfinite(law.value).all() or not np.isfinite(law.slope).all():
            continue
        rest = np.abs(y[:outputs] - law.value[0][:, list(measured)])
        noise = np.maximum(1.48 * np.median(rest, axis=1), 0.2 * NOISE * scale[:outputs])
        for times, prior in zip(SPREAD, PRIOR, strict=True):
            wide = times * AMPLITUDE * scale[:outputs]
            forecasts = np.stack(
                [
                    [_departed(law, f, k, y[k], noise[k], wide[k] * basis, folds, measured)[0] for k in range(outputs)]
                    for f in range(len(folds.seen))
                ]
            )
            errors = np.abs(forecasts[1:][:, :, list(measured)] - y[:outputs])  # (fold, output, row)
            ahead = folds.ahead[1:, None]
            mean = (errors * ahead).sum(axis=2) / ahead.sum(axis=2) + FLOOR * noise
            price = float(np.exp(np.log(mean).mean()) * (1.0 + PRICE * law.numbers))
            found.append(Weighed(law, wide, noise, forecasts[0], price, float(prior)))
            widest = errors[-1][:, folds.ahead[-1]]
            scatter.append(float(np.mean(widest.std(axis=1) / (widest.mean(axis=1) * np.sqrt(widest.shape[1])))))
    # a mean held-out error is known so well, and the least of many is less than what it stands for
    unsure = scatter[int(np.argmin([w.price for w in found]))]
    paid = np.array([w.price * (1.0 + unsure * np.sqrt(2.0 * np.log(w.fits.tried))) for w in found])
    share = np.array([w.weight for w in found]) * np.exp(-(paid / paid.min() - 1.0) / unsure)
    kept = share >= LEAST_SHARE * share.max()
    total = share[kept].sum()
    return [w._replace(weight=float(s / total)) for w, s, k in zip(found, share, kept, strict=True) if k]


def median_of(laws: Sequence[Weighed]) -> Floats:
    """``(output, row)`` forecasts: the median of the laws, by weight."""
    return weighted_median(np.array([law.forecast for law in laws]), np.array([law.weight for law in laws]))


def after(laws: Sequence[Weighed], problem: Problem, points: Points, measured: Sequence[int]) -> Joint:
    """What the weighed laws leave open of all rows: each one's numbers and discrepancy, and where they differ."""
    basis = departures(problem.axes, points.columns)
    y = np.log(problem.y) if problem.space == "log" else problem.y
    weight = np.array([law.weight for law in laws])
    rows = []
    for k in range(points.outputs):
        own = [
            np.sqrt(law.weight)
            * _departed(law.fits, 0, k, y[k], law.noise[k], law.amplitude[k] * basis, problem.folds, measured)[1]
            for law in laws
        ]
        values = np.array([law.forecast[k] for law in laws])
        rows.append(np.concatenate([*own, np.sqrt(weight)[:, None] * (values - weight @ values)]))
    noise = np.array([weight @ [law.noise[k] for law in laws] for k in range(points.outputs)])
    return joint(rows, points, noise)


def _departed(
    law: Fits, fold: int, output: int, y: Floats, noise: float, basis: Floats, folds: Folds, measured: Sequence[int]
) -> tuple[Floats, Floats]:
    """A law and its discrepancy given a fold's rows: forecasts ``(row,)``, and deviations ``(number, row)``."""
    design = np.concatenate([law.slope[fold, output], basis], axis=1)
    rest = y - law.value[fold, output, list(measured)]
    robust = np.minimum(1.0, CORNER / np.maximum(np.abs(rest) / noise, 1e-9))
    seen = design[list(measured)] * (folds.seen[fold] * robust)[:, None] / noise**2
    precision = seen.T @ design[list(measured)] + np.eye(design.shape[1])
    centre = np.concatenate([-law.away[fold, output], np.zeros(basis.shape[1])])
    root = np.linalg.inv(np.linalg.cholesky(precision))
    moved = root.T @ (root @ (seen.T @ rest + centre))
    return law.value[fold, output] + design @ moved, root @ design.T
