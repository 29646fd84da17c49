"""Hyperparameters by empirical Bayes: those by which what was measured on a panel of ladders is most probable.

A ladder is one draw of a law, an amplitude, a noise and a growth from what is known of ladders; its evidence has them
integrated out (Rasmussen & Williams 2006, §5.2; Carlin & Louis 2000). Every experiment counts once: its ladders, and
the outputs of a ladder, share models and data, so their log evidences are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.optimize import minimize

from benchmarks.calibration.scoring import Floats
from benchmarks.unseen.evidence import Evidence, Told
from benchmarks.unseen.panel import PANEL, Ladder
from flpjax.fitting.averaging.hyperpriors import SECTIONS, plain
from flpjax.laws.law import Space

BROAD: Mapping[Space, Mapping[str, tuple[float, float]]] = {
    "log": {
        "amplitude_median": (float(np.log(0.01)), 1.5),
        "amplitude_sd": (0.0, 0.5),
        "none": (-3.0, 1.0),
        "noise_median": (float(np.log(0.004)), 1.5),
        "noise_sd": (0.0, 0.5),
        "growth_sd": (float(np.log(0.2)), 0.7),
    },
    "linear": {
        "amplitude_median": (float(np.log(0.1)), 1.5),
        "amplitude_sd": (0.0, 0.5),
        "none": (-3.0, 1.0),
        "noise_median": (float(np.log(0.01)), 1.5),
        "noise_sd": (0.0, 0.5),
    },
}
"""Location and s.d. of what is known before any ladder: of logarithms, of the logit of ``none``. That a law errs by a
percent of the loss within an e-fold is much; twenty times as much or as little would be a surprise. Without them few
experiments could make a spread 0 or boundless."""
LAW_SD = 1.0  # of the log weight of a law, about the mean of all
STEPS = 200
NOTHING = -1e9  # log evidence of a law that takes no part; finite, so that slopes are numbers


class Learned(NamedTuple):
    """One kind of output.

    Attributes:
        of: Hyperparameter → value.
        laws: Law or map → log weight, 0 for the likeliest.
    """

    of: dict[str, float]
    laws: dict[str, float]


class Table(NamedTuple):
    """All that ladders say of one kind of output."""

    evidence: Floats  # (output, law, point)
    weight: Floats  # (output,)
    amplitude: Floats  # (point,)
    noise: Floats
    growth: Floats
    laws: tuple[str, ...]


def learn(
    found: Sequence[Evidence], space: Space, without: str = "", panel: Mapping[str, Ladder] = PANEL
) -> Learned | None:
    """The most probable hyperparameters; None where no ladder has such outputs.

    Args:
        found: What ladders say.
        space: ``"log"`` for losses, ``"linear"`` for scores.
        without: The experiment that is left out.
        panel: Ladders with their experiments.
    """
    table = table_of(found, space, without, panel)
    if table is None:
        return None
    names = tuple(BROAD[space])
    loc, sd = np.array([BROAD[space][name] for name in names]).T
    both = jax.jit(jax.value_and_grad(lambda v, evidence: _cost(v, evidence, table, names, loc, sd)))
    evidence = jnp.asarray(table.evidence)

    def cost(vector: Floats) -> tuple[float, Floats]:
        value, slope = both(vector, evidence)
        return float(value), np.asarray(slope, np.float64)

    start = np.r_[loc, np.zeros(len(table.laws))]
    end = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    free = dict(zip(names, end, strict=False))
    of = {name: float(1.0 / (1.0 + np.exp(-v)) if name == "none" else np.exp(v)) for name, v in free.items()}
    weights = end[len(names) :] - end[len(names) :].max()
    return Learned(of, dict(zip(table.laws, map(float, weights), strict=True)))


def table_of(found: Sequence[Evidence], space: Space, without: str, panel: Mapping[str, Ladder]) -> Table | None:
    """Evidence of all outputs of one kind, each experiment with a weight of 1."""
    kept = [(e.ladder, [t for t in e.outputs if t.space == space]) for e in found]
    kept = [(ladder, told) for ladder, told in kept if told and panel[ladder].experiment != without]
    if not kept:
        return None
    laws = tuple(dict.fromkeys(plain(name) for _, told in kept for t in told for name in t.laws))
    siblings = [panel[ladder].experiment for ladder, _ in kept]
    rows, weight = [], []
    for (_, told), experiment in zip(kept, siblings, strict=True):
        rows += [_row(t, laws) for t in told]
        weight += [1.0 / len(told) / siblings.count(experiment)] * len(told)
    grid = kept[0][1][0].grid
    return Table(np.stack(rows), np.array(weight), grid.amplitude, grid.noise, grid.growth, laws)


def _row(told: Told, laws: Sequence[str]) -> Floats:
    row = np.full((len(laws), len(told.grid.noise)), NOTHING)
    for name, evidence in told.laws.items():
        row[laws.index(plain(name))] = np.maximum(evidence, NOTHING)
    return row


def _cost(vector: Array, evidence: Array, table: Table, names: Sequence[str], loc: Floats, sd: Floats) -> Array:
    """Minus the log posterior of hyperparameters."""
    of, laws = dict(zip(names, vector, strict=False)), vector[len(names) :]
    prior = _prior(of, table)
    by_law = jax.nn.logsumexp(evidence + prior[None, None], axis=2)
    there = (evidence > NOTHING).any(axis=2)
    weight = jax.nn.log_softmax(jnp.where(there, laws[None], NOTHING), axis=1)
    each = jax.nn.logsumexp(jnp.where(there, by_law + weight, NOTHING), axis=1)
    broad = 0.5 * jnp.sum(((vector[: len(names)] - loc) / sd) ** 2) + 0.5 * jnp.sum((laws / LAW_SD) ** 2)
    return broad - jnp.dot(jnp.asarray(table.weight), each)


def _prior(of: Mapping[str, Array], table: Table) -> Array:
    """``(point,)`` log probability of every point of the grid, each hyperparameter independent of the others."""
    values, place = np.unique(table.amplitude, return_inverse=True)
    some = _log_normal(values[1:], of["amplitude_median"], of["amplitude_sd"]) + jax.nn.log_sigmoid(-of["none"])
    total = jnp.concatenate([jax.nn.log_sigmoid(of["none"])[None], some])[place]
    values, place = np.unique(table.noise, return_inverse=True)
    total += _log_normal(values, of["noise_median"], of["noise_sd"])[place]
    if "growth_sd" in of:
        values, place = np.unique(table.growth, return_inverse=True)
        total += jax.nn.log_softmax(-0.5 * (values / jnp.exp(of["growth_sd"])) ** 2)[place]
    return total


def _log_normal(values: Floats, log_median: Array, log_sd: Array) -> Array:
    return jax.nn.log_softmax(-0.5 * ((jnp.log(values) - log_median) / jnp.exp(log_sd)) ** 2)


def all_learned(
    found: Sequence[Evidence], without: str = "", panel: Mapping[str, Ladder] = PANEL
) -> dict[str, Learned]:
    """Section of the file → what was learned with one experiment left out, or with all."""
    each = {section: learn(found, space, without, panel) for space, section in SECTIONS.items()}
    return {section: one for section, one in each.items() if one is not None}
