"""What every format reads its files into, before anything is joined: per run, named columns of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.tasks import Task
from flpjax.ladder.units import Unit

BATCH, BATCH_TOKENS, CONTEXT = "batch", "batch_tokens", "context"
AUXILIARY = (BATCH, BATCH_TOKENS, CONTEXT)
"""Sequences a step, tokens a step, and tokens a sequence: tokens are counted by them where nobody logged them."""
RUN, GROUP = "run", "group"
TEXTS = (RUN, GROUP)
"""Canonical columns of words: the run of a row, and the group that it is fitted with."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RunRecords:
    """What a source says of one run.

    Attributes:
        run: Its name.
        columns: Canonical or auxiliary name → ``(row,)`` values in canonical units, NaN where nothing was measured.
        places: ``(row,)`` where each row stands, for messages.
        models: ``(row,)`` what a join table calls the model of each row.
        ended: Whether the run came to its end, where the source says so.
        group: With which runs it is fitted; empty where nobody asked for groups.
    """

    run: str
    columns: Mapping[str, Floats]
    places: Sequence[str]
    models: Sequence[str]
    ended: bool | None = None
    group: str = ""

    def __len__(self) -> int:
        return len(self.places)

    def column(self, name: str) -> Floats:
        """``(row,)`` values, NaN where the source has none."""
        return self.columns.get(name, np.full(len(self), np.nan))


@dataclass(frozen=True)
class Records:
    """What a source says of all its runs.

    Attributes:
        source: What it is called in messages.
        runs: The runs, in the order of the source.
        tasks: Facts about tasks that stand in the source, or are known by its names.
        origin: Canonical name → what the source calls it, in words.
        shown: Canonical name of a loss → the unit in which the source has it.
        notes: What reading did to it, in words.
        doubts: What may be wrong with it, each with a remedy.
    """

    source: str
    runs: tuple[RunRecords, ...]
    tasks: Mapping[str, Task] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, Unit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choices:
    """What a user chose where a source leaves a choice.

    Attributes:
        metric: The metric of all tasks that have it; empty for the format's own order.
        metrics: Task → its metric.
        columns: Canonical name → the source's column, and its unit after a colon.
        constants: Canonical or auxiliary name → value in all rows.
        subtasks: Keep the tasks of groups and leave the groups out, in place of the reverse.
    """

    metric: str = ""
    metrics: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)
    subtasks: bool = False

    def metric_of(self, task: str) -> str:
        """The metric that was asked for of a task; empty if none was."""
        return self.metrics.get(task, self.metric)


@dataclass(frozen=True)
class Format:
    """A kind of files.

    Attributes:
        name: As ``--format`` calls it.
        about: What it is, in a line.
        recognises: Whether a path is of it, without reading all of it.
        read: Path and choices → records.
    """

    name: str
    about: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Choices], Records]


def columns_of_rows(rows: Sequence[Mapping[str, float]]) -> dict[str, Floats]:
    """Rows by name → columns by name, NaN where a row lacks one."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows], np.float64) for name in names}
