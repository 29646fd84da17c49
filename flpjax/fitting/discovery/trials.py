"""All models of a round at once: fitted to all runs and under every fold's weights, then judged."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.batch import solve
from flpjax.engine.moments import Anchor
from flpjax.engine.settings import USABLE, Settings, Status
from flpjax.fitting.discovery.critic import criticise
from flpjax.fitting.discovery.folds import Sample
from flpjax.fitting.discovery.history import Entry, Proposal
from flpjax.ladder.table import Floats
from flpjax.laws.grammar import Expression
from flpjax.laws.law import Params, unpack
from flpjax.laws.residual import TYPICAL_NOISE
from flpjax.laws.tabulated import Tabulated
from flpjax.numerics import compiled

REACHES = (0.1, 0.4, 0.8)  # how far outside the scores seen a ceiling or floor starts
STEP = 6  # terms are filled up to a multiple, and problems to the most there can be, so that few programs are compiled


def try_models(
    number: int, asked: list[tuple[Sample, Proposal]], most: int, settings: Settings | None = None
) -> list[Entry]:
    """Fit and judge the models of a round: one call of the solver for each link and width.

    Args:
        number: Of the round, from 1.
        asked: The models, each with what it is fitted to; all with the same folds.
        most: How many there could be.
        settings: Of the solver.
    """
    groups: dict[Tabulated, list[int]] = {}
    for i, (_, (expression, _)) in enumerate(asked):
        groups.setdefault(expression.tabulated(STEP * -(-len(expression.terms) // STEP)), []).append(i)
    entries: dict[int, Entry] = {}
    for residual, members in groups.items():
        models = [(asked[i][0], asked[i][1].expression) for i in members]
        vector, status, predicted = _fitted(residual, models, most, settings)
        for j, i in enumerate(members):
            sample, (expression, because) = asked[i]
            params = _params(expression, vector[0, j])
            usable = np.isin(status[:, j], USABLE)
            criticism = None
            if usable.all() and np.isfinite(predicted[:, j]).all():
                criticism = criticise(expression, params, sample, predicted[:, j])
            worst = Status(int(status[usable.argmin(), j]))  # the first that is not usable, or that of all runs
            entries[i] = Entry(number, sample.task.name, expression, because, params, worst, criticism)
    return [entries[i] for i in range(len(asked))]


def _params(expression: Expression, vector: Floats) -> Params:
    """Of a vector whose slopes are filled up."""
    used = np.concatenate([vector[: 1 + len(expression.terms)], vector[-1:] if expression.free else vector[:0]])
    return unpack(expression, jnp.asarray(used))


def _fitted(
    residual: Tabulated, models: list[tuple[Sample, Expression]], most: int, settings: Settings | None
) -> tuple[Floats, NDArray[np.int32], Floats]:
    """Fit models of one link to all runs, and under every fold's weights.

    Returns:
        Vectors ``(1 + fold, model, p)``, statuses ``(1 + fold, model)`` and predictions ``(1 + fold, model, row)``.
    """
    count, folds = len(models), models[0][0].folds
    filled = [*models, *[models[0]] * (most - count)]  # without weight, so that they cost no step
    features = np.zeros((most, folds.train.shape[1], residual.width))
    for table, (sample, expression) in zip(features, models, strict=False):
        table[:, : len(expression.terms)] = expression.features(sample.loss)
    y = np.stack([sample.score for sample, _ in filled])
    weight = np.stack([sample.keep for sample, _ in filled]) * (np.arange(most) < count)[:, None]
    chance = np.array([e.chance for _, e in filled])
    ceiling = np.array([1.0 if e.ceiling is None else e.ceiling for _, e in filled])
    loc, scale = residual.prior
    starts = np.stack([_starts(residual, features, y, weight, chance, ceiling, r) for r in REACHES], axis=1)
    starts[count:] = loc
    draws = np.concatenate([np.ones_like(folds.train[:1]), folds.train]).astype(float)
    precision = (TYPICAL_NOISE["linear"] / scale) ** 2
    found = solve(
        residual,
        (features, np.broadcast_to(chance[:, None], y.shape), np.broadcast_to(ceiling[:, None], y.shape), y),
        weight.astype(float),
        draws,
        starts,
        anchor=Anchor(*(jnp.asarray(np.tile(v, (len(draws), 1))) for v in (loc, precision))),
        linear=tuple(range(len(loc))) if residual.link == "identity" else (),
        typical=scale,
        settings=settings,
    )
    predicted = _scores(residual, found.vector, features, chance, ceiling)
    return np.asarray(found.vector, np.float64), found.status, np.asarray(predicted, np.float64)


@partial(compiled, static_argnums=0)
def _starts(
    residual: Tabulated, features: Array, y: Array, weight: Array, chance: Array, ceiling: Array, margin: Array
) -> Array:
    """``(model, p)`` unconstrained starts."""
    return jax.vmap(residual.guess, (0, 0, 0, 0, 0, None))(features, y, weight, chance, ceiling, margin)


@partial(compiled, static_argnums=0)
def _scores(residual: Tabulated, vector: Array, features: Array, chance: Array, ceiling: Array) -> Array:
    """``(draw, model, row)`` predicted by vectors ``(draw, model, p)``."""
    rows = jax.vmap(residual.score, (None, 0, None, None))
    return jax.vmap(jax.vmap(rows), (0, None, None, None))(vector, features, chance, ceiling)
