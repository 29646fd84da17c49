"""The rows that laws are fitted to: of one output, and of several, stacked so that all are fitted at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.lanes import ROWS, padded
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law

Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """What one output's law is fitted to."""

    x: Any  # leaves (row, …)
    y: Floats  # (row,) log losses, or scores
    seen: NDArray[np.bool_]  # (origin, row)
    run: NDArray[np.intp]  # (row,)
    below: Floats  # (origin, row) log FLOPs below the largest run seen
    within: Floats  # (row,) s.d. of a row about its run; 0 of losses, which have one row a run
    effects: bool  # whether runs have several rows
    measured: float  # s.d. of a run's final value about the run


class Sheet(NamedTuple):
    """Rows of several outputs, filled up to one number by rows that nobody sees."""

    x: Any  # leaves (output, row, …)
    y: Floats  # (output, row)
    seen: NDArray[np.bool_]  # (output, origin, row)
    below: Floats  # (output, origin, row)
    within: Floats  # (output, row); 1 of rows that nobody sees
    basis: Floats  # (output, row, cell) what each cell of the discrepancy does, at amplitude 1
    member: NDArray[np.intp]  # (output, run, place) the rows of each run that has an effect of its own
    there: Floats  # (output, run, place) 1 where there is such a row; 0 where a run has fewer
    run: NDArray[np.intp]  # (output, row) which of these runs a row is of
    common: Floats  # (output, row) 1 where it is of one
    alike: NDArray[np.intp]  # (output,) the first output whose covariances are the same


def stacked(law: Law, each: Sequence[Rows]) -> Sheet:
    """Rows of the outputs of one law."""
    rows = max(len(r.y) for r in each)
    rows += -rows % ROWS
    runs = [np.unique(r.run, return_inverse=True)[1] if r.effects else np.zeros(0, np.intp) for r in each]
    most = max(int(index.max(initial=-1)) + 1 for index in runs)
    places = max(int(np.bincount(index).max(initial=0)) for index in runs)
    member, there = np.zeros((len(each), most, places), np.intp), np.zeros((len(each), most, places))
    run, common = np.zeros((len(each), rows), np.intp), np.zeros((len(each), rows))
    for o, index in enumerate(runs):
        order = np.argsort(index, kind="stable")
        begins = np.searchsorted(index[order], index[order])
        at = o, index[order], np.arange(len(order)) - begins
        member[at], there[at] = order, 1.0
        run[o, : len(index)], common[o, : len(index)] = index, 1.0

    def wide(leaf: NDArray[Any], fill: Any) -> NDArray[Any]:
        return np.pad(leaf, [(0, 0)] * (leaf.ndim - 1) + [(0, rows - leaf.shape[-1])], constant_values=fill)

    basis = [np.pad(cells_of(law, r.x), [(0, rows - len(r.y)), (0, 0)]) for r in each]
    found = Sheet(
        jax.tree.map(
            lambda *leaves: np.stack([padded(np.asarray(leaf), rows) for leaf in leaves]), *(r.x for r in each)
        ),
        np.stack([wide(r.y, 0.0) for r in each]),
        np.stack([wide(r.seen, False) for r in each]),
        np.stack([wide(r.below, 0.0) for r in each]),
        np.stack([wide(np.broadcast_to(r.within, r.y.shape), 1.0) for r in each]),
        np.stack(basis),
        member,
        there,
        run,
        common,
        np.arange(len(each)),
    )
    first: dict[bytes, int] = {}
    compared = (found.seen, found.below, found.within, found.basis, found.run, found.common)
    keys = [b"".join(leaf[o].tobytes() for leaf in compared) for o in range(len(each))]
    return found._replace(alike=np.array([first.setdefault(key, o) for o, key in enumerate(keys)], np.intp))


def by_run(sheet: Sheet, output: NDArray[np.intp], values: Floats) -> Floats:
    """``(fit, run, …)`` sums over the rows of each run that has an effect, of ``(fit, row, …)``."""
    fit = np.arange(len(output))
    total = np.zeros((len(output), sheet.member.shape[1], *values.shape[2:]))
    for place in range(sheet.member.shape[2]):
        there = sheet.there[output, :, place]
        own = values[fit[:, None], sheet.member[output, :, place]]
        total += own * there.reshape(*there.shape, *(1,) * (values.ndim - 2))
    return total


def stacked_rows(each: Sequence[Any], rows: int) -> Any:
    """Leaves ``(output, row, …)`` of the outputs' ``(row, …)``, filled up to so many rows."""
    return jax.tree.map(lambda *leaves: np.stack([padded(np.asarray(leaf), rows) for leaf in leaves]), *each)


def cells_of(law: Law, x: Any) -> Floats:
    """``(row, cell)`` what each weight of a law's discrepancy does at amplitude 1; no cells without one."""
    if isinstance(law, Discrepancy) and law.cells:
        return law.basis_of_rows(x)
    return np.zeros((len(jax.tree.leaves(x)[0]), 0))


def columns(law: Law, rows: Rows) -> tuple[Floats, int]:
    """``(row, k)`` what weights do: cells of the discrepancy, then runs; and how many of them are cells."""
    cells = cells_of(law, rows.x)
    if not rows.effects:
        return cells, cells.shape[1]
    labels, index = np.unique(rows.run, return_inverse=True)
    return np.concatenate([cells, np.eye(len(labels))[index]], axis=1), cells.shape[1]
