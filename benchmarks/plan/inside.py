"""How rows are chosen and laws are weighed, itself chosen: on splits inside the training rows of ScaleBench's tasks.

``python -m benchmarks.plan --only inside --replicates 6``. No test loss is read; R² is of the training rows that lie
nearest to the test rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.laws.tasks import TASKS
from benchmarks.plan.options import Options
from benchmarks.plan.study import RULES, SHARES, Study, one
from benchmarks.plan.weighed import Rule
from benchmarks.workers import side_by_side
from flpjax.cli.layout import RULE, table

WIDE = 160  # letters of a line of the table


def measure(options: Options) -> dict[str, Any]:
    """Mean R² by how rows are chosen, how laws are weighed, task and share."""
    seeds = range(options.seed, options.seed + (options.replicates or 1))
    ways: dict[str, tuple[bool, Rule, int]] = {"random": (True, "evidence", 1)}
    ways |= {f"by {rule}, {n} first": (False, rule, n) for rule, n in (*((r, 2) for r in RULES), ("both", 1))}

    def studies(task: str, way: tuple[bool, Rule, int]) -> list[Study]:
        random, rule, plans = way
        return [Study(task, random, seed, rule, plans, inside=True) for seed in seeds]

    todo = [study for task in TASKS for way in ways.values() for study in studies(task, way)]
    done = dict(side_by_side(one, todo, options.workers))
    figures: dict[str, Any] = {}
    for name, way in ways.items():
        for rule in RULES:
            by_task = {}
            for task in TASKS:
                each = [done[study]["r2"][rule] for study in studies(task, way)]
                by_task[task] = np.mean(each, axis=0).tolist()
            figures[f"{name}; weighed by {rule}"] = by_task
    seconds = {
        task: [sum(d["select_seconds"]) + sum(d["fit_seconds"]) for s, d in done.items() if s.task == task]
        for task in TASKS
    }
    return {"how": figures, "seconds": {task: [float(np.mean(v)), float(np.max(v))] for task, v in seconds.items()}}


def show(figures: dict[str, Any]) -> str:
    """A table: a line a way."""
    rows = []
    for how, by_task in figures["how"].items():
        means = np.mean([by_task[task] for task in TASKS], axis=0)
        rows.append([how, *(_shares(by_task[task]) for task in TASKS), _shares(means)])
    title = "R² on rows inside the training rows, at " + " / ".join(map(str, SHARES)) + " % of the cost"
    sheet = table(title, ["how", *TASKS, "mean"], rows)
    cpu = ", ".join(f"{task} {mean:.0f} (at most {most:.0f})" for task, (mean, most) in figures["seconds"].items())
    return "\n".join([title, *(line.replace(RULE, "─") for line in sheet.lines(WIDE)), f"CPU s: {cpu}"])


def _shares(values: Any) -> str:
    return " / ".join(f"{v:.2f}" for v in values)
