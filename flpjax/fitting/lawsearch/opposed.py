"""Terms that pull against what all rows show: of a loss that falls with N throughout, one that rises with N.

They cancel among the rows and part beyond them: ``1.3·N^0.04 + 1.2·N^−0.19`` fits a loss that levels off as well as
``1 + 1.4·N^−0.13`` does, but turns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flpjax.fitting.lawsearch.powersum import TERMS, tables_of
from flpjax.fitting.lawsearch.problem import Problem
from flpjax.fitting.lawsearch.structure import Axis, Floats, Structure

ROWS = 64  # of a cell, at which slopes are looked at
STEP = 1e-4  # s.d. of a feature


def opposed(problem: Problem, structures: Sequence[Structure], vectors: Floats) -> Floats:
    """``(structure,)`` the share of terms' slopes that point against their sum's, 0 to .5.

    The mean over cells, and the largest of all features, shares apart, along which the sum has a slope of one sign at
    all rows; where it turns, terms have to differ.

    Args:
        problem: The rows.
        structures: ``(structure,)``.
        vectors: ``(structure, cell, slot)`` as fitted.
    """
    columns = problem.columns[..., :: -(-problem.columns.shape[-1] // ROWS)]
    here = _terms(problem.axes, columns, structures, vectors)
    found = np.zeros(len(structures))
    for i, axis in enumerate(problem.axes):
        if axis.share:
            continue
        slopes = _terms(problem.axes, _further(columns, i, axis), structures, vectors) - here
        whole = slopes.sum(axis=-1, keepdims=True)
        one_sign = np.abs(np.sign(whole).sum(axis=(-2, -1))) == whole.shape[-2]  # (structure, cell)
        against = np.maximum(-slopes * np.sign(whole), 0.0).sum(axis=(-2, -1))
        share = against / np.maximum(np.abs(slopes).sum(axis=(-2, -1)), np.finfo(float).tiny)
        found = np.maximum(found, np.where(one_sign, share, 0.0).mean(axis=-1))
    return found


def _terms(axes: Sequence[Axis], columns: Floats, structures: Sequence[Structure], vectors: Floats) -> Floats:
    """``(structure, cell, row, term)`` terms with their signs; 0 for constants of any sign, which have no slope."""
    tables = tables_of(structures, axes, columns, vectors.shape[-1])
    of_term = tables.term[..., None] == np.arange(TERMS)  # (structure, slot, term)
    inside = np.einsum("scrk,sck,skt->scrt", tables.features, vectors, of_term, optimize=True)
    return np.asarray(tables.sign[:, None, None] * np.exp(np.clip(inside, -60.0, 60.0)))


def _further(columns: Floats, i: int, axis: Axis) -> Floats:
    """The same rows, a little further along one feature."""
    found, step = columns.copy(), STEP * axis.spread
    own = columns[:, i]
    found[:, i] = (own + axis.shift) * np.exp(step) - axis.shift if axis.logarithm else own + step
    return found
