"""The residual of any structure, its slots given as data: one compiled program fits the whole grammar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.fitting.lawsearch.structure import Axis, Floats, Monomial, Structure, basis
from flpjax.laws.law import Space

SLOTS, TERMS = 28, 6
"""Numbers, and terms, of the largest structure."""
NOWHERE, CONSTANT = -1, TERMS
"""Terms that slots stand in if they are not used, and if they are a constant of any sign."""
LEAST = 1e-9  # of a sum whose logarithm is taken


@dataclass(frozen=True)
class PowerSum:
    """``Σ_k sign_k·exp(Σ_{s in k} v_s·f_s) + Σ_{s constant} v_s·f_s`` minus the value, in units of the noise.

    In log space, of the logarithms. A row is ``(f (slot,), term (slot,), sign (term,), y, noise)``.
    """

    space: Space = "log"

    def value(self, vector: Array, features: Array, term: Array, sign: Array) -> Array:
        """The sum at ONE row."""
        parts = vector * features
        inside = jnp.where(term[None, :] == jnp.arange(TERMS)[:, None], parts[None, :], 0.0).sum(axis=1)
        constant = jnp.where(term == CONSTANT, parts, 0.0).sum()
        return jnp.sum(sign * jnp.exp(jnp.clip(inside, -60.0, 60.0))) + constant

    def __call__(self, vector: Array, data: tuple[Array, Array, Array, Array, Array]) -> Array:
        """The residual of ONE row; callers ``vmap``."""
        *at, y, noise = data
        value = self.value(vector, *at)
        if self.space == "log":
            return (jnp.log(jnp.maximum(value, LEAST)) - jnp.log(y)) / noise
        return (value - y) / noise


class Tables(NamedTuple):
    """Structures as data."""

    features: Floats  # (structure, cell, row, slot)
    term: Floats  # (structure, slot)
    sign: Floats  # (structure, term)


def tables_of(structures: Sequence[Structure], axes: Sequence[Axis], columns: Floats, width: int = SLOTS) -> Tables:
    """Structures at rows, ``columns`` ``(cell, feature, row)``, with so many slots."""
    cells, _, rows = columns.shape
    features = np.zeros((len(structures), cells, rows, width))
    term = np.full((len(structures), width), float(NOWHERE))
    sign = np.zeros((len(structures), TERMS))
    known: dict[Monomial | None, Floats] = {}
    for c, structure in enumerate(structures):
        for s, (k, monomial) in enumerate(structure.slots()):
            if monomial not in known:
                known[monomial] = np.stack([basis(axes, own, monomial) for own in columns])
            features[c, ..., s] = known[monomial]
            term[c, s] = k if structure.terms[k].sign else CONSTANT
        sign[c, : len(structure.terms)] = [t.sign for t in structure.terms]
    return Tables(features, term, sign)
