"""Weights & Biases history exports: one CSV a run, one row a logged step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.build import Place
from flpjax.readers.cells import numbers
from flpjax.readers.csv_file import read_csv
from flpjax.readers.raw import FilesPlace, RawTable

STEP, TOKENS, BATCH = "_step", "throughput/total_tokens", "batch_size_in_tokens"
VALIDATION = re.compile(r"eval/(.+)-validation/CrossEntropyLoss")

Sums = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class History:
    """One run's export under canonical names.

    Attributes:
        columns: Canonical name → ``(row,)`` values: ``tokens``, ``step`` if logged, the losses, what ``sums`` named.
        place: How to name a row in messages.
        rows: ``(row,)`` 1-based rows of the file; those without any evaluation are gone.
    """

    columns: dict[str, NDArray[np.float64]]
    place: Place
    rows: list[int] = field(default_factory=list)


def wandb_history(path: Path, sums: Sums | None = None) -> History:
    """Read one history export.

    Tokens are ``throughput/total_tokens`` and, where that is blank or absent, ``_step × batch_size_in_tokens``. Each
    ``eval/<set>-validation/CrossEntropyLoss`` (nats per token) becomes ``loss/<set>``.

    Args:
        path: The CSV file.
        sums: Canonical name → the export's columns and their weights, for scores and other losses. A single column
            has the weight 1; a group of subtasks has weights that sum to 1.

    Raises:
        InputError: The file can't be read, a column is missing, or a cell is no number.
    """
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), remedy="Check that the export is complete")
    raw = read_csv(path)
    columns = {"tokens": _tokens(raw)}
    if STEP in raw.cells:
        columns["step"] = _column(raw, STEP)
    evaluations = {}
    for name in raw.cells:
        if found := VALIDATION.fullmatch(name):
            evaluations[f"loss/{found[1]}"] = _column(raw, name)
    for canonical, parts in (sums or {}).items():
        evaluations[canonical] = sum(
            (weight * _column(raw, name) for name, weight in parts.items()), start=np.zeros(len(columns["tokens"]))
        )
    # A history also holds the steps at which only the training loss was logged.
    measured = [~np.isnan(values) for values in evaluations.values()]
    keep = np.any(measured, axis=0) if measured else np.zeros(len(columns["tokens"]), bool)
    file_rows = raw.place.row if raw.place.row is not None else range(1, len(keep) + 1)
    return History(
        {name: values[keep] for name, values in (columns | evaluations).items()},
        raw.place,
        [row for row, kept in zip(file_rows, keep, strict=True) if kept],
    )


def join(histories: Mapping[str, History], source: str) -> tuple[dict[str, NDArray[Any]], Place]:
    """Put the histories of several runs under each other.

    Args:
        histories: Run name → history.
        source: What to call the whole in messages.

    Returns:
        Canonical columns with ``run``; NaN where a run hasn't got one. And how to name their rows.
    """
    counts = [len(h.rows) for h in histories.values()]
    run = np.repeat(np.array(list(histories), object), counts)
    every = dict.fromkeys(name for h in histories.values() for name in h.columns)
    columns: dict[str, NDArray[Any]] = {"run": run}
    for name in every:
        parts = [
            h.columns.get(name, np.full(count, np.nan)) for h, count in zip(histories.values(), counts, strict=True)
        ]
        columns[name] = np.concatenate(parts)
    place = FilesPlace(
        source,
        row=[row for h in histories.values() for row in h.rows],
        lines=True,
        files=[h.place.source for h in histories.values() for _ in h.rows],
    )
    return columns, place


def _tokens(raw: RawTable) -> NDArray[np.float64]:
    """Tokens so far, logged or counted; int64 would do here, the products made from them would not."""
    logged = _column(raw, TOKENS) if TOKENS in raw.cells else None
    if STEP not in raw.cells or BATCH not in raw.cells:
        if logged is None:
            raise InputError(
                f"there is neither '{TOKENS}' nor '{STEP}' with '{BATCH}'",
                where=raw.place.source,
                remedy="Export one of them with the history: tokens can't be told without",
            )
        return logged
    counted = _column(raw, STEP) * _column(raw, BATCH)
    return counted if logged is None else np.where(np.isnan(logged), counted, logged)


def _column(raw: RawTable, name: str) -> NDArray[np.float64]:
    if name not in raw.cells:
        raise InputError(f"column '{name}' is missing", where=raw.place.source, remedy=_nearest(name, raw))
    return numbers(raw.cells[name], name, raw.place)


def _nearest(name: str, raw: RawTable) -> str:
    near = did_you_mean(name, raw.cells)
    return near if near.startswith("Did") else "Check that this is the export meant"
