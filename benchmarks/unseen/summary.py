"""Figures by ladder: of all forecasts, by distance and by kind, method by method, and how CRPS compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.calibration.scoring import LEVELS
from benchmarks.unseen.cells import BINS, Cell, Counted, Forecasted
from benchmarks.unseen.forecasters import RIVALS
from benchmarks.unseen.judged import audits, separation
from benchmarks.unseen.panel import PANEL, Ladder

LEAD = "auto"
ENOUGH = 8  # target runs of a ladder that may be the worst one
WHEN = ("final", "rolling")
UNITS = (
    "coverage as a share; error and signed of medians, of losses relative to what came, of scores their difference; "
    "crps and width90 of log losses, and of scores as fractions"
)


def figures(parts: Sequence[Counted], methods: Sequence[str], panel: Mapping[str, Ladder] = PANEL) -> dict[str, Any]:
    """All that the JSON holds of them; the figures of a ladder are of ``auto``, or of the first method without it."""
    lead = LEAD if LEAD in methods else methods[0]
    by_ladder = {name: [p for p in parts if p.part.ladder == name] for name in dict.fromkeys(_names(parts))}
    ladders = {name: _ladder(panel[name], mine, methods, lead) for name, mine in by_ladder.items()}
    held = {name: found["final"]["coverage"]["90"] or 0.0 for name, found in ladders.items()}  # none where all failed
    enough = {name: held[name] for name, found in ladders.items() if found["final"]["target_runs"] >= ENOUGH}
    return {
        "ladders": ladders,
        "mean_coverage90": float(np.mean(list(held.values()))) if held else None,
        "worst_coverage90": min(enough.values(), default=None),
        "worst_ladder": min(enough, key=lambda name: enough[name], default=None),
        "mean_coverage90_rolling": _mean(f["rolling"]["coverage"]["90"] for f in ladders.values()),
        "of": lead,
        "units": UNITS,
        "crps_ratio": {when: ratios(by_ladder, methods, lead, when) for when in WHEN},
        "failures": [
            {"ladder": p.part.ladder, "seen": p.part.seen, "method": name, "cells": len(p.cells), "reason": why}
            for p in parts
            for name, why in p.failed.items()
        ],
        "separation": separation(parts, lead),
        "audits": audits(parts, lead),
        "parts": [{"ladder": p.part.ladder, "seen": p.part.seen, "seconds": p.seconds} for p in parts],
    }


def cells_of(parts: Iterable[Counted], when: str) -> list[Cell]:
    """The cells of final targets or of rolling ones."""
    return [cell for p in parts if p.part.final == (when == "final") for cell in p.cells]


def of_cells(cells: Sequence[Cell], method: str) -> dict[str, Any]:
    """A method's figures on the cells that it forecast; null where it forecast none."""
    told = [cell.by[method] for cell in cells if method in cell.by]
    return {
        "cells": len(told),
        "coverage": {f"{100 * p:.0f}": _mean(float(t.scored.covered[i]) for t in told) for i, p in enumerate(LEVELS)},
        "error": _mean(abs(t.off) for t in told),
        "signed": _mean(t.off for t in told),
        "crps": _mean(t.scored.crps for t in told),
        "width90": _mean(t.scored.width for t in told),
    }


def ratios(by_ladder: Mapping[str, Sequence[Counted]], methods: Sequence[str], lead: str, when: str) -> dict[str, Any]:
    """CRPS of ``lead`` as a multiple of others', the geometric mean over ladders, each on the cells that both forecast.

    ``best``: of the package's own single methods the one with the lowest CRPS of each ladder, known in hindsight, among
    those that forecast all that ``lead`` did; ``best_of_all``: of rivals, too.
    """
    found: dict[str, dict[str, float]] = {name: {} for name in (*methods, "best", "best_of_all") if name != lead}
    for ladder, parts in by_ladder.items():
        cells = [c for c in cells_of(parts, when) if lead in c.by]
        whole: dict[str, float] = {}
        for name in methods:
            shared = [c for c in cells if name in c.by]
            if name == lead or not shared:
                continue
            found[name][ladder] = _crps(c.by[lead] for c in shared) / _crps(c.by[name] for c in shared)
            if len(shared) == len(cells):
                whole[name] = found[name][ladder]
        for what, of in (("best", [n for n in whole if n not in RIVALS]), ("best_of_all", list(whole))):
            if of:
                found[what][ladder] = max(whole[n] for n in of)
    return {
        name: {"mean": float(np.exp(np.mean(np.log(list(by.values()))))) if by else None, "ladders": by}
        for name, by in found.items()
    }


def _ladder(ladder: Ladder, parts: Sequence[Counted], methods: Sequence[str], lead: str) -> dict[str, Any]:
    found: dict[str, Any] = {"experiment": ladder.experiment, "about": ladder.about}
    for when in WHEN:
        cells = cells_of(parts, when)
        found[when] = of_cells(cells, lead) | {
            "measured": len(cells),
            "target_runs": len({c.target for c in cells}),
            "by_distance": _by(cells, [c.bin for c in cells], _bins(), lead),
            "by_kind": _by(cells, [c.kind for c in cells], ladder.kinds, lead),
        }
    found["methods"] = {name: _method(parts, name) for name in methods}
    return found


def _method(parts: Sequence[Counted], name: str) -> dict[str, Any]:
    cells, failed = cells_of(parts, "final"), [p for p in parts if name in p.failed]
    figures = of_cells(cells, name)
    rolling = of_cells(cells_of(parts, "rolling"), name)
    return {
        "crps": figures["crps"],
        "coverage90": figures["coverage"]["90"],
        **{key: figures[key] for key in ("cells", "error", "signed", "width90")},
        "missing": len(cells) - figures["cells"],
        "rolling": rolling,
        "failed": {str(p.part): p.failed[name] for p in failed},
        "unsuited": next((p.unsuited[name] for p in parts if name in p.unsuited), None),
        "seconds": sum(p.seconds.get(name, 0.0) for p in parts),
    }


def _by(cells: Sequence[Cell], label: Sequence[str], labels: Iterable[str], method: str) -> dict[str, Any]:
    chosen = {name: [c for c, own in zip(cells, label, strict=True) if own == name] for name in labels}
    return {name: of_cells(mine, method) for name, mine in chosen.items() if mine}


def _bins() -> list[str]:
    return [Cell("", "loss", "", edge, {}).bin for edge in BINS]


def _names(parts: Iterable[Counted]) -> Iterable[str]:
    return (p.part.ladder for p in parts)


def _crps(told: Iterable[Forecasted]) -> float:
    return float(np.mean([t.scored.crps for t in told]))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None
