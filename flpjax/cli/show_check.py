"""A look at a table of runs, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli.layout import Paragraph, Sheet, table
from flpjax.cli.numbers import loss, number, percent, span

if TYPE_CHECKING:
    from flpjax.results.check import Check

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
    if result.tasks:
        shown.append(_tasks(result, everything))
        shown += [Paragraph(f"{why}: {meaning}", hang=2) for why, meaning in result.reasons.items()]
    if many or (len(result.tasks) > MANY and not everything):
        shown.append(Paragraph("--all lists every run and every task."))
    return shown


def _runs(result: Check) -> Sheet:
    rows = [
        [
            r["run"],
            number(r["params"]),
            number(r["tokens"]),
            f"{r['flops']:.3g}",
            str(r["checkpoints"]),
            loss(r["final_loss"]),
            "held out" if r["held_out"] else "" if r["finished"] else "unfinished",
        ]
        for r in sorted(result.runs, key=lambda r: r["flops"])
    ]
    return table("Runs", ["run", "params", "tokens", "FLOPs", "checkpoints", "final loss", ""], rows)


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
        "final loss": [span(s["final_loss"], loss) for s in sizes],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    return table(f"{len(result.runs):,} runs by size", list(shown), list(zip(*shown.values(), strict=True)))


def _tasks(result: Check, everything: bool) -> Sheet:
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
