"""What to train for a budget, as a result: N*, D*, the loss there, what near misses cost, and the roads to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.results.allocation.conventions import Convention
from flpjax.results.allocation.isoflop import Budgets
from flpjax.results.allocation.limits import Limits
from flpjax.results.allocation.road import Road
from flpjax.results.notebook import ShownAsTable
from flpjax.results.prediction import Interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best that one budget buys.

    Attributes:
        flops: The budget.
        params: N*.
        tokens: D*.
        ratio: Tokens per parameter.
        loss: Expected there, at the medians.
        scores: Task → expected there.
        flat: The lowest and the highest N within a thousandth of the best loss: medians over draws.
        extrapolation: The budget over the largest run's FLOPs.
        capped: Whether the best N is the largest that is allowed.
        mix: Source → weight of the mixture there, if it was given or chosen.
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
    """What another size than the best costs at one budget.

    Attributes:
        flops: The budget.
        params: ``(point,)`` N.
        median: ``(point,)`` loss over the best loss, less 1.
        lower: ``(point,)``.
        upper: ``(point,)``.
        loss: ``(point,)`` expected.
    """

    flops: float
    params: Floats
    median: Floats
    lower: Floats
    upper: Floats
    loss: Floats

    def table(self) -> list[dict[str, float]]:
        """Tidy rows: one a size."""
        names = ("params", "loss", "median", "lower", "upper")
        columns = (getattr(self, name) for name in names)
        told = ("params", "loss", "regret", "regret_lower", "regret_upper")
        return [
            {"flops": self.flops, **dict(zip(told, map(float, row), strict=True))} for row in zip(*columns, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Allocation(ShownAsTable):
    """The compute-optimal N and D of every budget.

    Attributes:
        source: Where the runs came from.
        domain: The loss that is lowest at an optimum.
        headline: The road that the optima are of.
        optima: One a budget.
        roads: All of them, by the same budgets.
        regrets: One a budget.
        a: Exponent of N* ∝ C^a; None of one budget.
        b: Exponent of D* ∝ C^b.
        level: Probability of the intervals.
        draws: How many draws there were.
        intervals: Whether bounds are of intervals; of a point fit they are not.
        limits: What was kept to.
        convention: How N and FLOPs are counted.
        conventions: Exponents by every way of counting that the table allows.
        explained: Why the roads differ, in one sentence; empty with one road.
        isoflops: The runs of equal cost, where there are such.
        fitted_loss: ``(group, point)`` the law's valley on a grid of log N, per group of ``isoflops``.
        fitted_params: ``(group, point)`` that grid.
        group_optima: N* of each group by the headline's road.
        warnings: What the reader should know.
    """

    source: str
    domain: str
    headline: str
    optima: tuple[Optimum, ...]
    roads: tuple[Road, ...]
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

    def table(self) -> list[dict[str, Any]]:
        """Tidy rows: one per road and budget."""
        rows: list[dict[str, Any]] = []
        for road in self.roads:
            each = zip(road.params(self.level), road.tokens(self.level), road.ratio(self.level), strict=True)
            for optimum, (params, tokens, ratio) in zip(self.optima, each, strict=True):
                row: dict[str, Any] = {"road": road.name, "flops": optimum.flops}
                for name, v in (("params", params), ("tokens", tokens), ("tokens_per_param", ratio)):
                    row |= {name: v and v.median, f"{name}_lower": v and v.lower, f"{name}_upper": v and v.upper}
                if road.name == self.headline:
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
            "roads": {road.name: road.to_dict(self.level, self.intervals) for road in self.roads},
            "explained": self.explained,
            "conventions": [c.to_dict(self.intervals) for c in self.conventions],
            "regret": [row for regret in self.regrets for row in regret.table()],
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """The allocation as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = []
        for o in self.optima:
            sure = f" [{o.params.lower:.3g}, {o.params.upper:.3g}]" if self.intervals else ""
            lines.append(
                f"{o.flops:.3g} FLOPs: N* {o.params.median:.3g}{sure}, D* {o.tokens.median:.3g}, "
                f"{o.ratio.median:.3g} tokens per parameter, loss {o.loss.median:.4g}"
            )
        if self.a is not None and self.b is not None:
            lines.append(f"N* ∝ C^{self.a.median:.3f}, D* ∝ C^{self.b.median:.3f}")
        return "\n".join(lines)
