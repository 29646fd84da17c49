"""``discover_law``: propose – fit – criticise – revise, over laws of losses in any columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.fitting.lawsearch.folds import Folds, folds_of
from flpjax.fitting.lawsearch.found import FoundLaws, Member, members_of
from flpjax.fitting.lawsearch.proposer import Proposer, propose
from flpjax.fitting.lawsearch.structure import Floats, axis_of
from flpjax.fitting.lawsearch.trials import Problem, Trial, noise_of, try_structures
from flpjax.laws.law import Space
from flpjax.numerics import require_x64

ROUNDS = 6
BEAM = 6  # structures whose revisions are tried
PER_ROUND = 100
FITS = 2400  # in a round, one a structure, cell and fold: fewer structures are tried where there are many cells
SEARCH_ROWS = 250  # of a cell, that candidates are fitted to: the laws that are found are fitted to all
FEWEST_ROWS = 6  # of a cell
FIRST_NOISE = 0.2  # of the spread of values
FINER = 0.85  # of the noise: a smaller one is worth judging the best again


def discover_law(
    columns: Mapping[str, ArrayLike],
    targets: str | Sequence[str],
    *,
    features: Sequence[str] | None = None,
    group: str | None = None,
    cost: ArrayLike | None = None,
    seed: int = 0,
    rounds: int = ROUNDS,
    per_round: int = PER_ROUND,
    proposer: Proposer = propose,
    progress: Callable[[str], None] | None = None,
) -> FoundLaws:
    """Find laws of losses over any columns, and an ensemble of the best, with intervals.

    Structures are sums of exponentials of what features do (:mod:`flpjax.fitting.lawsearch.structure`). Each is fitted
    to all rows and to folds that leave out the largest values of a column, or the costliest rows, and judged by how
    far it errs there; a number must pay for itself. Revisions of the best are tried next. In the end the best few are
    fitted to all rows and weighed by what they showed.

    Args:
        columns: Name → ``(row,)`` values; a dictionary, or a polars or pandas frame.
        targets: The column, or columns, to explain: losses. They may be negative.
        features: The columns to explain them by; None for all other numbers.
        group: A column whose values set rows apart: the same structure, with numbers of its own for each.
        cost: ``(row,)`` what a row cost, say its FLOPs: laws are judged by the costliest, too.
        seed: Of starts, and of which proposals are tried where there are too many.
        rounds: Of proposals.
        per_round: Structures in a round.
        proposer: What to try next.
        progress: Called with words before each round.

    Raises:
        InputError: A column is missing, not of numbers, or has too few rows in a group.
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("discovery")
    if rounds < 1 or per_round < 1:
        raise InputError(f"{rounds} rounds of {per_round}", where="discover_law", remedy="Give at least one of each")
    names = [targets] if isinstance(targets, str) else list(targets)
    table = _Table.of(columns, names, features, group, cost)
    rng = np.random.default_rng(seed)
    problem = table.problem(rng)
    noise = FIRST_NOISE * np.maximum(problem.spread, 1e-6)
    tried: dict[object, Trial] = {}
    best: list[Trial] = []
    for number in range(rounds):
        asked = [
            s for s in proposer([t.structure for t in best], problem.axes, problem.signed) if s.same() not in tried
        ]
        most = min(per_round, max(FITS // (len(problem.y) * len(problem.folds.seen)), BEAM))
        if number and len(asked) > most:
            asked = [asked[i] for i in np.sort(rng.permutation(len(asked))[:most])]
        if not asked:
            break
        if progress is not None:
            progress(f"round {number + 1}: {len(asked)} laws")
        tried |= {t.structure.same(): t for t in try_structures(problem, asked, best, noise, rng)}
        best = _best(tried)
        finer = np.minimum(noise, noise_of(problem, best[0]))
        if (finer < FINER * noise).any():  # what is noise shows when something explains the rest: judge the best again
            noise = finer
            again = [t.structure for t in best]
            tried |= {t.structure.same(): t for t in try_structures(problem, again, best, noise, rng)}
            best = _best(tried)
    ranked = sorted(tried.values(), key=lambda t: t.price)
    members: tuple[Member, ...] = members_of(table.whole, ranked, noise, rng)
    return FoundLaws(tuple(names), table.names, table.groups, table.whole, members, noise, len(tried), tuple(ranked))


def _best(tried: Mapping[object, Trial]) -> list[Trial]:
    return sorted(tried.values(), key=lambda t: t.price)[:BEAM]


class _Table:
    """The columns, checked, and cut into cells."""

    def __init__(
        self, names: tuple[str, ...], groups: tuple[str, ...], whole: Problem, rows: int, cost: Floats | None
    ) -> None:
        self.names, self.groups, self.whole, self.rows, self.cost = names, groups, whole, rows, cost

    @classmethod
    def of(
        cls,
        columns: Mapping[str, ArrayLike],
        targets: Sequence[str],
        features: Sequence[str] | None,
        group: str | None,
        cost: ArrayLike | None,
    ) -> _Table:
        there = [str(name) for name in _names(columns)]
        for name in (*targets, *(features or ()), *((group,) if group else ())):
            if name not in there:
                raise InputError(f"there is no column '{name}'", where="discover_law", remedy=did_you_mean(name, there))
        if not targets:
            raise InputError("there is nothing to explain", where="discover_law", remedy="Name a column of losses")
        chosen = [n for n in there if n not in targets and n != group and _numeric(columns[n])]
        chosen = chosen if features is None else list(features)
        values = {name: _numbers(name, columns[name]) for name in (*chosen, *targets)}
        chosen = [name for name in chosen if np.ptp(values[name]) > 0]
        if not chosen:
            raise InputError("no feature varies", where="discover_law", remedy="Give columns of numbers that differ")
        labels = np.zeros(len(values[targets[0]]), int)
        groups: tuple[str, ...] = ("",)
        if group is not None:
            text = np.asarray(columns[group]).astype(str)
            groups = tuple(dict.fromkeys(text.tolist()))
            labels = np.array([groups.index(t) for t in text])
        paid = None if cost is None else _numbers("cost", cost)
        if paid is not None and not (paid > 0).all():
            raise InputError("a cost is not positive", where="discover_law", remedy="Give FLOPs, or leave it out")
        sizes = np.bincount(labels, minlength=len(groups))
        if sizes.min() < FEWEST_ROWS:
            raise InputError(
                f"group '{groups[int(sizes.argmin())]}' has {sizes.min()} rows",
                where="discover_law",
                remedy=f"Give {FEWEST_ROWS} or more, leave it out, or leave the group out",
            )
        x = np.stack([values[n] for n in chosen])
        axes = tuple(axis_of(n, v) for n, v in zip(chosen, x, strict=True))
        widest = int(sizes.max())
        cells = [(g, t) for g in range(len(groups)) for t in targets]
        rows = np.stack([_padded(np.flatnonzero(labels == g), widest) for g, _ in cells])
        weight = np.stack([(np.arange(widest) < sizes[g]).astype(float) for g, _ in cells])
        y = np.stack([values[t][r] for (_, t), r in zip(cells, rows, strict=True)])
        space: Space = "linear" if (y <= 0).any() else "log"
        order = None if paid is None else paid[rows[0]]
        folds = folds_of(axes, x[:, rows[0]], order)
        whole = Problem(axes, np.stack([x[:, r] for r in rows]), y, weight, space, folds)
        return cls(tuple(chosen), groups, whole, widest, order)

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


def _names(columns: Any) -> list[str]:
    found = columns.columns if hasattr(columns, "columns") else columns
    return list(found)


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
            f"there is no finite value in row {bad[0]}",
            where=f"discover_law, column '{name}'",
            remedy="Leave the row out, or the column",
        )
    return found
