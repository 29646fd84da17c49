"""Data-constrained scaling (Muennighoff et al. 2023, arXiv:2305.16264): repeated data, and Python mixed into text.

The authors' repository holds both inside notebooks, so the two tables that are read here are not files of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.build import build_runs
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task
from flpjax.readers.cells import names, numbers
from flpjax.readers.csv_file import read_csv
from flpjax.readers.raw import FilesPlace, RawTable

REPEATED, CODE = "datablations_filtered.csv", "code_text_downstream.csv"
SEEDS = 5  # a score with a standard deviation is the mean over this many training seeds
AVERAGES = ("Average", "Average (without bAbI)")

# Task in the table → its name here, the random level that the authors rescaled with, and the true one. The two differ
# for StoryCloze: it has two endings to choose from, but the authors' table counts from 1/4.
TASKS = {
    "ANLI R1": ("anli_r1", 1 / 3, 1 / 3),
    "ANLI R2": ("anli_r2", 1 / 3, 1 / 3),
    "ANLI R3": ("anli_r3", 1 / 3, 1 / 3),
    "ARC-Challenge": ("arc_challenge", 1 / 4, 1 / 4),
    "ARC-Easy": ("arc_easy", 1 / 4, 1 / 4),
    "BoolQ": ("boolq", 1 / 2, 1 / 2),
    "CB": ("cb", 1 / 3, 1 / 3),
    "COPA": ("copa", 1 / 2, 1 / 2),
    "HellaSwag": ("hellaswag", 1 / 4, 1 / 4),
    "PiQA": ("piqa", 1 / 2, 1 / 2),
    "RTE": ("rte", 1 / 2, 1 / 2),
    "SciQ": ("sciq", 1 / 4, 1 / 4),
    "StoryCloze 2016": ("storycloze", 1 / 4, 1 / 2),
    "WinoGrande XL": ("winogrande", 1 / 2, 1 / 2),
    "E2E NLG": ("e2e_nlg", 0.0, 0.0),
    "XSUM": ("xsum", 0.0, 0.0),
    "WebNLG EN": ("webnlg_en", 0.0, 0.0),
    "WikiLingua EN": ("wikilingua_en", 0.0, 0.0),
    "bAbI": ("babi", 0.0, 0.0),
}
TEXTS = {"C4": "c4", "OSCAR": "oscar"}
TEXT_KEYS, NUMBER_KEYS = ("model", "text_source", "task"), ("params", "tokens", "python_pct", "score", "std")


def datablations(folder: Path) -> Runs:
    """Read the 182 runs that the authors fit their law of repeated data on: final losses on C4.

    Tokens D count every pass over the data; how many are unique is the feature ``unique_tokens``, which laws of
    repeated data read. FLOPs are 6·N·D. Nothing is held out.

    Args:
        folder: It holds ``datablations_filtered.csv``, columns ``name,N,D,U_unique_tokens,val_loss``.

    Raises:
        InputError: The file or a column is missing.
    """
    raw = _table(folder / REPEATED, ("name", "N", "D", "val_loss"))
    columns: dict[str, NDArray[Any]] = {"run": names(raw.cells["name"])}
    for ours, theirs in (("params", "N"), ("tokens", "D"), ("loss/c4", "val_loss")):
        columns[ours] = numbers(raw.cells[theirs], theirs, raw.place)
    unique = unique_tokens(folder)
    columns["x/unique_tokens"] = np.array([unique[name] for name in columns["run"]])
    notes = ["tokens count repeats; x/unique_tokens are those that differ"]
    return build_runs(columns, source="datablations", place=raw.place, notes=notes)


def unique_tokens(folder: Path) -> dict[str, float]:
    """Run → how many different tokens it was trained on, for the runs that :func:`datablations` reads.

    Args:
        folder: As :func:`datablations` takes it.

    Raises:
        InputError: The file or a column is missing, or a number in it is not positive.
    """
    column = "U_unique_tokens"
    raw = _table(folder / REPEATED, ("name", column))
    unique = numbers(raw.cells[column], column, raw.place)
    for i in np.flatnonzero(~(unique > 0))[:1]:
        raise InputError(
            f"got {unique[i]:g}, but it must be a positive number",
            where=raw.place.at(i, column),
            remedy="Correct the row, or leave it out",
        )
    return {str(name): float(u) for name, u in zip(names(raw.cells["name"]), unique, strict=True)}


def datablations_code(folder: Path) -> Runs:
    """Read 22 mixtures of text (C4 or OSCAR) with Python at 2.8B and 4.2B parameters: 19 tasks, no losses.

    The published scores are rescaled so that random guessing is 0 and may be negative: s' = (s − r) / (1 − r). The
    authors' notebook gives r for every task, so the raw score s = r + (1 − r) s' is read here, to the table's rounding
    of .1 points. A score is a mean over 0 to 5 shots: accuracy, exact match for bAbI, an overlap with the reference for
    the four generation tasks. At 4.2B, and without Python at 2.8B, it is also a mean over 5 training seeds: the
    standard error is then sd/√4 of the published (population) standard deviation, and otherwise not known. The
    authors set bAbI to 0 for the C4 models without Python. FLOPs are 6·N·D. Nothing is held out.

    Args:
        folder: It holds ``code_text_downstream.csv``, columns
            ``model,params,tokens,text_source,python_pct,task,score,std``, one row a model and task.

    Raises:
        InputError: The file or a column is missing, or a corpus, a task or a row is not one of the table's.
    """
    raw = _table(folder / CODE, (*TEXT_KEYS, *NUMBER_KEYS))
    values = {key: numbers(raw.cells[key], key, raw.place) for key in NUMBER_KEYS}
    row_of = _by_run(raw)
    rows = [min(tasks.values()) for tasks in row_of.values()]  # what holds for a run stands in every row of it
    python = values["python_pct"][rows] / 100.0
    text = np.array(raw.cells["text_source"], object)[rows]
    columns: dict[str, NDArray[Any]] = {
        "run": names(list(row_of)),
        "params": values["params"][rows],
        "tokens": values["tokens"][rows],
        **{f"mix/{ours}": np.where(text == theirs, 1.0 - python, 0.0) for theirs, ours in TEXTS.items()},
        "mix/python": python,
    }
    for task, (ours, counted_from, _) in TASKS.items():
        measured = [tasks[task] for tasks in row_of.values()]
        span = (1.0 - counted_from) / 100.0
        columns[f"score/{ours}"] = counted_from + span * values["score"][measured]
        columns[f"stderr/{ours}"] = span * values["std"][measured] / np.sqrt(SEEDS - 1)
    return build_runs(
        columns,
        tasks={ours: Task(ours, chance) for ours, _, chance in TASKS.values()},
        source="datablations-code",
        place=FilesPlace("datablations-code", files=[f"{folder / CODE}, run '{run}'" for run in row_of]),
        notes=["scores are the published ones with the authors' rescaling to random = 0 undone"],
    )


def _by_run(raw: RawTable) -> dict[str, dict[str, int]]:
    """Run → task → the row of its score; every run has every task once."""
    row_of: dict[str, dict[str, int]] = {}
    for i, (model, text, task) in enumerate(zip(*(raw.cells[key] for key in TEXT_KEYS), strict=True)):
        if text not in TEXTS:
            raise InputError(
                f"there is no corpus '{text}'", where=raw.place.at(i, "text_source"), remedy=did_you_mean(text, TEXTS)
            )
        if task in AVERAGES:
            continue
        if task not in TASKS:
            raise InputError(
                f"there is no task '{task}'", where=raw.place.at(i, "task"), remedy=did_you_mean(task, TASKS)
            )
        run = f"{model}-{TEXTS[text]}-python{raw.cells['python_pct'][i].strip()}"
        tasks = row_of.setdefault(run, {})
        if task in tasks:
            raise InputError(
                f"run '{run}' has this task twice", where=raw.place.at(i, "task"), remedy="Keep one of the rows"
            )
        tasks[task] = i
    for run, tasks in row_of.items():
        for missing in [task for task in TASKS if task not in tasks][:1]:
            raise InputError(
                f"run '{run}' has no task '{missing}'",
                where=raw.place.source,
                remedy="Check that the table is complete",
            )
    return row_of


def _table(path: Path, columns: tuple[str, ...]) -> RawTable:
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), remedy="Check that the copy is complete")
    raw = read_csv(path)
    for column in columns:
        if column not in raw.cells:
            raise InputError(f"column '{column}' is missing", where=str(path), remedy="Check that this is the file")
    return raw
