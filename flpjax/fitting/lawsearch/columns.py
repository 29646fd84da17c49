"""The columns that laws are looked for in, checked, and cut into cells: a group's target each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.fitting.lawsearch.folds import Folds, folds_of, folds_towards
from flpjax.fitting.lawsearch.problem import Problem
from flpjax.fitting.lawsearch.structure import Floats, axis_of
from flpjax.ladder.table import Runs
from flpjax.laws.law import Space

SEARCH_ROWS = 250  # of a cell, that candidates are fitted to: the laws that are found are fitted to all
FEWEST_ROWS = 6  # of a cell


def columns_of(finals: Runs) -> dict[str, Floats]:
    """The columns of finished runs: N, D, features and mixture as far as there are, and losses.

    C is left out where N and D are there: it says nothing that they don't.
    """
    found = {"N": finals.params, "D": finals.tokens}
    found = {name: v for name, v in found.items() if np.isfinite(v).all()}
    if len(found) < 2:
        found["C"] = finals.flops
    found |= {f.name: finals.extra[:, i] for i, f in enumerate(finals.extra_features)}
    found |= {f"mix/{s}": finals.mix[:, i] for i, s in enumerate(finals.sources)}
    return found | {f"loss/{d}": finals.loss_of(d) for d in finals.domains}


class Table:
    """The columns, checked, and cut into cells."""

    def __init__(self, names: tuple[str, ...], groups: tuple[str, ...], whole: Problem, rows: int) -> None:
        self.names, self.groups, self.whole, self.rows = names, groups, whole, rows

    @classmethod
    def of(
        cls,
        columns: Mapping[str, ArrayLike],
        targets: Sequence[str],
        features: Sequence[str] | None,
        group: str | None,
        cost: ArrayLike | str | None,
        towards: Mapping[str, ArrayLike] | None = None,
    ) -> Table:
        """Check the columns, and cut them.

        Raises:
            InputError: A column is missing, not of numbers, or has too few rows in a group.
        """
        there = [str(name) for name in _names(columns)]
        paid_by = (cost,) if isinstance(cost, str) else ()
        for name in (*targets, *(features or ()), *((group,) if group else ()), *paid_by):
            if name not in there:
                raise InputError(f"there is no column '{name}'", where="discover_law", remedy=did_you_mean(name, there))
        targets = tuple(dict.fromkeys(targets))
        if not targets:
            raise InputError("there is nothing to explain", where="discover_law", remedy="Name a column of losses")
        numbers = [n for n in there if n not in (*targets, group) and _explains(n) and _numeric(columns[n])]
        others = [n for n in numbers if n not in paid_by]  # if there are none, the cost is what explains
        chosen = (others or numbers) if features is None else list(features)
        values = {name: _numbers(name, columns[name]) for name in (*chosen, *targets)}
        count = len(values[targets[0]])
        if count < FEWEST_ROWS:
            raise InputError(
                f"the table has {count} row{'' if count == 1 else 's'}",
                where="discover_law",
                remedy=f"Give {FEWEST_ROWS} or more",
            )
        chosen = [name for name in chosen if np.ptp(values[name]) > 0]
        if not chosen:
            raise InputError("no feature varies", where="discover_law", remedy="Give columns of numbers that differ")
        labels = np.zeros(count, int)
        groups: tuple[str, ...] = ("",)
        if group is not None:
            text = np.asarray(columns[group]).astype(str)
            groups = tuple(dict.fromkeys(text.tolist()))
            labels = np.array([groups.index(t) for t in text])
        paid = None if cost is None else _numbers("cost", columns[cost] if isinstance(cost, str) else cost)
        sizes = np.bincount(labels, minlength=len(groups))
        if sizes.min() < FEWEST_ROWS:
            raise InputError(
                f"group '{groups[int(sizes.argmin())]}' has {sizes.min()} rows",
                where="discover_law",
                remedy=f"Give {FEWEST_ROWS} or more, leave it out, or leave the group out",
            )
        x = np.stack([values[n] for n in chosen])
        ahead = None if towards is None else np.stack([_numbers(n, towards[n]) for n in chosen])
        forecast = [None] * len(chosen) if ahead is None else ahead
        axes = tuple(axis_of(n, v, a) for n, v, a in zip(chosen, x, forecast, strict=True))
        widest = int(sizes.max())
        cells = [(g, t) for g in range(len(groups)) for t in targets]
        order = np.arange(count)
        if len(groups) > 1:  # folds are of places in a group: the largest stand first in each, however many there are
            keys = [values[n] for n in reversed(chosen)] + ([] if paid is None else [paid])
            order = np.lexsort(keys)[::-1]
        rows = np.stack([_padded(order[labels[order] == g], widest) for g, _ in cells])
        weight = np.stack([(np.arange(widest) < sizes[g]).astype(float) for g, _ in cells])
        y = np.stack([values[t][r] for (_, t), r in zip(cells, rows, strict=True)])
        space: Space = "linear" if (y <= 0).any() else "log"
        longest = rows[int(weight.sum(axis=1).argmax())]
        folds = folds_of(axes, x[:, longest], None if paid is None else paid[longest])
        if ahead is not None:
            folds = folds_towards(axes, x[:, longest], ahead) or folds
        whole = Problem(axes, np.stack([x[:, r] for r in rows]), y, weight, space, folds)
        return cls(tuple(chosen), groups, whole, widest)

    def problem(self, rng: np.random.Generator) -> Problem:
        """The rows that candidates are fitted to."""
        if self.rows <= SEARCH_ROWS:
            return self.whole
        keep = np.sort(rng.permutation(self.rows)[:SEARCH_ROWS])
        whole = self.whole
        folds = Folds(whole.folds.seen[:, keep], whole.folds.ahead[:, keep], whole.folds.names)
        return replace(
            whole, columns=whole.columns[..., keep], y=whole.y[:, keep], weight=whole.weight[:, keep], folds=folds
        )


def _padded(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.concatenate([rows, np.repeat(rows[:1], count - len(rows))])


def unread(columns: Any, group: str | None = None) -> list[str]:
    """Columns of kinds, not numbers: no law reads them, and groups could be made of them. A run's name is no kind."""
    names = [n for n in _names(columns) if n not in (group, "run") and not _numeric(columns[n])]
    kinds = {n: np.asarray(columns[n]).astype(str) for n in names}
    return [n for n, values in kinds.items() if 1 < len(np.unique(values)) < len(values)]


def _names(columns: Any) -> list[str]:
    found = columns.columns if hasattr(columns, "columns") else columns
    return list(found)


def _explains(name: str) -> bool:
    """Whether a column may explain others unasked: what comes of a training may not."""
    return not name.startswith(("loss/", "score/", "stderr/")) and name not in ("train_loss", "final", "held_out")


def _numeric(values: Any) -> bool:
    return bool(np.issubdtype(np.asarray(values).dtype, np.number))


def _numbers(name: str, values: Any) -> Floats:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"column '{name}' is not of numbers", where="discover_law", remedy="Leave it out") from None
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise InputError(
            f"there is no finite value in row {bad[0] + 1}",
            where=f"discover_law, column '{name}'",
            remedy="Leave the row out, or the column",
        )
    return found
