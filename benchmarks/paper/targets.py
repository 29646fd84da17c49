"""FLP, FLP-M and ``auto`` on the held-out targets: errors, and how often intervals hold what came."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.paper.errors import mean, record_figures
from benchmarks.paper.fits import fitted
from benchmarks.paper.ladders import grid, shares, sizes
from benchmarks.paper.mixed import LAW
from benchmarks.report import percent, show
from flpjax import FitError, InputError, Runs
from flpjax.results.backtest import record_of

METHODS = {"FLP": "flp-average", "FLP-M": LAW, "auto": "auto"}
LEVELS = (0.5, 0.9)


def targets(runs: Runs) -> dict[str, Any]:
    """Each method's errors and coverage on all held-out runs, proposed ones included; and how far seeds differ."""
    figures: dict[str, Any] = {"targets": list(runs.targets().names), "tasks": list(runs.task_names), "methods": {}}
    for name, method in METHODS.items():
        start = time.perf_counter(), time.process_time()
        try:
            draws = fitted(method, runs)
        except (InputError, FitError) as error:
            figures["methods"][name] = {"failed": str(error), "errors": {}, "by_size": {}, "coverage": {}}
            continue
        records = {level: record_of(draws, runs, level=level) for level in LEVELS}
        record = records[LEVELS[-1]]
        figures["methods"][name] = record_figures(record, runs) | {
            "coverage": {
                f"{100 * level:.0f} %": {
                    "scores": found.means("score").coverage,
                    "losses": found.means("loss").coverage,
                    "width": found.means("score").width,
                }
                for level, found in records.items()
            },
            "intervals": [
                {"task": c.name, "target": c.target, "lower": c.lower, "upper": c.upper, "actual": c.actual}
                for c in record.scores
            ],
            "seconds": time.perf_counter() - start[0],
            "cpu_seconds": time.process_time() - start[1],
        }
    return figures | {"seeds": between_seeds(runs)}


def between_seeds(runs: Runs) -> dict[str, float]:
    """Task → mean relative difference of held-out runs that differ in their seed only: no method can err less."""
    finals = grid(runs).targets().finals()
    place = list(zip(sizes(finals), shares(finals).round(3).tolist(), strict=True))
    alike = [(i, j) for i in range(len(place)) for j in range(i) if place[i] == place[j]]
    found = {}
    for task in finals.task_names:
        score = finals.score_of(task)[np.argsort(finals.run)]
        gaps = [abs(score[i] - score[j]) / max(0.5 * (score[i] + score[j]), 1e-9) for i, j in alike]
        known = [g for g in gaps if np.isfinite(g)]
        if known:
            found[task] = float(np.mean(known))
    return found


def show_targets(figures: dict[str, Any]) -> None:
    """Errors by size, and coverage."""
    rows: list[list[object]] = []
    for name, found in figures["methods"].items():
        if found["failed"]:
            rows.append([f"{name}: {found['failed']}"])
            continue
        by_size = {size: mean(errors) for size, errors in found["by_size"].items()}
        held = found["coverage"]
        rows.append(
            [
                name,
                ", ".join(f"{size} {percent(error, 1)}" for size, error in by_size.items()),
                *(percent(held[level]["scores"], 0) for level in held),
                *(percent(held[level]["losses"], 0) for level in held),
                percent(held["90 %"]["width"], 1),
                f"{found['seconds']:.0f} ({found['cpu_seconds']:.0f})",
            ]
        )
    within = [f"{what} in {level:.0%}" for what in ("scores", "losses") for level in LEVELS]
    seeds = ", ".join(f"{task} {percent(gap, 1)}" for task, gap in figures["seeds"].items())
    show(
        f"{len(figures['targets'])} held-out targets, %",
        ["", "error of scores", *within, "width of 90 %", "seconds (of CPU)"],
        rows,
        f"two seeds differ by {seeds}" if seeds else None,
    )
