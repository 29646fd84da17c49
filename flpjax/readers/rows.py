"""What the rows of a table are: checkpoints of runs, or runs of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import count
from flpjax.ladder.positive import without_signed
from flpjax.ladder.table import Runs
from flpjax.readers.cells import is_blank

RowsAre = Literal["checkpoints", "runs"]

CONSTANT = re.compile(
    r"(.*[_/. -])?(budget|isoflops?|seed|peak_lr|max_lr|total_steps|max_steps)([_/. -].*)?", re.IGNORECASE
)
"""Names of what one training has one of."""
LONGEST = 100  # characters of such a name
SAME_FLOPS = 0.05  # log FLOPs; rows nearer than this were trained for one budget
SIZES = 3  # that a budget must have, to be one
SHARE = 0.5  # of the rows that must share their FLOPs with rows of other sizes
SPARSE = 1.5  # ratio of a run's last tokens to those a row before, from which on hardly anybody saves checkpoints
RISE, RISES, FEWEST = 0.01, 0.2, 3  # a loss that rises by so much, in what share of the steps, in how many at least
REMEDY = (
    'if each row is a training of its own, write rows = "runs" under [table] in a mapping file; rows = "checkpoints" '
    "says that they are checkpoints"
)


def one_row_a_run(names: NDArray[np.object_]) -> NDArray[np.object_]:
    """``(row,)`` a name for every row: its own where no other has it, otherwise ``name #1``, ``name #2`` and so on."""
    total, seen = Counter(names.tolist()), Counter[Any]()
    taken = {name for name, times in total.items() if times == 1}
    unique = np.empty(len(names), object)
    for i, name in enumerate(names.tolist()):
        label = name
        while name is not None and total[name] > 1 and (label == name or label in taken):
            seen[name] += 1
            label = f"{name} #{seen[name]}"
        taken.add(label)
        unique[i] = label
    return unique


def numbered(rows: Sequence[int]) -> NDArray[np.object_]:
    """``(row,)`` ``row 1``, ``row 2`` and so on, by the file's own numbers."""
    return np.array([f"row {row}" for row in rows], object)


def is_constant(name: str) -> bool:
    """Whether a column is called what one training has one of: a budget, a seed, a peak learning rate."""
    return len(name) < LONGEST and CONSTANT.fullmatch(name) is not None


def doubts_about_rows(runs: Runs, run: NDArray[np.object_], telling: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Why rows that were read as checkpoints may be trainings of their own.

    Args:
        runs: As they were read.
        run: ``(row,)`` their names, as the table has them.
        telling: Columns that have no canonical name and one value a training, by name.
    """
    merged = f"{count(len(runs), 'row')} are read as checkpoints of {count(len(runs.names), 'run')}"
    for name, cells in telling.items():
        changed = _changes(run, cells)
        if changed is not None:
            yield f"{merged}, but '{name}' is not the same in all rows of run '{changed}': {REMEDY}"
            return
    if _budgets(runs):
        yield f"{merged}, but runs of different sizes stand at the same few FLOPs, as in an isoFLOP profile: {REMEDY}"
        return
    rises, steps = _rises(runs)
    if rises >= max(FEWEST, RISES * steps):
        yield (
            f"{merged}, but from one to the next the loss rises by more than {RISE:.0%} in {rises} of {steps} steps: "
            f"{REMEDY}"
        )


def note_about_rows(runs: Runs) -> str | None:
    """A hint for tables whose checkpoints are few and far between."""
    if not _sparse(runs):
        return None
    return (
        f"{count(len(runs), 'row')} are read as checkpoints of {count(len(runs.names), 'run')}, the last of each as "
        f"final; {REMEDY}"
    )


def _changes(run: NDArray[np.object_], cells: Sequence[Any]) -> str | None:
    """The first run in which a column has more than one value."""
    seen: dict[str, str] = {}
    for name, cell in zip(run.tolist(), cells, strict=True):
        if not is_blank(cell) and seen.setdefault(name, str(cell)) != str(cell):
            return str(name)
    return None


def _sparse(runs: Runs) -> bool:
    """Whether most runs of several rows have no checkpoint in the last third of their tokens."""
    same = runs.run[1:] == runs.run[:-1]
    last = same & np.append(runs.run[2:] != runs.run[1:-1], True)
    with np.errstate(over="ignore"):
        ratio = runs.progress[1:][last] / runs.progress[:-1][last]
    return bool(len(ratio)) and float(np.median(ratio)) >= SPARSE


def _budgets(runs: Runs) -> bool:
    """Whether rows are trainings of a few budgets: sizes share their FLOPs, also where they end, and lie far apart."""
    if not _sparse(runs):
        return False
    order = np.argsort(runs.flops, kind="stable")
    level = np.empty(len(runs), int)
    level[order] = np.cumsum(np.append(0, np.diff(np.log(runs.flops[order])) > SAME_FLOPS))
    sizes = np.array([len(np.unique(runs.params[level == i])) for i in range(level.max() + 1)])
    ends = level[np.append(runs.run[1:] != runs.run[:-1], True)]
    shared = (sizes[level] >= SIZES).mean()
    return bool(shared >= SHARE and np.bincount(ends).max() >= SIZES)


def _rises(runs: Runs) -> tuple[int, int]:
    """Steps from row to row of a run in which its first loss rises, and all steps."""
    runs = without_signed(runs)
    if not runs.domains:
        return 0, 0
    loss = runs.loss_of(runs.general_domains[0])
    end = np.full(len(runs.names), -1)
    end[runs.run[runs.final]] = np.flatnonzero(runs.final)  # what comes after a run's end is not its own
    known = np.flatnonzero(np.isfinite(loss) & (np.arange(len(runs)) <= end[runs.run]))
    step = np.diff(np.log(loss[known]))[np.diff(runs.run[known]) == 0]
    return int((step > RISE).sum()), len(step)
