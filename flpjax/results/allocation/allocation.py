"""The result of `plan`: N*, D* and the loss of each budget, by several approaches, and the regret of other sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.results.allocation.approach import Approach
from flpjax.results.allocation.conventions import Convention
from flpjax.results.allocation.isoflop import Budgets
from flpjax.results.allocation.limits import Limits
from flpjax.results.prediction import Interval
from flpjax.shown import ShownAsTable

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Optimum:
    """The N and D at which a budget gives the lowest loss.

    Attributes:
        flops: The budget C.
        params: N*.
        tokens: D*.
        ratio: D*/N*.
        loss: Expected loss at the medians of N* and D*.
        scores: Task → expected score there, by ``auto``; of draws, or of a method that was asked for, by theirs.
        flat: Lowest and highest N whose loss is within .1 % of the lowest: medians over draws.
        extrapolation: The budget divided by the largest run's FLOPs.
        capped: Whether N* is the largest N that is allowed.
        mix: Source → its share in the mixture there, if one was given or optimised.
    """

    flops: float
    params: Interval
    tokens: Interval
    ratio: Interval
    loss: Interval
    scores: dict[str, Interval]
    flat: tuple[float, float]
    extrapolation: float
    capped: bool
    mix: Mapping[str, float] | None = None

    def to_dict(self, bounds: bool) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "flops": self.flops,
            "mix": self.mix and dict(self.mix),
            "params": self.params.to_dict(bounds),
            "tokens": self.tokens.to_dict(bounds),
            "tokens_per_param": self.ratio.to_dict(bounds),
            "loss": self.loss.to_dict(bounds),
            "scores": {name: v.to_dict(bounds) for name, v in self.scores.items()},
            "flat": list(self.flat),
            "extrapolation": self.extrapolation,
            "capped": self.capped,
        }


@dataclass(frozen=True, eq=False)
class Regret:
    """By how much the loss at other N exceeds the lowest, at one budget.

    Attributes:
        flops: The budget C.
        params: ``(point,)`` N.
        median: ``(point,)`` median over draws of (loss / lowest loss) − 1.
        lower: ``(point,)`` lower bound of its interval.
        upper: ``(point,)`` upper bound.
        loss: ``(point,)`` median loss.
    """

    flops: float
    params: Floats
    median: Floats
    lower: Floats
    upper: Floats
    loss: Floats

    def to_dicts(self) -> list[dict[str, float]]:
        """Tidy rows: one for each N."""
        names = ("params", "loss", "median", "lower", "upper")
        columns = (getattr(self, name) for name in names)
        keys = ("params", "loss", "regret", "regret_lower", "regret_upper")
        return [
            {"flops": self.flops, **dict(zip(keys, map(float, row), strict=True))} for row in zip(*columns, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Allocation(ShownAsTable):
    """The compute-optimal N and D of every budget.

    Attributes:
        source: File or data set of the runs.
        domain: The loss that is minimised.
        headline: Name of the approach whose optima are ``optima``.
        optima: One for each budget.
        approaches: N* and D* by every approach that the runs allow, at the same budgets.
        regrets: One for each budget.
        a: Exponent of N* ∝ C^a; None if too many draws have no optimum.
        b: Exponent of D* ∝ C^b; likewise.
        level: Probability of the intervals.
        draws: Number of draws.
        intervals: Whether bounds are those of intervals; those of a point fit are not.
        limits: Constraints on N and D that the optima satisfy.
        convention: How N and FLOPs are counted.
        conventions: Exponents under every way of counting N and FLOPs that the table allows.
        explained: Why the approaches differ, in one sentence; empty with one approach.
        isoflops: Groups of runs of equal FLOPs; None if there are none.
        fitted_loss: ``(group, point)`` the law's loss at the FLOPs of each group of ``isoflops``, on a grid of N.
        fitted_params: ``(group, point)`` that grid of N.
        group_optima: N* of each group by the headline approach; None where it has none.
        warnings: Sentences on what makes the result doubtful.
    """

    source: str
    domain: str
    headline: str
    optima: tuple[Optimum, ...]
    approaches: tuple[Approach, ...]
    regrets: tuple[Regret, ...]
    a: Interval | None
    b: Interval | None
    level: float
    draws: int
    intervals: bool
    limits: Limits
    convention: str
    conventions: tuple[Convention, ...]
    explained: str
    isoflops: Budgets | None
    fitted_params: Floats
    fitted_loss: Floats
    group_optima: tuple[Interval | None, ...]
    warnings: tuple[str, ...]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per approach and budget."""
        rows: list[dict[str, Any]] = []
        for approach in self.approaches:
            each = zip(
                approach.params(self.level), approach.tokens(self.level), approach.ratio(self.level), strict=True
            )
            for optimum, (params, tokens, ratio) in zip(self.optima, each, strict=True):
                row: dict[str, Any] = {"approach": approach.name, "flops": optimum.flops}
                for name, v in (("params", params), ("tokens", tokens), ("tokens_per_param", ratio)):
                    row |= {name: v and v.median, f"{name}_lower": v and v.lower, f"{name}_upper": v and v.upper}
                if approach.name == self.headline:
                    loss = optimum.loss
                    row |= {"loss": loss.median, "loss_lower": loss.lower, "loss_upper": loss.upper}
                    row |= {"flat_lower": optimum.flat[0], "flat_upper": optimum.flat[1]}
                else:
                    row |= dict.fromkeys(("loss", "loss_lower", "loss_upper", "flat_lower", "flat_upper"))
                if not self.intervals:
                    row = {
                        k: None if k.endswith(("_lower", "_upper")) and "flat" not in k else v for k, v in row.items()
                    }
                rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "source": self.source,
            "domain": self.domain,
            "headline": self.headline,
            "level": self.level,
            "draws": self.draws,
            "intervals": self.intervals,
            "convention": self.convention,
            "limits": {
                "inference_tokens": self.limits.inference_tokens,
                "most_params": self.limits.most_params,
                "unique_tokens": self.limits.unique_tokens,
            },
            "a": self.a and self.a.to_dict(self.intervals),
            "b": self.b and self.b.to_dict(self.intervals),
            "optima": [optimum.to_dict(self.intervals) for optimum in self.optima],
            "approaches": {approach.name: approach.to_dict(self.level, self.intervals) for approach in self.approaches},
            "explained": self.explained,
            "conventions": [c.to_dict(self.intervals) for c in self.conventions],
            "regret": [row for regret in self.regrets for row in regret.to_dicts()],
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """The allocation as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = []
        for o in self.optima:
            interval = f" [{o.params.lower:.3g}, {o.params.upper:.3g}]" if self.intervals else ""
            lines.append(
                f"{o.flops:.3g} FLOPs: N* {o.params.median:.3g}{interval}, D* {o.tokens.median:.3g}, "
                f"{o.ratio.median:.3g} tokens per parameter, loss {o.loss.median:.4g}"
            )
        if self.a is not None and self.b is not None:
            lines.append(f"N* ∝ C^{self.a.median:.3f}, D* ∝ C^{self.b.median:.3f}")
        return "\n".join(lines)
