"""What simple laws over any columns believe of rows before any is measured, and how far laws may depart from truth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.fitting.averaging.hyperpriors import OF
from flpjax.fitting.lawsearch.powersum import LEAST, SLOTS, PowerSum, tables_of
from flpjax.fitting.lawsearch.proposer import propose
from flpjax.fitting.lawsearch.structure import Axis, Structure, axis_of
from flpjax.laws.law import Space
from flpjax.numerics import compiled
from flpjax.results.selection.conditioning import Joint

Floats = NDArray[np.float64]
FALL, SCATTER = -0.7, 0.5  # slopes of features before any measurement, in units of their priors: where searches start
LAWS = 256  # a structure, drawn before any measurement
CELLS = 8  # of a discrepancy along an axis: places from which its slope wanders
LENGTH = 1.5  # of a local departure, in e-folds, or s.d. of features that are no logarithms
MOST_CELLS, LEFT = 64, 0.01  # of its decomposition: columns at most, and share of a row's variance that they may leave
AMPLITUDE = OF["log"].amplitude_prior[0]  # of a discrepancy, as ladders of the past had it
NOISE = OF["log"].noise_prior[0]


class Points(NamedTuple):
    """Rows that could be measured, and after them those that are to be forecast.

    Attributes:
        names: ``(feature,)``.
        columns: ``(feature, row)``.
        candidates: How many rows could be measured.
        outputs: How many losses each has.
        space: Of their residuals.
    """

    names: tuple[str, ...]
    columns: Floats
    candidates: int
    outputs: int
    space: Space

    @property
    def axes(self) -> tuple[Axis, ...]:
        """``(feature,)`` as laws see them."""
        n = self.candidates
        return tuple(axis_of(name, v[:n], v[n:]) for name, v in zip(self.names, self.columns, strict=True))

    def seen_by(self, axes: Sequence[Axis]) -> Points:
        """Where every row paid for is positive, logarithms are taken; a candidate's zero is half of the least there."""
        columns = self.columns.copy()
        for values, axis in zip(columns, axes, strict=True):
            if axis.logarithm:
                values[values <= 0] = 0.5 * values[values > 0].min()
        return self._replace(columns=columns)


def before(points: Points, rng: np.random.Generator) -> Joint:
    """Of laws as simple as searches begin with, drawn where their fits would start; nothing is measured.

    Of departures and noise, whose sizes are log-normal over ladders of the past, variances are means of these.
    """
    axes = points.axes
    deviations = []
    for structure in propose([], axes, points.space == "linear"):
        if structure.size == 1:
            continue
        centre, used = np.zeros(SLOTS), np.arange(SLOTS) < structure.size
        for s, (k, monomial) in enumerate(structure.slots()):
            level = 0.0 if structure.terms[k].sign == 0 else -np.log(len(structure.terms))
            centre[s] = level if monomial is None else FALL
        vectors = centre + SCATTER * used * rng.standard_normal((LAWS, SLOTS))
        features, term, sign = _table(points, axes, structure)
        deviations.append(np.asarray(_many(points.space, jnp.asarray(vectors), features, term, sign)))
    values = np.concatenate(deviations)
    values = (values - values.mean(axis=0)) / np.sqrt(len(values))
    amplitude, noise = (median * np.exp(sd**2) for median, sd in (OF["log"].amplitude_prior, OF["log"].noise_prior))
    rows = np.concatenate([values, amplitude * departures(axes, points.columns).T])
    return joint([rows] * points.outputs, points, np.full(points.outputs, noise))


def departures(axes: Sequence[Axis], columns: Floats) -> Floats:
    """``(row, cell)`` what weights of a discrepancy do, at amplitude 1: slopes that wander along each feature.

    An integrated Wiener process along each, as of :class:`flpjax.laws.discrepancy.Discrepancy`, in e-folds of features
    that are logarithms, and standard deviations of others.
    """
    parts = []
    for axis, values in zip(axes, columns, strict=True):
        z = axis.departure(values) / (1.0 if axis.logarithm else axis.spread)
        edges = np.linspace(z.min(), z.max(), CELLS + 1)
        beyond = 0.5 * np.maximum(z[:, None] - edges, 0.0) ** 2
        parts.append((beyond[:, :-1] - beyond[:, 1:]) / np.sqrt(np.maximum(np.diff(edges), 1e-9)))
    return np.concatenate(parts, axis=1) / np.sqrt(len(parts))


