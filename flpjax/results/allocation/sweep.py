"""The lower envelope of a sweep: of several learning rates or batches for one N and D, what the best setting reaches.

The lowest of many noisy losses is too low, the more so the more runs there are: where enough runs surround it, the
lowest point of a bowl through those near the best is taken in its place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, did_you_mean, some_of
from flpjax.ladder.table import Runs
from flpjax.readers.read import Table, read_runs
from flpjax.shown import ShownAsTable

SAME = 0.01  # of log N and log D: runs of one size, counted to whole batches
NEAR = 0.02
"""Relative loss above the best within which a bowl is fitted: a quadratic in logarithms of settings follows losses
there, and not where training breaks down."""
DIVERGED = 0.1
"""Relative loss above the best of its size from which a run counts as diverged: halving N or D costs less than that."""
OUTLYING = 6.0  # times the median distance from the bowl, from which a run does not count
ROUNDING = 1e-6  # of log losses, which tables have
ROUNDS = 3  # of choosing runs by the bowl and fitting it again
SPARE = 2  # runs more than a bowl has coefficients, for it to be fitted
FEW, SHARE = 2, 0.5  # cells with several settings, and their share of all, from which a table is a sweep

Floats = NDArray[np.float64]


class Cell(NamedTuple):
    """The runs of one N and D."""

    params: float
    tokens: float
    runs: tuple[str, ...]
    best: str  # the run with the lowest loss
    lowest: float  # its loss
    loss: float  # of the best setting: the bowl's lowest point, or that loss
    bowl: bool
    settings: dict[str, float]  # setting → its best value
    on: tuple[str, ...]  # the runs that the loss rests on
    diverged: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SweepEnvelope(ShownAsTable):
    """What the best setting reaches at every N and D.

    Attributes:
        source: Where the runs came from.
        domain: The loss that settings are judged by.
        settings: ``(setting,)`` the features that are swept.
        cells: One an N and D.
        runs: The best run of every cell, with the loss of the best setting: a ladder to plan or forecast from.
    """

    source: str
    domain: str
    settings: tuple[str, ...]
    cells: tuple[Cell, ...]
    runs: Runs

    @property
    def words(self) -> str:
        """What was done, in a sentence."""
        total = sum(len(cell.runs) for cell in self.cells)
        bowls = sum(cell.bowl for cell in self.cells)
        lost = [name for cell in self.cells for name in cell.diverged]
        said = (
            f"{total:,} runs sweep {', '.join(self.settings)} at {len(self.cells)} N and D, of each of which the best "
            f"setting counts: at {bowls} by a bowl, else by the lowest loss"
        )
        return said + (f"; {count(len(lost), 'run')} diverged: {some_of(lost)}" if lost else "")

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one an N and D."""
        return [
            {
                "params": cell.params,
                "tokens": cell.tokens,
                "runs": len(cell.runs),
                "on": len(cell.on),
                "diverged": len(cell.diverged),
                "best": cell.best,
                "lowest": cell.lowest,
                "loss": cell.loss,
                "by": "bowl" if cell.bowl else "lowest",
                **cell.settings,
            }
            for cell in self.cells
        ]

    def to_json(self) -> str:
        """As JSON text, with the names of the runs that each loss rests on."""
        rows = [
            {**row, "on": list(cell.on), "diverged": list(cell.diverged)}
            for row, cell in zip(self.to_dicts(), self.cells, strict=True)
        ]
        content = {"source": self.source, "domain": self.domain, "settings": list(self.settings), "cells": rows}
        return json.dumps(content, indent=2, allow_nan=False)

    def __str__(self) -> str:
        return "\n".join(
            f"N {c.params:.3g}, D {c.tokens:.3g}: {c.loss:.4g} ({'bowl' if c.bowl else 'lowest'} of {len(c.runs)} runs)"
            + ", "
            + ", ".join(f"{name} {value:.3g}" for name, value in c.settings.items())
            for c in self.cells
        )


def sweep_envelope(runs: Table, via: str | None = None) -> SweepEnvelope:
    """The lower envelope of a table that holds several settings per N and D.

    Args:
        runs: The table; settings are columns ``x/<name>`` that vary at one N and D. Held-out runs are not used.
        via: The loss that settings are judged by; None for the first.

    Raises:
        InputError: There is no loss, N or D, or no setting varies at one N and D.
    """
    runs = read_runs(runs)
    training = runs.training()
    if via is not None and via not in training.domains:
        raise InputError(
            f"there is no loss domain '{via}'", where=runs.source, remedy=did_you_mean(via, training.domains)
        )
    if not training.domains or not {"params", "tokens"} <= set(training.features):
        raise InputError("a sweep needs losses, N and D", where=runs.source, remedy="Add them as columns")
    domain = via or training.general_domains[0]
    finals = training.finals()
    finals = finals.rows(np.isfinite(finals.loss_of(domain)))
    cell = cells_of(finals)
    settings = _swept(finals, cell)
    if not settings:
        raise InputError(
            "no setting varies at one N and D",
            where=runs.source,
            remedy="Add columns such as 'x/lr' or 'x/batch_size', or plan from the runs as they are",
        )
    found, rows, losses = [], [], []
    for own in range(int(cell.max()) + 1):
        at = np.flatnonzero(cell == own)
        one, row = _cell(finals, domain, at, settings)
        found.append(one)
        rows.append(row)
        losses.append(one.loss)
    keep = np.zeros(len(finals), bool)
    keep[rows] = True
    best = finals.rows(keep)
    loss = best.loss.copy()
    loss[:, best.domains.index(domain)] = np.array(losses)[np.argsort(rows)]
    order = sorted(found, key=lambda c: (c.params, c.tokens))
    return SweepEnvelope(runs.source, domain, settings, tuple(order), replace(best, loss=loss))


