"""What the package itself says of a forecast, held against what came: its review, and the audit of its past."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.calibration.scoring import LEVELS
from flpjax import Draws, Runs, forecast, review, targets_of

if TYPE_CHECKING:
    from benchmarks.unseen.cells import Counted

LEVEL = 0.9
AT = LEVELS.index(LEVEL)
ALL = "all checks"


@dataclass(frozen=True)
class Judged:
    """What the package says.

    Attributes:
        checks: Check → PASS, REVIEW or FAIL; :data:`ALL` is the worst of them.
        audit: Share of the ladder's own larger runs that 90 % intervals would have held; NaN without any.
        audited: How many runs that is of.
    """

    checks: dict[str, str]
    audit: float
    audited: int


def judged(draws: Draws, training: Runs, asked: Runs) -> Judged:
    """The review of a forecast of these targets."""
    targets = targets_of(asked)
    said = review(draws, training, targets, forecast(draws, targets, level=LEVEL))
    past = draws.validation
    checks = {f.name: f.verdict.name for f in said.findings} | {ALL: said.verdict.name}
    return Judged(checks, past.covered_90 if past else float("nan"), past.runs if past else 0)


def separation(parts: Sequence[Counted], method: str) -> list[dict[str, Any]]:
    """How good forecasts were, by check and verdict; each state of a ladder is one forecast, whatever its size."""
    known = [p for p in parts if p.judged is not None and any(method in c.by for c in p.cells)]
    rows = []
    for check in dict.fromkeys([ALL, *(name for p in known if p.judged for name in p.judged.checks)]):
        for verdict in ("PASS", "REVIEW", "FAIL"):
            mine = [p for p in known if p.judged is not None and p.judged.checks.get(check) == verdict]
            if mine:
                rows.append({"check": check, "verdict": verdict, **_of(mine, method)})
    return rows


def _of(parts: Sequence[Counted], method: str) -> dict[str, Any]:
    cells = [[c.by[method] for c in p.cells if method in c.by] for p in parts]
    return {
        "forecasts": len(parts),
        "ladders": len({p.part.ladder for p in parts}),
        "coverage90": float(np.mean([np.mean([t.scored.covered[AT] for t in told]) for told in cells])),
        "error": float(np.mean([np.mean([abs(t.off) for t in told]) for told in cells])),
        "width90": float(np.mean([np.mean([t.scored.width for t in told]) for told in cells])),
    }


def audits(parts: Sequence[Counted], method: str) -> dict[str, Any]:
    """Ladder → what its audit says before its targets are known, and what intervals held of targets and earlier."""
    found: dict[str, Any] = {}
    for p in parts:
        if not p.part.final or p.judged is None or not np.isfinite(p.judged.audit):
            continue
        ladder = p.part.ladder
        found[ladder] = {
            "audit": p.judged.audit,
            "runs": p.judged.audited,
            "final": _covered((q for q in parts if q.part == p.part), method),
            "rolling": _covered((q for q in parts if q.part.ladder == ladder and not q.part.final), method),
        }
    return found


def _covered(parts: Iterable[Counted], method: str) -> float | None:
    held = [float(c.by[method].scored.covered[AT]) for p in parts for c in p.cells if method in c.by]
    return float(np.mean(held)) if held else None
