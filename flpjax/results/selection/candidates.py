"""The runs that could come next: a grid of N and D about a ladder, or a table of the user's, with what each costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flpjax.errors import InputError
from flpjax.fitting.draws import LadderSummary
from flpjax.results.target import Target

SIZES, RATIOS = 12, 7  # of the grid: N, and tokens per parameter
DIGITS = 2  # of N and D of the grid: nobody trains 1.2345678B parameters
NAMES = ("run", "name")
STANDARD = {
    "params": "params", "N": "params", "tokens": "tokens", "D": "tokens", "flops": "flops", "C": "flops",
}  # fmt: skip


@dataclass(frozen=True)
class Candidates:
    """Runs that could be trained.

    Attributes:
        runs: ``(candidate,)`` with FLOPs.
        cost: ``(candidate,)`` in the unit of the spend.
        again: Whether one may be trained more than once, with another seed.
    """

    runs: tuple[Target, ...]
    cost: tuple[float, ...]
    again: bool = False

    @classmethod
    def read(cls, columns: Mapping[str, ArrayLike], where: str = "candidates") -> Candidates:
        """A table of candidates, one row a run.

        Args:
            columns: Name → ``(row,)``: ``run``, ``params`` or N, ``tokens`` or D, ``flops`` or C, ``mix/<source>``,
                ``x/<name>``, as ladders have them; and ``cost``, in the unit of the spend: FLOPs where there is none.
            where: What messages call it.

        Raises:
            InputError: A row has no cost that is known, or a value can't be.
        """
        known = {name: np.asarray(values) for name, values in columns.items()}
        rows = len(next(iter(known.values()), ()))
        if not rows:
            raise InputError(
                "there is no candidate", where=where, remedy="Give a row for each run that could be trained"
            )
        runs = tuple(_run(known, i, where) for i in range(rows))
        if "cost" not in known:
            return cls(runs, ())
        return cls(runs, tuple(_number(known, "cost", i, where) for i in range(rows)))

    def costed(self, ladder: LadderSummary, where: str = "candidates") -> Candidates:
        """With FLOPs by the ladder's rule, and these as costs where none are given.

        Raises:
            InputError: A cost is not positive, or there are not as many as runs.
        """
        if not self.runs:
            raise InputError("there is no candidate", where=where, remedy="Give one, or none for a grid")
        runs = tuple(run.filled(ladder.rule) for run in self.runs)
        if not self.cost:
            return replace(self, runs=runs, cost=tuple(float(r.flops or np.nan) for r in runs))
        if len(self.cost) != len(runs):
            raise InputError(
                f"there are {len(self.cost)} costs of {len(runs)} candidates", where=where, remedy="Give one for each"
            )
        for run, cost in zip(runs, self.cost, strict=True):
            if not 0.0 < cost < np.inf:
                raise InputError(
                    f"the cost of '{run.name}' is {cost:g}", where=where, remedy="Give what each would cost, above 0"
                )
        return replace(self, runs=runs)


def _run(columns: Mapping[str, NDArray[Any]], row: int, where: str) -> Target:
    sizes: dict[str, float | None] = {}
    for column, what in STANDARD.items():
        if column in columns:
            sizes[what] = _number(columns, column, row, where)
    if sizes.get("flops") is None and not {"params", "tokens"} <= set(sizes):
        raise InputError(
            "candidates have no cost: there is neither 'flops' nor both 'params' and 'tokens'",
            where=where,
            remedy="Add the columns params and tokens, or flops; and cost, if it is not in FLOPs",
        )
    groups = {
        group: {
            name.removeprefix(group): _number(columns, name, row, where) for name in columns if name.startswith(group)
        }
        for group in ("mix/", "x/")
    }
    name = next((str(columns[n][row]) for n in NAMES if n in columns), f"row {row + 1}")
    return Target(name, **sizes, mix=groups["mix/"] or None, features=groups["x/"] or None)


def _number(columns: Mapping[str, NDArray[Any]], column: str, row: int, where: str) -> float:
    try:
        value = float(columns[column][row])
    except (TypeError, ValueError):
        value = float("nan")
    if not np.isfinite(value) or (value <= 0 and column in (*STANDARD, "cost")):
        given = columns[column][row]
        raise InputError(
            f"there is no {'cost' if column == 'cost' else 'usable number'} in row {row + 1}, but {given}",
            where=f"{where}, column '{column}'",
            remedy="Give a positive number, or leave the row out" if column != "x/" else "Give a number",
        )
    return value


def grid(ladder: LadderSummary, target: Target, spend: float) -> Candidates:
    """Runs of N and D about the ladder that the spend allows, smaller than the target.

    N goes from the ladder's smallest to the target's, D/N over that of the ladder and of the target. On a ladder
    without N and D it is C alone. Each has the target's mixture and other features.

    Args:
        ladder: What was fitted.
        target: With FLOPs.
        spend: In FLOPs.

    Raises:
        InputError: The spend allows none.
    """
    assert target.flops is not None
    low, high = ladder.flops[0], min(spend, target.flops)
    if target.params is None or target.tokens is None or np.isnan(ladder.rule.extra):
        sizes = [replace(target, params=None, tokens=None, flops=rounded(c)) for c in spread(low, high, SIZES)]
    else:
        own = target.tokens / target.params
        ratios = spread(min(ladder.ratio[0], own), max(ladder.ratio[1], own), RATIOS)
        params = spread(ladder.params[0], max(target.params, ladder.params[0]), SIZES)
        sizes = [_sized(target, n, r, ladder) for n in params for r in ratios]
    cheapest = min(s.flops for s in sizes if s.flops is not None)
    within = {s.name: s for s in map(_named, sizes) if s.flops is not None and s.flops <= high}
    if not within:
        raise InputError(
            f"the spend {spend:.3g} is below the cheapest candidate, {cheapest:.3g} FLOPs",
            where="--spend",
            remedy="Give more, or candidates of your own",
        )
    runs = tuple(within.values())
    return Candidates(runs, tuple(float(r.flops or 0.0) for r in runs), again=True)


def _sized(target: Target, params: float, ratio: float, ladder: LadderSummary) -> Target:
    n, d = rounded(params), rounded(params * ratio)
    return replace(target, params=n, tokens=d, flops=ladder.rule(n, d))


def _named(run: Target) -> Target:
    size = f"C={run.flops:.2g}" if run.params is None else f"N={run.params:.2g},D={run.tokens:.2g}"
    return replace(run, name=size.replace("+", ""))


def spread(low: float, high: float, number: int) -> list[float]:
    """Numbers from one to another, evenly in logarithms; one if they are the same."""
    return [low] if high <= low * 1.01 else np.geomspace(low, high, number).tolist()


def rounded(value: float) -> float:
    """To the digits of the grid."""
    return float(f"{value:.{DIGITS - 1}e}")


def check_affordable(candidates: Candidates, spend: float) -> None:
    """Refuse a spend that buys nothing.

    Raises:
        InputError: It is no positive number, or below the cheapest candidate.
    """
    cheapest: Sequence[float] = sorted(candidates.cost)[:1]
    if cheapest and spend < cheapest[0]:
        raise InputError(
            f"the spend {spend:.3g} is below the cheapest candidate, {cheapest[0]:.3g}",
            where="spend",
            remedy="Give more, or cheaper candidates; costs and the spend are in one unit",
        )
