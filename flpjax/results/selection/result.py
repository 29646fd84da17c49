"""What a plan of next runs says: which, in which order, what each costs, and what is expected to be known after it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from flpjax.results.prediction import Interval
from flpjax.results.target import Target
from flpjax.shown import ShownAsTable


@dataclass(frozen=True)
class NextRun:
    """One run of a plan, or a candidate.

    Attributes:
        run: What to train.
        cost: In the unit of the spend.
        alone: Share of the target's variance that it would take away if it were the only one.
        place: Where it comes in the order, from 1; 0 if it is not chosen. One that is chosen for several seeds stands
            here several times.
        left: Share of the target's variance that is left after it and all before it; 1 if it is not chosen.
        intervals: Output → interval that is expected after it; empty if it is not chosen.
    """

    run: Target
    cost: float
    alone: float
    place: int = 0
    left: float = 1.0
    intervals: tuple[tuple[str, Interval], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        mix = None if self.run.mix is None else dict(self.run.mix)
        return {
            "name": self.run.name,
            "params": self.run.params,
            "tokens": self.run.tokens,
            "flops": self.run.flops,
            "mix": mix,
            "features": dict(self.run.features or {}),
            "cost": self.cost,
            "alone": self.alone,
            "place": self.place,
            "left": self.left,
            "expected": {name: interval.to_dict() for name, interval in self.intervals},
        }


@dataclass(frozen=True)
class NextRuns(ShownAsTable):
    """The next runs for a target, chosen one after another.

    Attributes:
        target: What is to be known better.
        method: The name of the method.
        level: Probability of the intervals.
        spend: What may be spent.
        now: Output → the target's interval as it stands; empty where there is no ladder yet.
        runs: Those chosen, in order.
        candidates: Every candidate, whether chosen or not.
        warnings: What the reader should know.
        error: From nothing, what forecasts of the log loss err by with that probability, on simulated ladders; None
            where there is a ladder.
    """

    target: Target
    method: str
    level: float
    spend: float
    now: tuple[tuple[str, Interval], ...]
    runs: tuple[NextRun, ...]
    candidates: tuple[NextRun, ...]
    warnings: tuple[str, ...] = ()
    error: float | None = None

    @property
    def cost_name(self) -> str:
        """``cost, FLOPs`` where candidates cost what they compute; their unit is the user's otherwise."""
        computed = all(math.isclose(c.cost, c.run.flops or 0.0, rel_tol=1e-6) for c in self.candidates)
        return "cost, FLOPs" if computed else "cost"

    @property
    def spent(self) -> float:
        """What the chosen runs cost together."""
        return sum(r.cost for r in self.runs)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per chosen run and output."""
        return [
            {"place": r.place, "run": r.run.name, "cost": r.cost, "left": r.left, "output": name, **v.to_dict()}
            for r in self.runs
            for name, v in r.intervals
        ]

    def candidate_table(self) -> list[dict[str, Any]]:
        """Tidy rows: one per candidate, with its cost, what it tells alone, and the places it has in the plan."""
        return [
            {
                "run": c.run.name,
                "params": c.run.params,
                "tokens": c.run.tokens,
                "cost": c.cost,
                "alone": c.alone,
                "places": [r.place for r in self.runs if r.run is c.run],
            }
            for c in self.candidates
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "target": self.target.name,
            "method": self.method,
            "level": self.level,
            "spend": self.spend,
            "spent": self.spent,
            "now": {name: interval.to_dict() for name, interval in self.now},
            "runs": [r.to_dict() for r in self.runs],
            "candidates": [c.to_dict() for c in self.candidates],
            "error": self.error,
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """The plan as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = [f"now {_words(self.now)}"] if self.now else []
        lines += [f"{r.place}. {r.run.name}, {r.cost:.3g}: {_words(r.intervals) or f'{r.left:.2f}'}" for r in self.runs]
        return "\n".join(lines)


def _words(intervals: tuple[tuple[str, Interval], ...]) -> str:
    return ", ".join(f"{name} {v.median:.4g} [{v.lower:.4g}, {v.upper:.4g}]" for name, v in intervals)
