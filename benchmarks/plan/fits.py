"""Laws that ship and laws that a search found, fitted to all measured rows and to those that each fold leaves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.plan.beliefs import NOISE, Floats, Points, linearised
from flpjax.engine.batch import solve
from flpjax.engine.moments import Anchor
from flpjax.engine.padding import next_size
from flpjax.engine.settings import Settings
from flpjax.fitting.lawsearch.found import FoundLaws
from flpjax.fitting.lawsearch.problem import Problem
from flpjax.fitting.lawsearch.proposer import propose
from flpjax.fitting.lawsearch.starts import carried
from flpjax.fitting.lawsearch.trials import CORNER, fit
from flpjax.ladder.features import Features
from flpjax.laws.law import Law, Space, pack, prior_normal, spread_starts, unpack
from flpjax.laws.residual import Residual
from flpjax.numerics import compiled

MOST = 6  # laws of a search that are weighed
STARTS, STEPS = 16, 100
PROGRAM = 128, 128  # fits and rows that programs of laws that ship are compiled for: one a law serves all shares


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
    more = max(next_size(y.shape[1], PROGRAM[1]) - y.shape[1], 0)
    first = jax.tree.map(lambda v: np.pad(v[0], (0, more), mode="edge"), here)
    guess = np.asarray(_guess(law, first, np.pad(y[0], (0, more), mode="edge"), np.pad(np.ones(y.shape[1]), (0, more))))
    starts = spread_starts(law, guess[None], STARTS, rng)
    loc, sd = prior_normal(law)
    noise = NOISE * (1.0 if problem.space == "log" else abs(float(problem.level[0])))
    pull = np.broadcast_to((noise / sd) ** 2, (len(seen), len(sd)))
    anchor = Anchor(jnp.asarray(np.broadcast_to(loc, pull.shape)), jnp.asarray(pull))
    done = solve(
        residual, (here, y), np.ones_like(y), seen, starts, anchor=anchor, huber=CORNER * noise,
        settings=Settings(steps=STEPS), least=PROGRAM,
    )  # fmt: skip
    vectors = done.vector[:, 0]
    value, slope = map(np.asarray, _slopes(law, problem.space, jnp.asarray(vectors), x))
    away = (vectors - loc) / sd
    return Fits(value[:, None], slope[:, None] * sd, away[:, None], float(len(sd)))


@partial(compiled, static_argnums=0)
def _guess(law: Law, x: Any, y: Array, weight: Array) -> Array:
    return pack(law, law.guess(x, y, weight))


@partial(compiled, static_argnums=(0, 1))
def _slopes(law: Law, space: Space, vectors: Array, x: Any) -> tuple[Array, Array]:
    """Values ``(fold, row)`` in the space of residuals, and their slopes ``(fold, row, number)``."""

    def one(vector: Array, row: Features) -> Array:
        value = law.apply(unpack(law, vector), row)
        return jnp.log(value) if space == "log" else value

    return jax.vmap(jax.vmap(jax.value_and_grad(one), (None, 0)), (0, None))(vectors, x)
