"""A look at a table of runs, for a terminal: its runs or sizes, features, and tasks with the checkpoints that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flpjax.cli.layout import Paragraph, Sheet, table
from flpjax.cli.text import loss, number, percent, span

if TYPE_CHECKING:
    from flpjax.ladder.units import Unit
    from flpjax.results.check import Check

UNKNOWN = "-"
MANY = 12  # runs, or tasks, that are listed without being asked for


def show_check(result: Check, everything: bool = False) -> list[Sheet | Paragraph]:
    """Runs, and tasks with the checkpoints that FLP would use; of many only sizes, and the tasks with least to go by.

    Args:
        result: The look.
        everything: List every run and every task.
    """
    shown: list[Sheet | Paragraph] = []
    many = len(result.runs) > MANY and not everything
    shown.append(_sizes(result) if many else _runs(result))
    shown += [Paragraph(_feature(f), hang=2) for f in result.features]
    if result.tasks:
        shown.append(_tasks(result, everything))
        if _has_losses(result):
            shown += [Paragraph(f"{why}: {meaning}", hang=2) for why, meaning in result.reasons.items()]
    if many or (len(result.tasks) > MANY and not everything):
        shown.append(Paragraph("flpjax check --all lists every run and every task."))
    return shown


def _has_losses(result: Check) -> bool:
    """Whether any run has one: without, there is no map from losses to scores that checkpoints could fit."""
    return any(row["final_loss"] is not None for row in result.runs)


def _runs(result: Check) -> Sheet:
    rows = [
        [
            r["run"],
            *(UNKNOWN if r[size] is None else number(r[size]) for size in ("params", "tokens")),
            f"{r['flops']:.3g}",
            str(r["checkpoints"]),
            _loss_text(r["final_loss"], result.loss_unit),
            "held out" if r["held_out"] else "" if r["finished"] else "unfinished",
        ]
        for r in sorted(result.runs, key=lambda r: r["flops"])
    ]
    columns = ["run", "params", "tokens", "FLOPs", "checkpoints", _final_loss(result), ""]
    told = [i for i in range(len(columns)) if any(row[i] not in ("", UNKNOWN) for row in rows)]
    return table("Runs", [columns[i] for i in told], [[row[i] for i in told] for row in rows])


def _loss_text(value: float | None, unit: Unit | None) -> str:
    """A final loss in the user's unit."""
    return loss(value if value is None or unit is None else unit.shown(value))


def _final_loss(result: Check) -> str:
    return "final loss, nats" if result.loss_unit is None else f"final loss, {result.loss_unit.name}"


def _feature(row: dict[str, Any]) -> str:
    """``feature unique_tokens: 1e+09 to 1e+11 tokens; laws see its logarithm; the same throughout a run``."""
    unit = f" {row['unit']}" if row["unit"] else ""
    seen = "its logarithm" if row["transform"] == "log" else "the value itself"
    when = "the same throughout a run" if row["constant"] else "changes within runs"
    return f"feature {row['feature']}: {row['lowest']:.4g} to {row['highest']:.4g}{unit}; laws see {seen}; {when}"


def _sizes(result: Check) -> Sheet:
    sizes = result.sizes()
    columns = {
        "params": [span(s["params"]) for s in sizes],
        "runs": [f"{s['runs']:,}" for s in sizes],
        "held out": [f"{s['held_out'] or ''}" for s in sizes],
        "unfinished": [f"{s['unfinished'] or ''}" for s in sizes],
        "tokens": [span(s["tokens"]) for s in sizes],
        "FLOPs": [span(s["flops"], "{:.3g}".format) for s in sizes],
        "checkpoints": [f"{s['checkpoints']:,}" if s["checkpoints"] > s["runs"] else "" for s in sizes],
        _final_loss(result): [span(s["final_loss"], lambda v: _loss_text(v, result.loss_unit)) for s in sizes],
    }
    shown = {name: cells for name, cells in columns.items() if any(cell not in ("", UNKNOWN) for cell in cells)}
    return table(f"{len(result.runs):,} runs by size", list(shown), list(zip(*shown.values(), strict=True)))


def _tasks(result: Check, everything: bool) -> Sheet:
    if not _has_losses(result):
        plain = [[t["task"], percent(t["chance"]), percent(t["best"]), f"{t['measured']:,}"] for t in result.tasks]
        return table("Tasks (scores in %)", ["task", "chance %", "best %", "checkpoints"], plain)
    tasks, title = list(result.tasks), "Tasks (scores in %), and their checkpoints that fit loss → score"
    if len(tasks) > MANY and not everything:
        used = [t for t in tasks if t["used"]]
        tasks = sorted(used or tasks, key=lambda t: t["used"])[:MANY]
        title = (
            f"{len(result.tasks)} tasks (scores in %), {len(used)} of them with checkpoints that fit loss → score; "
            f"the {len(tasks)} with fewest"
        )
    rows = [
        [
            t["task"],
            percent(t["chance"]),
            percent(t["best"]),
            *(f"{n:,}" for n in (t["measured"], *(t["dropped"].get(w, 0) for w in result.reasons), t["used"])),
            f"{t['used_runs']:,}",
        ]
        for t in tasks
    ]
    reasons = [f"− {why}" for why in result.reasons]
    columns = ["task", "chance %", "best %", "checkpoints", *reasons, "used", "in runs"]
    return table(title, columns, rows)
