"""nanochat: the results.csv of its scaling-law sweeps, and the records of an experiment's curve.log."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flpjax.errors import InputError
from flpjax.readers.formats.files import LOOKED_AT, files, head, header, table, texts
from flpjax.readers.formats.records import Choices, Format, Records
from flpjax.readers.formats.rows import RunRows, records_of_rows

BUDGET = "flops_budget"
OWN = ("depth", "tokens_trained")
LOGS = ("curve.log", "base_train.log")
MODEL, SUMMARY = "model ", "summary "
"""Tags of records: of all stages of a model, and of one stage."""
NO_CORE = "0.0"
"""What the sweep's script writes where it found no CORE metric in a log."""


def recognises(path: Path) -> bool:
    """Whether a table has the sweep's columns, or a log has records of models."""
    tables = (header(each) for each in files(path, (".csv",))[:LOOKED_AT])
    return any(set(OWN) <= set(names) for names in tables) or bool(_logs(path)[:1])


def read(path: Path, choices: Choices) -> Records:
    """Read the tables at a path, or else the logs.

    Raises:
        InputError: A table or a log can't be read.
    """
    runs, notes = _of_tables([f for f in files(path, (".csv",)) if set(OWN) <= set(header(f))])
    budget = any(BUDGET in row for run in runs for row in run.rows)
    if not runs:
        runs = [run for log in _logs(path) for run in _of_log(log)]
    if budget and "flops" not in choices.columns:
        choices = replace(choices, columns={"flops": BUDGET, **choices.columns})
        notes.append(f"'{BUDGET}' is taken for the FLOPs, which whole steps miss by little")
    return records_of_rows(runs, str(path), choices, notes)


def _of_tables(tables: Sequence[Path]) -> tuple[list[RunRows], list[str]]:
    """A run a row, called by its budget and depth."""
    runs, blanked = [], 0
    for each in tables:
        raw = table(each)
        total = len(next(iter(raw.cells.values())))
        for i in range(total):
            row = {name: cells[i] for name, cells in raw.cells.items()}
            if str(row.get("core_score")) == NO_CORE:
                del row["core_score"]
                blanked += 1
            depth = f"d{row['depth']}"
            name = f"{row[BUDGET]}_{depth}" if BUDGET in row else depth
            runs.append(RunRows(name, [row], [raw.place.row_at(i)]))
    notes = [f"{blanked} CORE scores of exactly 0.0, which the sweep writes for none, are blank"] if blanked else []
    return runs, notes


def _logs(path: Path) -> list[Path]:
    """The log of the whole experiment, or else those of its models' pre-training, that hold records."""
    there = [each for each in files(path, (".log",)) if each.name in LOGS or path.is_file()]
    curves = [each for each in there if any(line.startswith(MODEL) for line in head(each).splitlines())]
    return curves or [each for each in there if f"\n{SUMMARY}" in f"\n{_text(each)}"]


def _of_log(path: Path) -> Iterator[RunRows]:
    """Records of models, or the last summary of one model's pre-training."""
    lines = _text(path).splitlines()
    models = [(i, fields) for i, line in enumerate(lines, 1) if (fields := _fields(line, MODEL))]
    if not models:
        summaries = [(i, fields) for i, line in enumerate(lines, 1) if (fields := _fields(line, SUMMARY))]
        models = [(i, {"model_tag": path.parent.name, **fields}) for i, fields in summaries[-1:]]
    for number, fields in models:
        row = {
            key.removeprefix("base."): cell for key, cell in fields.items() if "." not in key or key.startswith("base.")
        }
        yield RunRows(texts(row.get("model_tag")) or f"line {number}", [row], [f"{path}, line {number}"])


def _fields(line: str, tag: str) -> Mapping[str, Any] | None:
    """``model depth=4 base.val_bpb=0.9`` → its fields; None of prose."""
    if not line.startswith(tag):
        return None
    try:
        words = shlex.split(line)[1:]
    except ValueError:
        return None
    return dict(word.split("=", 1) for word in words) if all("=" in word for word in words) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", where=str(path), remedy="Name another file") from None


NANOCHAT = Format("nanochat", "results.csv of nanochat's sweeps, or an experiment's curve.log", recognises, read)
