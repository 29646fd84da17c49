"""How N and FLOPs are counted, and what becomes of the exponents: they change with it (Porian et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.compute import six_nd
from flpjax.ladder.table import Runs
from flpjax.results.prediction import Interval

FlopsBy = Literal["table", "6nd"]
PARAMS = "params"
SAME = 1e-3  # of log C: FLOPs that differ by less are counted alike


@dataclass(frozen=True)
class Convention:
    """Exponents and the optimum at one budget by one way of counting.

    Attributes:
        params_by: The column that N is: ``params`` (non-embedding), or one of ``x/<name>`` whose name ends so.
        flops_by: ``table``, as the table has them, attention included where it is; or ``6nd``.
        a: Exponent of N* ∝ C^a by the law.
        b: Exponent of D* ∝ C^b.
        params: N* at the largest budget, counted in this way.
        failed: Why there is none.
    """

    params_by: str
    flops_by: FlopsBy
    a: Interval | None
    b: Interval | None
    params: Interval | None
    failed: str = ""

    @property
    def words(self) -> str:
        """What is counted, in words."""
        return words_of(self.params_by, self.flops_by)

    def to_dict(self, bounds: bool) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "params_by": self.params_by,
            "flops_by": self.flops_by,
            **{name: v and v.to_dict(bounds) for name, v in (("a", self.a), ("b", self.b), ("params", self.params))},
            "failed": self.failed or None,
        }


def with_both_sizes(runs: Runs) -> tuple[Runs, tuple[str, ...]]:
    """A table of N and C, or of D and C, with the third by ``C = 6·N·D``; and a note that says so.

    Raises:
        InputError: It has neither N nor D.
    """
    lacking = [name for name in ("params", "tokens") if name not in runs.features]
    if len(lacking) == 2:
        raise InputError(
            "there is no column 'params' and no column 'tokens', and between N and D a budget is divided",
            where=runs.source,
            remedy="Add one of them: the other is C over 6 times it",
        )
    if not lacking:
        return runs, ()
    if lacking == ["params"]:
        return replace(runs, params=runs.flops / (6.0 * runs.tokens)), (
            "N is C/(6·D), in place of the missing column 'params': it counts the parameters that C was counted by",
        )
    return replace(runs, tokens=runs.flops / (6.0 * runs.params)), (
        "D is C/(6·N), in place of the missing column 'tokens'",
    )


def words_of(params_by: str, flops_by: str) -> str:
    """What is counted, in words."""
    n = f"N by {params_by}" if params_by == PARAMS else f"N by x/{params_by}"
    return f"{n}, C as the table has it" if flops_by == "table" else f"{n}, C = 6ND"


def choices(runs: Runs) -> tuple[tuple[str, FlopsBy], ...]:
    """The ways of counting that differ in this table, the table's own first."""
    names = [PARAMS, *(f.name for f in runs.extra_features if f.name.lower().endswith("params"))]
    found: list[tuple[str, FlopsBy]] = []
    for name in names:
        found.append((name, "table"))
        nd = six_nd(_column(runs, name), runs.tokens)
        if np.abs(np.log(nd / runs.flops)).max() > SAME:
            found.append((name, "6nd"))
    return tuple(found)


def converted(runs: Runs, params_by: str, flops_by: str) -> Runs:
    """The same runs with N and C counted in another way.

    Raises:
        InputError: There is no such column or way, or a run lacks it.
    """
    if flops_by not in ("table", "6nd"):
        raise InputError(f"flops_by is '{flops_by}'", where="flops_by", remedy="Say table or 6nd")
    params = _column(runs, params_by)
    flops = six_nd(params, runs.tokens) if flops_by == "6nd" else runs.flops
    return replace(runs, params=params, flops=flops)


def _column(runs: Runs, name: str) -> np.ndarray:
    if name == PARAMS:
        return np.array(runs.params)
    names = [f.name for f in runs.extra_features]
    if name not in names:
        raise InputError(
            f"there is no column 'x/{name}'", where=runs.source, remedy=did_you_mean(name, [PARAMS, *names])
        )
    values = np.array(runs.extra[:, names.index(name)])
    if not (values > 0).all():
        raise InputError(
            "not every run has a positive number", where=f"{runs.source}, column 'x/{name}'", remedy="Fill it"
        )
    return values
