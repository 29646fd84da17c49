"""What discovery found: a few laws, weighed, and what they forecast, with intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from flpjax.errors import InputError
from flpjax.fitting.lawsearch.departure import Departure
from flpjax.fitting.lawsearch.members import Member, said_by, weighted_median
from flpjax.fitting.lawsearch.problem import Problem, Trial
from flpjax.fitting.lawsearch.structure import Floats, as_law, constants, formula, in_sd
from flpjax.fitting.lawsearch.widths import FREEDOM, SCALE2, carried_on, freedom, scatter
from flpjax.laws.formula.formula import FormulaLaw
from flpjax.laws.formula.tree import written
from flpjax.shown import ShownAsTable

LAWS_SHOWN = 5


class Forecasts(NamedTuple):
    """Of new rows, leaves ``(row,)`` or ``(row, target)`` for several."""

    median: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, eq=False)
class FoundLaws(ShownAsTable):
    """An ensemble of laws.

    Attributes:
        targets: ``(target,)`` the columns that it explains.
        features: ``(feature,)`` by what.
        groups: ``(group,)`` rows with numbers of their own; one, '', without groups.
        problem: All rows.
        members: The laws, the best first.
        departure: What rows depart from the laws by, added to what these say; None if it may be noise.
        noise: ``(cell,)`` s.d. of residuals; a cell is a group's target.
        growth: Of errors beyond the rows, in units of the noise per s.d. of distance.
        tried: How many structures were tried.
        log: Every trial, the best first.
    """

    targets: tuple[str, ...]
    features: tuple[str, ...]
    groups: tuple[str, ...]
    problem: Problem
    members: tuple[Member, ...]
    departure: Departure | None
    noise: Floats
    growth: float
    tried: int
    log: tuple[Trial, ...]

    def predict(
        self, columns: Mapping[str, ArrayLike], group: ArrayLike | None = None, *, level: float = 0.9
    ) -> Forecasts:
        """What new rows would measure.

        The median is that of the laws by weight, and what rows nearby depart from it by. Intervals hold the laws'
        disagreement, how well their numbers are known, the noise, and, for rows outside of those that were fitted
        (of their convex hull), errors in proportion to the distance, as large as the rolling hold-outs show them.

        Args:
            columns: Name → ``(row,)`` of the features.
            group: ``(row,)`` the group of each row, if there are groups.
            level: Probability of the intervals.

        Raises:
            InputError: A feature is missing, or there is no such group.
        """
        if not 0.0 < level < 1.0:
            raise InputError(f"the level is {level:g}", where="predict", remedy="Give a probability, say 0.9")
        x = self._columns(columns)
        which = self._groups(group, x.shape[1])
        cells = [[self._cell(g, t) for t in range(len(self.targets))] for g in range(len(self.groups))]
        parts = [self._values(x, np.array(each)) for each in zip(*cells, strict=True)]  # target → (law, group, row)
        row = np.arange(x.shape[1])
        by_law = np.stack([p[:, which, row] for p in parts], axis=-1)  # (law, row, target)
        weight = np.array([m.weight for m in self.members])
        log = self.problem.space == "log"
        middle = weighted_median(by_law, weight)
        between = np.tensordot(weight, (by_law - middle) ** 2, 1)
        sd = np.sqrt(between + self._variance(x, which))
        middle += self._departed(x, which)
        half = float(stdtrit(FREEDOM, 0.5 + 0.5 * level)) * np.sqrt(SCALE2) * sd
        bounds = (middle, middle - half, middle + half)
        median, lower, upper = (np.exp(b) if log else b for b in bounds)
        if len(self.targets) == 1:
            median, lower, upper = median[:, 0], lower[:, 0], upper[:, 0]
        return Forecasts(median, lower, upper)

    def _columns(self, columns: Mapping[str, ArrayLike]) -> Floats:
        there = columns.columns if hasattr(columns, "columns") else columns
        for name in self.features:
            if name not in there:
                raise InputError(f"there is no column '{name}'", where="predict", remedy="Give every feature")
        x = np.stack([np.asarray(columns[name], np.float64) for name in self.features])
        for axis, given in zip(self.problem.axes, x, strict=True):
            bad = np.flatnonzero(~np.isfinite(given) | (axis.logarithm & (given + axis.shift <= 0)))
            if len(bad):
                raise InputError(
                    f"got {given[bad[0]]:g} in row {bad[0] + 1}",
                    where=f"predict, column '{axis.name}'",
                    remedy="Give positive numbers" if axis.logarithm else "Give finite numbers",
                )
        return x

    def _groups(self, group: ArrayLike | None, rows: int) -> np.ndarray:
        if self.groups == ("",):
            return np.zeros(rows, int)
        if group is None:
            raise InputError("there is no group", where="predict", remedy=f"Give one of {', '.join(self.groups[:6])}")
        text = np.broadcast_to(np.asarray(group).astype(str), (rows,))
        for name in dict.fromkeys(text.tolist()):
            if name not in self.groups:
                raise InputError(
                    f"there is no group '{name}'", where="predict", remedy=f"There is {', '.join(self.groups[:6])}"
                )
        return np.array([self.groups.index(t) for t in text])

    def _cell(self, group: int, target: int) -> int:
        return group * len(self.targets) + target

    def _values(self, x: Floats, cells: np.ndarray) -> Floats:
        """``(law, cell, row)``, logarithms where residuals are."""
        return said_by(self.problem, self.members, np.broadcast_to(x, (len(cells), *x.shape)), cells)

    def _departed(self, x: Floats, group: np.ndarray) -> Floats:
        """``(row, target)`` what rows nearby depart from the laws by."""
        found = np.zeros((x.shape[1], len(self.targets)))
        if self.departure is None:
            return found
        at = in_sd(self.problem.axes, x)
        for g in np.unique(group):
            for t in range(len(self.targets)):
                found[group == g, t] = self.departure.mean(self._cell(g, t), at[group == g])
        return found

    def _variance(self, x: Floats, group: np.ndarray) -> Floats:
        """``(row, target)`` of what would be measured about the laws, each as if it were the right one."""
        noise = scatter(self.problem, self.noise, sum(m.weight * m.structure.size for m in self.members))
        found = np.zeros((x.shape[1], len(self.targets)))
        for g in np.unique(group):
            rows = group == g
            own = x[:, rows]
            times = carried_on(self.problem, self._cell(g, 0), own, self.growth)
            for t in range(len(self.targets)):
                c = self._cell(g, t)
                found[rows, t] = (times * noise[c]) ** 2
                for m in self.members:
                    found[rows, t] += m.weight * freedom(self.problem, m.structure, m.vector[c], noise[c], c, own)
        return found

    @property
    def laws(self) -> tuple[FormulaLaw, ...]:
        """``(law,)`` as laws that :func:`flpjax.method` takes, the best first; their numbers are fitted anew."""
        laws = [m.structure for m in self.members if m.structure.size > 1]  # a constant reads nothing
        return tuple(as_law(structure, self.problem.axes, self.problem.signed) for structure in laws)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per law tried, the best first."""
        kept = {m.structure for m in self.members}
        return [
            {
                "formula": formula(t.structure, self.problem.axes),
                "held_out_error": t.error,
                "numbers": t.structure.size,
                "price": t.price,
                "kept": t.structure in kept,
            }
            for t in self.log
        ]

    def formula_of(self, member: Member) -> str:
        """A law of the ensemble as a formula; with its numbers, unless groups or targets have numbers of their own."""
        if len(self.problem.y) > 1 or member.structure.size == 1:
            return formula(member.structure, self.problem.axes)
        law = as_law(member.structure, self.problem.axes, self.problem.signed)
        return written(law.tree, self.constants_of(member)[self.targets[0]])

    def constants_of(self, member: Member) -> dict[str, dict[str, float]]:
        """The numbers of a law's formula: by target, or by ``group: target``."""
        cells = [f"{g}: {t}" if g else t for g in self.groups for t in self.targets]
        axes = self.problem.axes
        return {c: constants(member.structure, axes, v) for c, v in zip(cells, member.vector, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """The ensemble and the log, for JSON."""
        laws = [
            {
                "formula": formula(m.structure, self.problem.axes),
                "weight": m.weight,
                "constants": self.constants_of(m),
            }
            for m in self.members
        ]
        names = {"targets": list(self.targets), "features": list(self.features), "groups": list(self.groups)}
        departs = self.departure and {"length": self.departure.length, "ratio": self.departure.ratio}
        return {**names, "laws": laws, "departure": departs, "tried": self.to_dicts()}

    def to_json(self) -> str:
        """The same as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        lines = [f"{self.tried} laws tried; weight, held-out error, formula"]
        for m in self.members[:LAWS_SHOWN]:
            lines.append(f"{m.weight:5.0%}  {m.trial.error:6.3g}  {', '.join(self.targets)} = {self.formula_of(m)}")
        more = len(self.members) - LAWS_SHOWN
        lines += [f"and {more} more"] if more > 0 else []
        return "\n".join(lines if self.departure is None else [*lines, f"forecasts add {self.departure}"])