def nearby(axes: Sequence[Axis], columns: Floats) -> Floats:
    """``(row, cell)`` what weights of a local departure do, at amplitude 1: rows that lie near each other share it.

    A Gaussian process of all features together (Matérn, 3/2), by the columns of a pivoted Cholesky decomposition. Many
    cheap rows of one corner then tell of that corner; without, each tells anew of the law.
    """
    z = np.stack([a.departure(v) / (1.0 if a.logarithm else a.spread) for a, v in zip(axes, columns, strict=True)])
    left, cells = np.ones(z.shape[1]), np.zeros((0, z.shape[1]))
    while left.max() > LEFT and len(cells) < MOST_CELLS:
        pivot = int(left.argmax())
        away = np.sqrt(3.0 * ((z - z[:, [pivot]]) ** 2).sum(axis=0)) / LENGTH
        rest = (1.0 + away) * np.exp(-away) - cells[:, pivot] @ cells
        cells = np.concatenate([cells, rest[None] / np.sqrt(left[pivot])])
        left = np.maximum(left - cells[-1] ** 2, 0.0)
    return cells.T


def joint(rows: Sequence[Floats], points: Points, noise: Floats) -> Joint:
    """Second moments from deviations ``(draw, row)`` of each output, independent between outputs.

    Args:
        rows: ``(output,)``.
        points: What the rows are.
        noise: ``(output,)`` standard deviations of a measurement.
    """
    n, outputs = points.candidates, points.outputs
    stacked = np.zeros((sum(len(r) for r in rows), rows[0].shape[1], outputs))
    at = 0
    for k, own in enumerate(rows):
        stacked[at : at + len(own), :, k] = own
        at += len(own)
    wanted = stacked[:, n:].reshape(len(stacked), -1)
    variance = np.broadcast_to(noise**2, (n, outputs))
    return Joint(stacked[:, :n], wanted, variance, np.ones(wanted.shape[1]))


def linearised(points: Points, axes: Sequence[Axis], structure: Structure, vectors: Floats) -> tuple[Floats, Floats]:
    """A structure at all rows, in the space of the residuals.

    Args:
        points: The rows.
        axes: ``(feature,)`` that the structure was fitted with.
        structure: The law.
        vectors: ``(fit, slot)``.

    Returns:
        Values ``(fit, row)``, and their slopes ``(fit, row, slot)``.
    """
    value, slope = _slopes(points.space, jnp.asarray(vectors), *_table(points, axes, structure))
    return np.asarray(value), np.asarray(slope)


def _table(points: Points, axes: Sequence[Axis], structure: Structure) -> tuple[Array, Array, Array]:
    tables = tables_of([structure], axes, points.columns[None])
    return jnp.asarray(tables.features[0, 0]), jnp.asarray(tables.term[0]), jnp.asarray(tables.sign[0])


def _one(space: Space, vector: Array, features: Array, term: Array, sign: Array) -> Array:
    value = PowerSum(space).value(vector, features, term, sign)
    return jnp.log(jnp.maximum(value, LEAST)) if space == "log" else value


@partial(compiled, static_argnums=0)
def _many(space: Space, vectors: Array, features: Array, term: Array, sign: Array) -> Array:
    each = jax.vmap(partial(_one, space), (None, 0, None, None))
    return jax.vmap(each, (0, None, None, None))(vectors, features, term, sign)


@partial(compiled, static_argnums=0)
def _slopes(space: Space, vectors: Array, features: Array, term: Array, sign: Array) -> tuple[Array, Array]:
    def one(vector: Array, row: Array) -> tuple[Array, Array]:
        return jax.value_and_grad(partial(_one, space))(vector, row, term, sign)

    return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(vectors, features)
