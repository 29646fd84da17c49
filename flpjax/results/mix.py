"""The best mixture, as a result: weights, gain over a baseline, and how sure all of it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.methods.method import StageName
from flpjax.results.forecast import Interval
from flpjax.results.target import Target
from flpjax.shown import ShownAsTable


@dataclass(frozen=True)
class Baseline:
    """The mixture that gains are counted from."""

    name: str
    weights: Mapping[str, float]
    runs: tuple[str, ...] = ()  # that had it

    @property
    def words(self) -> str:
        """Its name, with the runs that had it."""
        return f"{self.name} ({some_of(self.runs, 2)})" if self.runs else self.name


@dataclass(frozen=True)
class Change:
    """One task or loss domain at the mixture found.

    Attributes:
        name: The task or domain.
        kind: ``"score"`` or ``"loss"``.
        counts: Its weight in the value, 0 if it was not asked for.
        found: What one training run is expected to measure there, with its interval.
        baseline: And at the baseline.
        gain: The difference of expected values, draw by draw: positive is better, for losses too.
    """

    name: str
    kind: StageName
    counts: float
    found: Interval
    baseline: Interval
    gain: Interval

    def to_dict(self, bounds: bool = True) -> dict[str, Any]:
        """As JSON has it; without ``bounds`` those of intervals are null."""
        intervals = {name: getattr(self, name).to_dict(bounds) for name in ("found", "baseline", "gain")}
        return {"name": self.name, "kind": self.kind, "counts": self.counts, **intervals}


@dataclass(frozen=True, eq=False)
class Mix(ShownAsTable):
    """The best mixture for one target.

    Attributes:
        method: The name of the method.
        target: What it is best for.
        sources: ``(source,)``.
        weights: ``(source,)`` the mixture.
        value: What it was judged by: a weighted mean of scores (fractions) and of losses with a minus sign, or what the
            goal makes of it.
        baseline: What gains are counted from.
        gain: Gain in value over the baseline, over draws. A mixture's optimum is flat: look at this before the weights.
        p_gain: Share of draws in which it gains.
        level: Probability of the intervals.
        spread: Source → interval of the mixtures that are best for one draw each.
        draw_weights: ``(draw, source)`` these.
        changes: Every task and loss domain there and at the baseline.
        binding: The limits it is at, in words.
        nearest: The largest difference in a weight to the nearest mixture that was tried.
        beyond: The Euclidean distance to the nearest blend of mixtures that were tried; 0 inside their hull.
        kkt: How far it is from stationary: the largest change of a weight by a projected gradient step of length 1.
        agree: Share of starts that found the same value.
        status: How the search ended: ``converged``, ``kink`` (a corner of the value, from which no exchange between two
            sources gains) or ``step_limit``.
        draws: How many draws there were.
        warnings: What the reader should know.
        intervals: Whether bounds are of intervals; of a point fit, or of fits that tie on the ladder, they are not.
        taken: Which laws have a say, how much, and how far they would have been off on the ladder's own larger runs;
            empty for a method without a past.
        at: The size that figures are of, where it is not the target's: that of runs of one size, which can't tell how
            anything goes on with compute; ranks of mixtures are what is claimed for the target.
    """

    method: str
    target: Target
    sources: tuple[str, ...]
    weights: NDArray[np.float64]
    value: float
    baseline: Baseline
    gain: Interval
    p_gain: float
    level: float
    spread: Mapping[str, Interval]
    draw_weights: NDArray[np.float64]
    changes: tuple[Change, ...]
    binding: tuple[str, ...]
    nearest: float
    beyond: float
    kkt: float
    agree: float
    status: str
    draws: int
    warnings: tuple[str, ...]
    intervals: bool = True
    taken: str = ""
    at: Target | None = None

    @property
    def mixture(self) -> dict[str, float]:
        """Source → weight."""
        return dict(zip(self.sources, map(float, self.weights), strict=True))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one a source."""
        return [
            {
                "source": source,
                "weight": weight,
                **{f"spread_{k}": v for k, v in self.spread[source].to_dict(self.intervals).items()},
                "baseline": float(self.baseline.weights.get(source, 0.0)),
            }
            for source, weight in self.mixture.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        target, at = (
            t and {k: getattr(t, k) for k in ("name", "params", "tokens", "flops")} for t in (self.target, self.at)
        )
        return {
            "method": self.method,
            "target": target,
            "at": at,
            "weights": self.mixture,
            "value": self.value,
            "baseline": {
                "name": self.baseline.name,
                "weights": dict(self.baseline.weights),
                "runs": list(self.baseline.runs),
            },
            "gain": self.gain.to_dict(self.intervals),
            "p_gain": self.p_gain if self.intervals else None,
            "level": self.level,
            "draws": self.draws,
            "intervals": self.intervals,
            "spread": {source: v.to_dict(self.intervals) for source, v in self.spread.items()},
            "changes": [change.to_dict(self.intervals) for change in self.changes],
            "binding": list(self.binding),
            "nearest": self.nearest,
            "beyond": self.beyond,
            "search": {"kkt": self.kkt, "agree": self.agree, "status": self.status},
            "warnings": list(self.warnings),
            "taken": self.taken or None,
        }

    def to_json(self) -> str:
        """The mixture as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        gain, lines = self.gain, []
        for source, weight in self.mixture.items():
            own = self.spread[source]
            spread = f" [{own.lower:.4f}, {own.upper:.4f}]" if self.intervals else ""
            lines.append(f"{source}: {weight:.4f}{spread}, baseline {self.baseline.weights.get(source, 0.0):.4f}")
        sure = f" [{gain.lower:.4g}, {gain.upper:.4g}], P(gain > 0) = {self.p_gain:.2f}" if self.intervals else ""
        lines.append(f"gain over {self.baseline.words}: {gain.median:.4g}{sure}")
        return "\n".join(lines)
