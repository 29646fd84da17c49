"""One mixture (§3, appendices A, C and D): figures 1, 3, 10, 11 and 12."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.methods import key
from benchmarks.paper.errors import backtest_figures, show_errors
from benchmarks.paper.ladders import AVERAGE, one_mixture
from benchmarks.report import percent, show
from flpjax import Runs, backtest, method
from flpjax.methods.flp import FLP

EMERGED = 0.05  # above chance
FLP_NAME, FP_NAME, GPT4, LLAMA, LLAMA_AVERAGE = "FLP", "FP", "GPT-4", "Llama 3", "Llama 3, average loss"
METHODS = {
    FLP_NAME: ("flp-average", None),
    FP_NAME: ("fp", None),
    GPT4: ("fp-gpt4", None),
    LLAMA: ("llama3", None),
    LLAMA_AVERAGE: ("power+sigmoid", AVERAGE),  # its two laws, where the loss of the right answers was not measured
}


def single(runs: Runs) -> dict[str, Any]:
    """FLP beside what goes straight from compute to the score, on runs of one mixture."""
    one = one_mixture(runs)
    found = backtest({name: method(*named) for name, named in METHODS.items()}, one, key(), draws=0)
    return {
        "runs": list(one.names),
        "tasks": list(one.task_names),
        "emerged": emerged(one),
        "linear": straightness(one),
        "methods": backtest_figures(found, one),
    }


def emerged(runs: Runs) -> dict[str, Any]:
    """Figure 1: final scores over compute, and which beat chance by 5 points."""
    finals = runs.finals()
    figures = {}
    for task in runs.tasks:
        score = finals.score_of(task.name)
        above = score >= task.chance + EMERGED
        held = finals.held_out[finals.run]
        figures[task.name] = {
            "share": float(above[~held].mean()),
            "points": [
                {"run": finals.names[r], "flops": float(c), "score": float(s), "emerged": bool(a), "held_out": bool(h)}
                for r, c, s, a, h in zip(finals.run, finals.flops, score, above, held, strict=True)
                if np.isfinite(s)
            ],
        }
    return figures


def straightness(runs: Runs) -> dict[str, dict[str, float]]:
    """Figure 10: task → R² of the line through the checkpoints that fit stage 2, and how many these are."""
    plan = FLP(via=AVERAGE).bind(runs.training())
    if len(plan.stages) == 1:
        return {}
    stage = plan.stages[1]
    figures = {}
    for task, x, y, weight in zip(stage.outputs, stage.x, stage.y, stage.weight, strict=True):
        used = weight > 0
        if used.sum() > 2 and np.ptp(y[used]) > 0:
            r = np.corrcoef(x[used], y[used])[0, 1]
            figures[task] = {"r_squared": float(r**2), "checkpoints": int(used.sum())}
    return figures


def show_single(figures: dict[str, Any]) -> None:
    """Figures 1, 3, 10, 11 and 12 as tables."""
    tasks, linear = figures["tasks"], figures["linear"]
    rows: list[list[object]] = [
        ["runs that end above chance, %", *(percent(figures["emerged"][t]["share"], 0) for t in tasks)],
        ["checkpoints that fit stage 2", *(linear.get(t, {}).get("checkpoints") for t in tasks)],
        ["R² of stage 2, %", *(percent(linear.get(t, {}).get("r_squared"), 1) for t in tasks)],
    ]
    show(f"Figures 1 and 10: {len(figures['runs'])} runs of one mixture", ["", *tasks], rows)
    methods = figures["methods"]
    for size in methods[FLP_NAME]["by_size"]:
        errors = {name: found["by_size"].get(size, {}) for name, found in methods.items()}
        show_errors(f"Figures 3, 11 and 12: targets of {size}", tasks, errors)
    for name, found in methods.items():
        if found["failed"]:
            print(f"{name}: {found['failed']}")
