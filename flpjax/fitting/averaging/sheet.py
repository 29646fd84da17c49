"""The rows that laws are fitted to: of one output, and of several, stacked so that all are fitted at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.lanes import ROWS
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
    """Rows of several outputs, filled up to one number by rows that nobody sees.

    Where runs have effects, each run has as many places, one after the other, so that sums over its rows are sums over
    an axis.
    """

    x: Any  # leaves (output, row, …)
    y: Floats  # (output, row)
    seen: NDArray[np.bool_]  # (output, origin, row)
    below: Floats  # (output, origin, row)
    within: Floats  # (output, row); 1 of rows that nobody sees
    basis: Floats  # (output, row, cell) what each cell of the discrepancy does, at amplitude 1
    cells: NDArray[np.intp]  # (cell,) which of the discrepancy's cells these are: those that do something at some row
    effects: NDArray[np.bool_]  # (output,) whether its runs have effects
    runs: int  # that have places; 0 where no output has effects
    places: int  # of each
    alike: NDArray[np.intp]  # (output,) the first output whose covariances are the same
    measured: Floats  # (output,) s.d. of a run's final value about the run

    def of(self, outputs: NDArray[np.intp]) -> Sheet:
        """Of some of the outputs."""
        _, first, index = np.unique(self.alike[outputs], return_index=True, return_inverse=True)
        return self._replace(
            x=jax.tree.map(lambda leaf: leaf[outputs], self.x),
            **{name: getattr(self, name)[outputs] for name in BY_OUTPUT},
            alike=first[index.ravel()],
        )

    def seen_from(self, origin: int) -> Sheet:
        """Without the rows beyond the last that some output sees at an origin."""
        last = int(np.flatnonzero(self.seen[:, origin].any(axis=0)).max(initial=0))
        count = -(-(last + self.places + 1) // ROWS) * ROWS  # the last one's run is whole
        if count >= self.y.shape[1]:
            return self
        return self._replace(
            x=jax.tree.map(lambda leaf: leaf[:, :count], self.x),
            **{name: getattr(self, name)[..., :count] for name in ("y", "seen", "below", "within")},
            basis=self.basis[:, :count],
            runs=min(self.runs, count // self.places) if self.places else 0,
        )


BY_OUTPUT = ("y", "seen", "below", "within", "basis", "effects", "measured")
"""What a sheet has of each output, but for features and which are alike."""


def stacked(law: Law, each: Sequence[Rows]) -> Sheet:
    """Rows of the outputs of one law."""
    runs, places, where = _places(each)
    count = max(int(index.max()) + 1 for index in where)
    count += -count % ROWS
    outputs, origins = len(each), len(each[0].seen)

    def filled(leaves: Sequence[Any]) -> NDArray[Any]:
        whole = np.empty((outputs, count, *np.shape(leaves[0])[1:]))
        for own, leaf, index in zip(whole, leaves, where, strict=True):
            own[:] = leaf[-1]
            own[index] = leaf
        return whole

    y, within = np.zeros((outputs, count)), np.ones((outputs, count))
    shape = outputs, origins, count
    seen, below = np.zeros(shape, np.bool_), np.zeros(shape)
    for o, (rows, index) in enumerate(zip(each, where, strict=True)):
        y[o, index], within[o, index] = rows.y, rows.within
        of_origins = o, np.arange(origins)[:, None], index
        seen[of_origins], below[of_origins] = rows.seen, rows.below
    x = jax.tree.map(lambda *leaves: filled(leaves), *(r.x for r in each))
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), x)
    basis = cells_of(law, flat).reshape(outputs, count, -1)
    cells = np.flatnonzero((basis != 0.0).any(axis=(0, 1)))
    basis = basis[..., cells]
    effects = np.array([r.effects for r in each])
    first: dict[bytes, int] = {}
    compared = (seen, below, within, basis, effects)
    keys = [b"".join(leaf[o].tobytes() for leaf in compared) for o in range(outputs)]
    alike = np.array([first.setdefault(key, o) for o, key in enumerate(keys)], np.intp)
    measured = np.array([r.measured for r in each])
    return Sheet(x, y, seen, below, within, basis, cells, effects, runs, places, alike, measured)


def _places(each: Sequence[Rows]) -> tuple[int, int, list[NDArray[np.intp]]]:
    """How many runs have places, how many places a run has, and where each output's rows stand."""
    known: dict[bytes, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}

    def of(rows: Rows) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Each row's run, counted from 0, and which of the run's rows it is."""
        key = rows.run.tobytes()
        if key not in known:
            index = np.unique(rows.run, return_inverse=True)[1]
            order = np.argsort(index, kind="stable")
            number = np.empty_like(index)
            number[order] = np.arange(len(index)) - np.searchsorted(index[order], index[order])
            known[key] = index, number
        return known[key]

    own = [of(rows) if rows.effects else None for rows in each]
    runs = max((int(o[0].max()) + 1 for o in own if o is not None), default=0)
    places = max((int(o[1].max()) + 1 for o in own if o is not None), default=0)
    where = [np.arange(len(rows.y)) if o is None else o[0] * places + o[1] for rows, o in zip(each, own, strict=True)]
    return runs, places, where


def by_run(sheet: Sheet, values: Floats) -> Floats:
    """``(fit, run, …)`` sums over the rows of each run that has places, of ``(fit, row, …)``."""
    used = values[:, : sheet.runs * sheet.places].reshape(len(values), sheet.runs, sheet.places, *values.shape[2:])
    found = used[:, :, 0].copy()
    for place in range(1, sheet.places):  # they are few, and NumPy is slow at sums over short axes
        found += used[:, :, place]
    return found


def of_rows(sheet: Sheet, of_runs: Floats) -> Floats:
    """``(fit, row, …)`` what each row's run has, of ``(fit, run, …)``; 0 of rows without a run."""
    found = np.zeros((len(of_runs), sheet.y.shape[1], *of_runs.shape[2:]))
    for place in range(sheet.places):
        found[:, place : sheet.runs * sheet.places : sheet.places] = of_runs
    return found


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
