"""The laws of an ensemble: the best few, fitted to all rows, weighed, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.lawsearch.departure import Departure, departure_of
from flpjax.fitting.lawsearch.powersum import SLOTS, PowerSum, tables_of
from flpjax.fitting.lawsearch.problem import Problem, Trial
from flpjax.fitting.lawsearch.starts import carried
from flpjax.fitting.lawsearch.structure import Floats, Structure, in_sd
from flpjax.fitting.lawsearch.trials import LAST_STEPS, fit, values

MOST = 8  # laws of an ensemble
WITHIN = 0.15  # above the best price: laws that err more are left out, if the best errs on held-out rows by the noise
SHARPNESS = 20.0  # weights fall by e for every 5 % of the price, if so
LOST = 4.0  # times the noise: the more the best errs by, up to here, the less their order says, and the more have a say
STARTS = 8
ROWS = 700  # of a cell, from which a departure is found
LEAST = 1e-12  # of what a law says, before its logarithm is taken


class Member(NamedTuple):
    """One law of the ensemble."""

    structure: Structure
    weight: float
    vector: Floats  # (cell, slot) fitted to all rows
    trial: Trial


def members_of(whole: Problem, ranked: Sequence[Trial], noise: Floats, rng: np.random.Generator) -> tuple[Member, ...]:
    """The best few structures, fitted to all rows.

    Args:
        whole: All rows.
        ranked: The trials, the best first.
        noise: ``(cell,)``.
        rng: For starts.
    """
    lost = float(np.clip(ranked[0].error / np.exp(np.mean(np.log(noise))), 1.0, LOST))
    above = np.array([t.price for t in ranked[:MOST]]) / ranked[0].price - 1.0
    chosen = [t for t, a in zip(ranked, above, strict=False) if a <= WITHIN * lost]
    warm = np.stack([carried(t.structure, t, np.zeros(len(whole.y))) for t in chosen])  # (structure, cell, slot)
    used = np.stack([np.arange(SLOTS) < t.structure.size for t in chosen])[:, None, None]
    jitter = 0.3 * rng.standard_normal((len(chosen), len(whole.y), STARTS - 1, SLOTS)) * used
    starts = np.concatenate([warm[:, :, None], warm[:, :, None] + jitter], axis=2)
    every = np.ones((1, whole.y.shape[1]))
    vectors, _ = fit(whole, [t.structure for t in chosen], starts, noise, every, LAST_STEPS)
    weight = np.exp(-SHARPNESS / lost * above[: len(chosen)])
    weight /= weight.sum()
    return tuple(Member(t.structure, float(w), v, t) for t, w, v in zip(chosen, weight, vectors[0], strict=True))


def said_by(problem: Problem, members: Sequence[Member], columns: Floats, cells: NDArray[np.intp]) -> Floats:
    """``(law, cell, row)`` what each law says, a logarithm where residuals are.

    Args:
        problem: All rows.
        members: The laws.
        columns: ``(cell, feature, row)`` where.
        cells: ``(cell,)`` of which numbers.
    """
    tables = tables_of([m.structure for m in members], problem.axes, columns)
    vectors = np.stack([m.vector[cells] for m in members])
    found = np.asarray(values(PowerSum(problem.space), jnp.asarray(vectors), *map(jnp.asarray, tables)))
    return found if problem.signed else np.log(np.maximum(found, LEAST))


def departure_from(whole: Problem, members: Sequence[Member], rng: np.random.Generator) -> Departure | None:
    """How measured values depart from the laws' median; of many rows, as a sample of them has it."""
    kept = np.sort(rng.permutation(whole.y.shape[1])[:ROWS])
    columns, weight = whole.columns[..., kept], whole.weight[:, kept] > 0
    said = said_by(whole, members, columns, np.arange(len(whole.y)))
    measured = whole.y[:, kept] if whole.signed else np.log(whole.y[:, kept])
    residuals = measured - weighted_median(said, np.array([m.weight for m in members]))
    own = zip(columns, residuals, weight, strict=True)
    at, left = zip(*((in_sd(whole.axes, x[:, w]), r[w]) for x, r, w in own), strict=True)
    return departure_of(at, left)


def weighted_median(values: Floats, weight: Floats) -> Floats:
    """Over the first axis, halfway between neighbours where weights are equal."""
    order = np.argsort(values, axis=0)
    ranked = np.take_along_axis(values, order, axis=0)
    total = np.cumsum(weight[order], axis=0) - 0.5 * weight[order]
    above = np.argmax(total >= 0.5, axis=0)
    below = np.maximum(above - 1, 0)

    def pick(table: Floats, at: NDArray[np.intp]) -> Floats:
        return np.take_along_axis(table, at[None], axis=0)[0]

    high, low, t_high, t_low = pick(ranked, above), pick(ranked, below), pick(total, above), pick(total, below)
    share = np.where(t_high > t_low, (0.5 - t_low) / np.where(t_high > t_low, t_high - t_low, 1.0), 1.0)
    return np.asarray(low + np.clip(share, 0.0, 1.0) * (high - low))
