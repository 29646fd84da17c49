"""The ladder that comes with the package: small, our own, and whole. ``shipped/ladder.md`` says how it was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task
from flpjax.readers.columns import TableMap, table_runs
from flpjax.readers.csv_file import read_csv

NAME = "ladder"
QUESTIONS = 1200
CHANCE = {"continuation": 0.25, "gap": 0.25, "next_line": 0.25, "word": 0.0, "indent": 0.0, "recall": 0.0}


def own_ladder(folder: Path) -> Runs:
    """Read it: byte-level models, so a token is a byte and losses are in nats per byte.

    FLOPs count attention, as Table 1 of Chen et al. 2024 does. Scores are accuracies over 1,200 questions: of four
    options in ``continuation``, ``gap`` and ``next_line``, exact match in the others. The sizes above the six of the
    ladder, and runs trained at mixtures that were proposed from the ladder (``…-for-TASK``), are held out.

    Args:
        folder: That of ``ladder.csv``.

    Raises:
        InputError: The file is missing or damaged.
    """
    tasks = {name: Task(name, chance, QUESTIONS) for name, chance in CHANCE.items()}
    return replace(table_runs(read_csv(folder / "ladder.csv"), TableMap(tasks=tasks)), source=NAME)
