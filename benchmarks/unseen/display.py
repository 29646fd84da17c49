"""Tables by ladder, no wider than 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.report import percent
from benchmarks.unseen.cells import BINS, Cell
from benchmarks.unseen.summary import ENOUGH, WHEN

WIDE = 100
SHORT = {"chinchilla-tied": "tied", "bootstrap": "boot", "posterior": "post", "published": "publ."}
TITLES = {"final": "Final targets", "rolling": "Rolling targets"}


def show_all(found: Mapping[str, Any]) -> None:
    """Print the tables."""
    lead, ladders = found["of"], found["ladders"]
    for when in WHEN:
        rows = [(name, by[when]["target_runs"], *_row(by[when])) for name, by in ladders.items() if _any(by[when])]
        _show(f"{TITLES[when]} by ladder: {lead}, %", ("ladder", "runs", *HEADS), rows)
    edges = [Cell("", "loss", "", edge, {}).bin for edge in BINS]
    distances = [
        (f"{name}, {edge}", *_row(bins[edge]))
        for name, by in ladders.items()
        for bins in [by["final"]["by_distance"]]
        for edge in edges
        if edge in bins and len(bins) > 1
    ]
    _show("Final targets by distance, e-folds of FLOPs beyond what is seen, %", ("ladder", *HEADS), distances)
    names = list(next(iter(ladders.values()))["methods"]) if ladders else []
    for title, key, digits in (("CRPS × 100", "crps", 2), ("Held by 90 % intervals, %", "coverage90", 0)):
        table = [
            (name, *(percent(by["methods"][m][key], digits) for m in names))
            for name, by in ladders.items()
            if _any(by["final"])
        ]
        _show(
            f"{title} of final targets by ladder and method, on what each forecasts",
            ("ladder", *(SHORT.get(m, m) for m in names)),
            table,
        )
    _show(
        f"Forecasts of {lead} by check and verdict: 90 % intervals that hold, error and width, means over forecasts, %",
        ("check", "verdict", "forecasts", "ladders", "held", "error", "width"),
        [
            (r["check"], r["verdict"], r["forecasts"], r["ladders"], *(percent(r[k], d) for k, d in JUDGED))
            for r in found["separation"]
        ],
    )
    _show(
        "What the audit says that 90 % intervals hold, and what they held, %",
        ("ladder", "runs", "audit", *WHEN),
        [(name, a["runs"], *(percent(a[k], 0) for k in ("audit", *WHEN))) for name, a in found["audits"].items()],
    )
    ratio = found["crps_ratio"]
    _show(
        f"CRPS of {lead} as a multiple, geometric mean over ladders (number of them)",
        ("of", *WHEN),
        [(name, *(_ratio(ratio[when][name]) for when in WHEN)) for name in ratio["final"]],
    )
    _show(
        "Failures",
        ("ladder", "seen", "method", "reason"),
        [(f["ladder"], f["seen"] or "all", f["method"], f["reason"]) for f in found["failures"]],
    )
    worst = percent(found["worst_coverage90"], 1) or "–"
    print(f"90 % intervals of final targets hold {percent(found['mean_coverage90'], 1)} %, mean over ladders;")
    print(f"worst of those with {ENOUGH} target runs: {worst} % ({found['worst_ladder'] or 'none'})")


JUDGED = (("coverage90", 0), ("error", 1), ("width90", 1))
HEADS = ("cells", "50", "80", "90", "95", "error", "signed", "CRPS", "width")


def _row(figures: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        figures["cells"],
        *(percent(v, 0) for v in figures["coverage"].values()),
        percent(figures["error"]),
        percent(figures["signed"], signed=True),
        percent(figures["crps"]),
        percent(figures["width90"], 1),
    )


def _any(figures: Mapping[str, Any]) -> bool:
    return bool(figures["measured"])


def _ratio(of: Mapping[str, Any]) -> str | None:
    return None if of["mean"] is None else f"{of['mean']:.3f} ({len(of['ladders'])})"


def _show(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head, justify="left" if i == 0 or head == "reason" else "right", no_wrap=head != "reason")
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    if table.row_count:
        Console(width=WIDE).print(table)
