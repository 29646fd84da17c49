"""A task at which the sampling models are at chance: stage 2 from a bigger model's checkpoints (app. B, figure 13)."""

from __future__ import annotations

from typing import Any

from benchmarks.methods import key
from benchmarks.paper.errors import by_task, show_errors
from benchmarks.paper.ladders import of_size, one_mixture, scores_of, target_sizes
from benchmarks.paper.single import emerged
from flpjax import InputError, Runs, backtest, method

BIGGER, SAMPLING = "the bigger model's checkpoints", "the sampling models' checkpoints"


def chance(runs: Runs) -> dict[str, Any]:
    """Stage 1 from all runs below the largest target; stage 2 from the smaller one's checkpoints, or from the others.

    Raises:
        InputError: There is one size of targets only.
    """
    held = target_sizes(runs)
    if len(held) < 2:
        raise InputError("targets are of one size", where=runs.source, remedy="Hold out two sizes: one to learn from")
    one = one_mixture(runs)
    share = {task: found["share"] for task, found in emerged(one).items()}
    least = min(share.values())
    bigger = [name for name in of_size(one, held[0]) if name in one.targets().names]
    table = one.hold_out(of_size(one, held[-1]))
    figures: dict[str, Any] = {
        "tasks": list(runs.task_names),
        "share_emerged": share,
        "chosen": [task for task, found in share.items() if found == least],
        "at_chance": least == 0.0,
        "bigger": bigger,
        "targets": list(table.targets().names),
    }
    for name, names in ((BIGGER, bigger), (SAMPLING, list(one.training().names))):
        record = backtest({"FLP": method("flp-average")}, scores_of(table, names), key(), draws=0).methods["FLP"]
        figures[name] = {"errors": by_task(record.scores), "failed": record.failed or None}
    return figures


def show_chance(figures: dict[str, Any]) -> None:
    """Figure 13 as a table."""
    errors = {name: figures[name]["errors"] for name in (BIGGER, SAMPLING)}
    what = "at chance" if figures["at_chance"] else "least often above chance"
    caption = f"sampling models are {what} on {', '.join(figures['chosen'])}"
    title = f"Figure 13: {', '.join(figures['targets'])}, stage 2 from"
    show_errors(title, figures["tasks"], errors, caption)
