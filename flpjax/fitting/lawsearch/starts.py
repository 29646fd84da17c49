"""Where fits of a structure start: falling powers of equal size, and the numbers of a structure that is like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flpjax.fitting.lawsearch.powersum import SLOTS
from flpjax.fitting.lawsearch.problem import Problem, Trial
from flpjax.fitting.lawsearch.structure import Floats, Structure


def starts_of(problem: Problem, structure: Structure, best: Sequence[Trial], rng: np.random.Generator) -> Floats:
    """``(cell, start, slot)``: falling powers of equal size; and the numbers of the most similar of the best."""
    plain = np.zeros((len(problem.y), SLOTS))
    terms = max(1, sum(t.sign != 0 for t in structure.terms))
    for s, (k, monomial) in enumerate(structure.slots()):
        if monomial is None:
            signed = structure.terms[k].sign == 0
            plain[:, s] = problem.level if signed else np.log(np.abs(problem.level) / terms)
        elif monomial.kind == "slope":
            plain[:, s] = -0.7
    if not best:
        used = np.arange(SLOTS) < structure.size
        others = plain[:, None] + 0.5 * used * rng.standard_normal((len(plain), 2, SLOTS))
        return np.concatenate([plain[:, None], others], axis=1)
    parent = min(best, key=lambda t: _unlike(t.structure, structure))
    warm = carried(structure, parent, np.log(0.1 * np.abs(problem.level)))
    return np.stack([plain, warm], axis=1)


def _unlike(one: Structure, other: Structure) -> int:
    """How many monomials two structures don't share."""
    parts: Mapping[object, int] = {}
    seen = [[(t.sign, m) for t in s.terms for m in (None, *t.monomials)] for s in (one, other)]
    parts = {p: abs(seen[0].count(p) - seen[1].count(p)) for p in {*seen[0], *seen[1]}}
    return sum(parts.values())


def carried(structure: Structure, parent: Trial, small: Floats) -> Floats:
    """``(cell, slot)`` the parent's numbers where terms are alike; a new term is small, a new monomial does nothing."""
    places = {(k, m): s for s, (k, m) in enumerate(parent.structure.slots())}
    match = _matched(structure.terms, parent.structure.terms)
    vector = np.zeros_like(parent.vector)
    for s, (k, monomial) in enumerate(structure.slots()):
        if k in match:
            at = places.get((match[k], monomial))
            vector[:, s] = 0.0 if at is None else parent.vector[:, at]
        elif monomial is None:
            vector[:, s] = small if structure.terms[k].sign else 0.0
        else:
            vector[:, s] = -0.5 if monomial.kind == "slope" else 0.0
    return vector


def _matched(terms: Sequence[Any], parents: Sequence[Any]) -> dict[int, int]:
    """Term → the parent's that it is, or came from."""
    match: dict[int, int] = {}

    def take(like: Any) -> None:
        for k, term in enumerate(terms):
            for i, parent in enumerate(parents):
                if k not in match and i not in match.values() and like(term, parent):
                    match[k] = i

    take(lambda a, b: a == b)
    take(lambda a, b: a.sign == b.sign and b.monomials and {*b.monomials} <= {*a.monomials})
    take(lambda a, b: a.sign == b.sign and a.monomials and {*a.monomials} <= {*b.monomials})
    if len(terms) == len(parents):
        take(lambda a, b: a.sign == b.sign)
    return match
