"""Which rows a candidate is fitted to, and which it must extrapolate to: the largest of each column, by turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.lawsearch.structure import Axis, Floats

AHEAD = (0.25, 0.45)  # of the rows: about how many a fold leaves out
LEAST_LEFT = 0.4  # of the rows, that a fold fits
SPLITS = 5
MANY_FEATURES = 4  # of which each is extrapolated once only
TOWARDS = (0.15, 0.25, 0.35, 0.45)  # of the rows, that lie furthest towards what will be forecast
NO_SHIFT = 0.5  # s.d. of a feature: rows that will be forecast lie no further off than this among those measured
ROUNDED = 0.02  # by so much shares may sum to more than 1
LEAST_LEVELS = 3  # values of a column, so that the largest can be left out


class Folds(NamedTuple):
    """Folds of rows.

    Attributes:
        seen: ``(fold, row)`` 1 for rows that are fitted; the first fold fits all.
        ahead: ``(fold, row)`` rows that are judged; none in the first.
        names: ``(fold,)`` what is extrapolated.
    """

    seen: Floats
    ahead: NDArray[np.bool_]
    names: tuple[str, ...]


def folds_of(axes: Sequence[Axis], columns: Floats, cost: Floats | None) -> Folds:
    """Folds that leave out the largest values of one column, by turns, and those of the costliest rows.

    Args:
        axes: ``(feature,)``.
        columns: ``(feature, row)``.
        cost: ``(row,)`` what a row cost, in any unit; None leaves that fold out.
    """
    rows = columns.shape[1]
    names = ["all rows"]
    seen: list[Floats] = [np.ones(rows)]
    ahead: list[NDArray[np.bool_]] = [np.zeros(rows, bool)]

    several = TOWARDS if len(axes) == 1 else AHEAD if len(axes) < MANY_FEATURES else AHEAD[:1]

    def add(name: str, along: Floats) -> None:
        for share in several:
            out = _largest(along, share)
            if out.any() and 1.0 - out.mean() >= LEAST_LEFT and not any((out == a).all() for a in ahead):
                seen.append(np.where(out, 0.0, 1.0))
                ahead.append(out)
                names.append(f"the largest of {name}")

    if cost is not None:
        add("cost", cost)
    for axis, values in zip(axes, columns, strict=True):
        if len(np.unique(values)) >= LEAST_LEVELS:
            add(axis.name, values)
    if len(names) == 1 or of_shares(axes, columns):  # shares have no large end: every fifth, by turns
        for k in range(SPLITS):
            out = np.arange(rows) % SPLITS == k
            seen.append(np.where(out, 0.0, 1.0))
            ahead.append(out)
            names.append(f"every {SPLITS}th row")
    return Folds(np.array(seen), np.array(ahead), tuple(names))


def of_shares(axes: Sequence[Axis], columns: Floats) -> bool:
    """Whether columns ``(feature, row)`` are a mixture: shares, which together with what is left out sum to 1."""
    shares = columns[[axis.share for axis in axes]]
    return len(shares) >= min(2, len(axes)) and bool((shares.sum(axis=0) < 1.0 + ROUNDED).all())


def folds_towards(axes: Sequence[Axis], columns: Floats, ahead: Floats) -> Folds | None:
    """Folds that leave out the rows furthest towards those that will be forecast; None if these lie among them.

    Args:
        axes: ``(feature,)``.
        columns: ``(feature, row)``.
        ahead: ``(feature, row to be forecast)``.
    """
    z, beyond = (np.stack([a.departure(v) for a, v in zip(axes, part, strict=True)]) for part in (columns, ahead))
    spread = np.maximum(z.std(axis=1), 1e-9)
    shift = (beyond.mean(axis=1) - z.mean(axis=1)) / spread
    if np.abs(shift).max() < NO_SHIFT:
        return None
    order = np.argsort(-(shift @ (z / spread[:, None])), kind="stable")
    rows = columns.shape[1]
    seen, left_out, names = [np.ones(rows)], [np.zeros(rows, bool)], ["all rows"]
    for count in dict.fromkeys(max(round(share * rows), 1) for share in TOWARDS):
        out = np.zeros(rows, bool)
        out[order[:count]] = True
        seen.append(np.where(out, 0.0, 1.0))
        left_out.append(out)
        names.append("towards what is forecast")
    return Folds(np.array(seen), np.array(left_out), tuple(names))


def _largest(values: Floats, share: float) -> NDArray[np.bool_]:
    """The rows with the largest values, whole ties, about so many."""
    levels = np.unique(values)
    if len(levels) < LEAST_LEVELS:
        return np.zeros(len(values), bool)
    counts = np.array([(values >= level).mean() for level in levels])
    best = int(np.argmin(np.abs(np.log(counts[1:] / share)))) + 1
    return np.asarray(values >= levels[best])
