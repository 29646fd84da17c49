"""Figures of many cells: by method, by ladder and kind, by distance; and on the cells that methods share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.calibration.cells import BINS, Cell, Counted
from benchmarks.calibration.scoring import LEVELS, summary
from benchmarks.report import percent, show

KINDS = ("loss", "score")
WHEN = ("rolling", "final")


def figures(parts: Sequence[Counted], methods: Sequence[str]) -> dict[str, Any]:
    """All that the JSON holds of them."""
    every = [cell for part in parts for cell in part.cells]
    last = [cell for cell in every if cell.final]
    return {
        "methods": by_method(parts, every, methods),
        "final_targets": by_method(parts, last, methods),
        "rolling": by_method(parts, [c for c in every if not c.final], methods),
        "common": {"all": common(every, methods), "final_targets": common(last, methods)},
        "against_auto": {
            "all": against(every, methods),
            "final_targets": against(last, methods),
        },
        "by_ladder": {
            ladder: {
                when: {kind: by_method(parts, found, methods) for kind in KINDS if (found := chosen(mine, when, kind))}
                for when in WHEN
            }
            for ladder in dict.fromkeys(p.ladder for p in parts)
            for mine in [[c for c in every if c.ladder == ladder]]
        },
        "by_distance": {
            when: {
                kind: {
                    edge: by_method(parts, found, methods)
                    for edge in bins()
                    if (found := [c for c in chosen(every, when, kind) if c.bin == edge])
                }
                for kind in KINDS
            }
            for when in WHEN
        },
        "failures": [
            {"ladder": p.ladder, "seen": p.seen, "method": name, "reason": why, "cells": len(p.cells)}
            for p in parts
            for name, why in p.failed.items()
        ],
        "parts": [{"ladder": p.ladder, "seen": p.seen, "cells": len(p.cells), "seconds": p.seconds} for p in parts],
    }


def chosen(cells: Iterable[Cell], when: str, kind: str) -> list[Cell]:
    """The cells of final targets or of rolling ones, of losses or of scores."""
    return [c for c in cells if c.final == (when == "final") and c.kind == kind]


def bins() -> list[str]:
    """The bins of distance, in words."""
    return [Cell("", 0, "", "", "", edge, {}).bin for edge in BINS]


def by_method(parts: Sequence[Counted], cells: Sequence[Cell], methods: Sequence[str]) -> dict[str, Any]:
    """Method → its figures; ``failed`` cells are of parts where it raised, ``missing`` ones it says nothing of."""
    broken = {(p.ladder, p.seen, name) for p in parts for name in p.failed}
    found = {}
    for name in methods:
        failed = sum((c.ladder, c.seen, name) in broken for c in cells)
        told = [c.scored[name] for c in cells if name in c.scored]
        found[name] = summary(told) | {"failed": failed, "missing": len(cells) - len(told) - failed}
    return found


def common(cells: Iterable[Cell], methods: Sequence[str]) -> dict[str, Any]:
    """Method → its figures on the cells that all methods forecast."""
    shared = [c for c in cells if all(name in c.scored for name in methods)]
    return {name: summary(c.scored[name] for c in shared) for name in methods}


def against(cells: Sequence[Cell], methods: Sequence[str], best: str = "auto") -> dict[str, Any]:
    """Method → cells that it and ``auto`` forecast, and the CRPS of both there, by kind."""
    found: dict[str, Any] = {}
    for name in methods:
        if name == best or best not in methods:
            continue
        shared = [c for c in cells if name in c.scored and best in c.scored]
        found[name] = {}
        for kind in ("all", *KINDS):
            mine = [c for c in shared if kind in ("all", c.kind)]
            own, other = (summary(c.scored[n] for c in mine)["crps"] for n in (name, best))
            found[name][kind] = {"cells": len(mine), "crps": own, f"crps_{best}": other}
    return found


def show_all(found: dict[str, Any]) -> None:
    """Print the tables."""
    note = "Widths, CRPS and interval scores × 100: of log losses, and of scores as fractions."
    for title, key in (("All cells", "methods"), ("Rolling cells", "rolling"), ("Final targets", "final_targets")):
        _show(title, [((name,), s) for name, s in found[key].items()], ("method",), note)
    every, last = found["common"]["all"], found["common"]["final_targets"]
    _show("The cells that all methods forecast", [((n,), s) for n, s in every.items()], ("method",), note)
    _show("Final targets that all methods forecast", [((n,), s) for n, s in last.items()], ("method",), note)
    show(
        "CRPS × 100 on the cells that a method and auto forecast",
        ("method", *(f"{what} {kind}" for kind in ("all", *KINDS) for what in ("cells", "own", "auto"))),
        [
            (name, *(v for s in each.values() for v in (s["cells"], _hundred(s["crps"]), _hundred(s["crps_auto"]))))
            for name, each in found["against_auto"]["all"].items()
        ],
    )
    _show("By ladder and kind", _rows(found["by_ladder"], 4), ("ladder", "", "kind", "method"), note)
    title = "By distance, e-folds of FLOPs beyond the largest run seen"
    _show(title, _rows(found["by_distance"], 4), ("", "kind", "e-folds", "method"), note)
    show(
        "Failures",
        ("ladder", "runs seen", "method", "cells", "reason"),
        [(f["ladder"], f["seen"] or "all", f["method"], f["cells"], f["reason"]) for f in found["failures"]],
    )


def _show(title: str, rows: Iterable[tuple[tuple[str, ...], dict[str, Any]]], heads: Sequence[str], note: str) -> None:
    show(
        f"{title}: coverage, %",
        (*heads, "cells", *(f"{p:.0%}" for p in LEVELS), "width 90", "CRPS", "score 90", "failed", "missing"),
        [
            (
                *head,
                s["cells"],
                *(percent(v, 1) for v in s["coverage"].values()),
                _hundred(s["width90"]),
                _hundred(s["crps"]),
                _hundred(s["interval_score90"]),
                s.get("failed"),
                s.get("missing"),
            )
            for head, s in rows
        ],
        note,
    )


def _hundred(value: float | None) -> str | None:
    return percent(value, 3)


def _rows(nested: Mapping[str, Any], depth: int) -> list[tuple[tuple[str, ...], Any]]:
    """Names down to the leaves of nested dictionaries, and the leaves."""
    if depth == 0:
        return [((), nested)]
    return [((name, *names), leaf) for name, inner in nested.items() for names, leaf in _rows(inner, depth - 1)]