def is_sweep(runs: Runs, domain: str) -> bool:
    """Whether half of the N and D of a table have several settings."""
    if not runs.extra_features or not {"params", "tokens"} <= set(runs.features):
        return False
    finals = runs.finals()
    finals = finals.rows(np.isfinite(finals.loss_of(domain)))
    if not len(finals):
        return False
    cell = cells_of(finals)
    several = np.bincount(cell) > 1
    return bool(several.sum() >= FEW and several.mean() >= SHARE and _swept(finals, cell))


def cells_of(finals: Runs) -> NDArray[np.int64]:
    """``(row,)`` which N and D each run has."""
    steps = np.stack([np.round(np.log(v) / SAME) for v in (finals.params, finals.tokens)], axis=1)
    return np.asarray(np.unique(steps, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def _swept(finals: Runs, cell: NDArray[np.int64]) -> tuple[str, ...]:
    """Features that vary within cells; not tokens that may be repeated, which a law reads."""
    names = []
    for i, feature in enumerate(finals.extra_features):
        values = finals.extra[:, i]
        varies = any(np.ptp(values[cell == own]) > 0 for own in np.unique(cell))
        if varies and feature.name != "unique_tokens" and not feature.name.endswith("params"):
            names.append(feature.name)
    return tuple(names)


def _cell(finals: Runs, domain: str, at: NDArray[np.intp], settings: tuple[str, ...]) -> tuple[Cell, int]:
    """One N and D, and the row of its best run."""
    loss = finals.loss_of(domain)[at]
    names = [finals.names[finals.run[i]] for i in at]
    names_of = [f.name for f in finals.extra_features]
    columns = [
        finals.extra_features[names_of.index(s)].transformed(finals.extra[at, names_of.index(s)]) for s in settings
    ]
    x = np.stack(columns, axis=1)
    best = int(loss.argmin())
    fitted = _lowest_point(x, np.log(loss), x[best])
    value, place, near = float(loss[best]), x[best], np.arange(len(loss)) == best
    if fitted is not None:
        value, place, near = float(np.exp(fitted[0].value)), fitted[0].place, fitted[1]
    logs = [f.transform == "log" for f in finals.extra_features]
    best_settings = {
        s: float(np.exp(v) if logs[names_of.index(s)] else v) for s, v in zip(settings, place, strict=True)
    }
    on = tuple(n for n, k in zip(names, near, strict=True) if k)
    diverged = tuple(n for n, v in zip(names, loss, strict=True) if v > loss[best] * (1.0 + DIVERGED))
    row = at[best]
    cell = Cell(
        float(finals.params[row]), float(finals.tokens[row]), tuple(names), names[best], float(loss[best]), value,
        fitted is not None, best_settings, on, diverged,
    )  # fmt: skip
    return cell, int(row)


class _Bowl(NamedTuple):
    """A quadratic in settings without cross terms."""

    value: float  # at its lowest point
    place: Floats  # (setting,) where that is
    fitted: Floats  # (run,) at all runs


def _lowest_point(x: Floats, y: Floats, best: Floats) -> tuple[_Bowl, NDArray[np.bool_]] | None:
    """The bowl near its lowest point, and the runs it is fitted to; None if they are too few or don't surround it.

    Runs are chosen by what the bowl expects of their settings, since the lucky ones of those that are low would be.
    """
    used = y <= y.min() + np.log1p(DIVERGED)
    bowl = _bowl(x, y, used, best)
    for _ in range(ROUNDS):
        if bowl is None:
            return None
        residual = np.abs(y - bowl.fitted)
        sound = residual <= max(OUTLYING * float(np.median(residual[used])), ROUNDING)
        near = (bowl.fitted <= bowl.value + np.log1p(NEAR)) & sound
        wide = (y <= y.min() + np.log1p(DIVERGED)) & sound
        narrower = _bowl(x, y, near, best)
        used = near if narrower is not None else wide
        bowl = narrower if narrower is not None else _bowl(x, y, wide, best)
    return None if bowl is None else (bowl, used)


def _bowl(x: Floats, y: Floats, used: NDArray[np.bool_], best: Floats) -> _Bowl | None:
    """Fitted to some of the runs; None if these are too few, or its lowest point is not among them."""
    moving = np.array([len(np.unique(column[used])) > 2 for column in x.T])
    if not moving.any() or used.sum() < 1 + 2 * moving.sum() + SPARE:
        return None
    u = x[:, moving] - best[moving]
    table = np.concatenate([np.ones((len(y), 1)), u, u**2], axis=1)
    found, _, rank, _ = np.linalg.lstsq(table[used], y[used], rcond=None)
    slope, bend = np.split(found[1:], 2)
    if rank < table.shape[1] or not (bend > 0).all():
        return None
    step = -slope / (2.0 * bend)
    if (step < u[used].min(axis=0)).any() or (step > u[used].max(axis=0)).any():
        return None
    place = best.copy()
    place[moving] += step
    return _Bowl(float(found[0] + (slope * step + bend * step**2).sum()), place, table @ found)
