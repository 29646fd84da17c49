"""What discovery found: a few laws, weighed, and what they forecast, with intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from flpjax.errors import InputError
from flpjax.fitting.lawsearch.powersum import SLOTS, PowerSum
from flpjax.fitting.lawsearch.structure import Floats, Structure, as_law, constants, formula
from flpjax.fitting.lawsearch.trials import LAST_STEPS, Problem, Trial, carried, fit, spread_of, tables_of, values
from flpjax.fitting.lawsearch.widths import carried_on, freedom, scatter
from flpjax.laws.formula.formula import FormulaLaw
from flpjax.laws.formula.tree import written
from flpjax.shown import ShownAsTable

MOST = 8  # laws of an ensemble
WITHIN = 1.15  # of the best price: laws that err more are left out
SHARPNESS = 20.0  # weights fall by e for every 5 % of the price
STARTS = 8
LAWS_SHOWN = 5


class Member(NamedTuple):
    """One law of the ensemble."""

    structure: Structure
    weight: float
    vector: Floats  # (cell, slot) fitted to all rows
    trial: Trial


class Forecasts(NamedTuple):
    """Of new rows, leaves ``(row,)`` or ``(row, target)`` for several."""

    median: Floats
    lower: Floats
    upper: Floats


def members_of(whole: Problem, ranked: Sequence[Trial], noise: Floats, rng: np.random.Generator) -> tuple[Member, ...]:
    """The best few structures, fitted to all rows.

    Args:
        whole: All rows.
        ranked: The trials, the best first.
        noise: ``(cell,)``.
        rng: For starts.
    """
    chosen = [t for t in ranked[:MOST] if t.price <= WITHIN * ranked[0].price]
    warm = np.stack([carried(t.structure, t, np.zeros(len(whole.y))) for t in chosen])  # (structure, cell, slot)
    used = np.stack([np.arange(SLOTS) < t.structure.size for t in chosen])[:, None, None]
    jitter = 0.3 * rng.standard_normal((len(chosen), len(whole.y), STARTS - 1, SLOTS)) * used
    starts = np.concatenate([warm[:, :, None], warm[:, :, None] + jitter], axis=2)
    every = np.ones((1, whole.y.shape[1]))
    vectors, _ = fit(whole, [t.structure for t in chosen], starts, noise, every, LAST_STEPS)
    weight = np.exp(-SHARPNESS * (np.array([t.price for t in chosen]) / ranked[0].price - 1.0))
    weight /= weight.sum()
    return tuple(Member(t.structure, float(w), v, t) for t, w, v in zip(chosen, weight, vectors[0], strict=True))


@dataclass(frozen=True, eq=False)
class FoundLaws(ShownAsTable):
    """An ensemble of laws.

    Attributes:
        targets: ``(target,)`` the columns that it explains.
        features: ``(feature,)`` by what.
        groups: ``(group,)`` rows with numbers of their own; one, '', without groups.
        problem: All rows.
        members: The laws, the best first.
        noise: ``(cell,)`` s.d. of residuals; a cell is a group's target.
        tried: How many structures were tried.
        log: Every trial, the best first.
    """

    targets: tuple[str, ...]
    features: tuple[str, ...]
    groups: tuple[str, ...]
    problem: Problem
    members: tuple[Member, ...]
    noise: Floats
    tried: int
    log: tuple[Trial, ...]

    def predict(
        self, columns: Mapping[str, ArrayLike], group: ArrayLike | None = None, *, level: float = 0.9
    ) -> Forecasts:
        """What new rows would measure.

        The median is that of the laws by weight. Intervals hold the laws' disagreement, how well their numbers are
        known, the noise, and, for rows outside the range of what was fitted, the errors of the rolling hold-outs, in
        proportion to how much farther off they lie.

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
        by_law = np.log(np.maximum(by_law, 1e-12)) if log else by_law
        middle = weighted_median(by_law, weight)
        between = np.sqrt(np.tensordot(weight, (by_law - middle) ** 2, 1))
        sd = np.sqrt(between**2 + self._variance(x, which))
        half = float(stdtrit(4.0, 0.5 + 0.5 * level)) / np.sqrt(2.0) * sd  # Student's t with 4 df, of s.d. 1
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
        """``(law, cell, row)``."""
        columns = np.broadcast_to(x, (len(cells), *x.shape))
        tables = tables_of([m.structure for m in self.members], self.problem.axes, columns)
        vectors = np.stack([m.vector[cells] for m in self.members])
        return np.asarray(values(PowerSum(self.problem.space), jnp.asarray(vectors), *map(jnp.asarray, tables)))

    def _variance(self, x: Floats, group: np.ndarray) -> Floats:
        """``(row, target)`` of what would be measured about the laws, each as if it were the right one."""
        error = float(np.sqrt(np.mean(spread_of([m.trial for m in self.members]) ** 2)))
        noise = scatter(self.problem, self.noise, sum(m.weight * m.structure.size for m in self.members))
        found = np.zeros((x.shape[1], len(self.targets)))
        for g in np.unique(group):
            rows = group == g
            own = x[:, rows]
            times = carried_on(self.problem, self._cell(g, 0), own, error)
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
        return {**names, "laws": laws, "tried": self.to_dicts()}

    def to_json(self) -> str:
        """The same as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        lines = [f"{self.tried} laws tried; weight, held-out error, formula"]
        for m in self.members[:LAWS_SHOWN]:
            lines.append(f"{m.weight:5.0%}  {m.trial.error:6.3g}  {', '.join(self.targets)} = {self.formula_of(m)}")
        more = len(self.members) - LAWS_SHOWN
        return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def weighted_median(values: Floats, weight: Floats) -> Floats:
    """Over the first axis, halfway between neighbours where weights are equal."""
    order = np.argsort(values, axis=0)
    ranked = np.take_along_axis(values, order, axis=0)
    total = np.cumsum(weight[order], axis=0) - 0.5 * weight[order]
    above = np.argmax(total >= 0.5, axis=0)
    below = np.maximum(above - 1, 0)

    def pick(table: Floats, at: NDArray[np.intp]) -> Floats:
        return np.take_along_axis(table, at[None], axis=0)[0]

    high, low, t_high, t_low = pick(ranked, above), pick(ranked, below), pick(total, above), pick(total, below)
    share = np.where(t_high > t_low, (0.5 - t_low) / np.where(t_high > t_low, t_high - t_low, 1.0), 1.0)
    return np.asarray(low + np.clip(share, 0.0, 1.0) * (high - low))
