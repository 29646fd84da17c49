"""Checkpoints as rows of the canonical table, one file a size, so that an experiment goes on where it stopped."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ladder.config import Plan
from benchmarks.ladder.corpus.store import DOMAINS
from benchmarks.ladder.questions.scoring import standard_error
from benchmarks.ladder.runs import Run

Row = dict[str, str]


def checkpoint_rows(
    plan: Plan,
    runs: Sequence[Run],
    step: int,
    train_loss: NDArray[np.floating],
    losses: NDArray[np.floating],
    marks: Sequence[tuple[str, NDArray[np.floating]]],
) -> list[Row]:
    """The rows of one checkpoint, one a model.

    Args:
        plan: Of their size.
        runs: ``(model,)``.
        step: Optimiser steps done.
        train_loss: ``(model,)`` mean since the last checkpoint, nats per byte.
        losses: ``(model, domain)`` nats per byte.
        marks: Task and ``(model, question)``, the share of each question that was right.
    """
    rows = []
    for i, run in enumerate(runs):
        row: dict[str, object] = {
            "run": run.name,
            "params": plan.size.params,
            "tokens": plan.tokens(step),
            "flops": f"{plan.flops(step):.8g}",
            **{f"loss/{domain}": f"{loss:.5f}" for domain, loss in zip(DOMAINS, losses[i], strict=True)},
        }
        for task, right in marks:
            row[f"score/{task}"] = f"{right[i].mean():.5f}"
            row[f"stderr/{task}"] = f"{standard_error(right[i]):.5f}"
        row |= {"mix/general": f"{1.0 - run.code:.6g}", "mix/code": f"{run.code:.6g}"}
        row |= {"train_loss": f"{train_loss[i]:.5f}", "step": step}
        row |= {"final": str(step == plan.steps).lower()}
        row |= {"held_out": str(plan.size.target or bool(run.purpose)).lower()}
        rows.append({name: str(value) for name, value in row.items()})
    return rows


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write a table, whole or not at all."""
    rows = list(rows)
    half = path.with_suffix(".part")
    with half.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    half.replace(path)


def read_rows(path: Path) -> list[Row]:
    """Read what :func:`write_rows` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
