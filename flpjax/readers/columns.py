"""Named columns of cells into Runs: find the canonical columns, convert them, hand them to the one door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, did_you_mean, nearest, short, some_of
from flpjax.ladder.build import Place, build_runs, check_names, is_canonical, misspelt
from flpjax.ladder.grouped import GROUP, GROUP_SEPARATOR
from flpjax.ladder.position import numbers_of
from flpjax.ladder.table import Runs
from flpjax.readers.bare import VALIDATION, bare_loss
from flpjax.readers.cells import LONGEST_NAME
from flpjax.readers.convert import RenamedPlace, converted, ends_of_finished, without_step_zero
from flpjax.readers.formats.names import meaning_of
from flpjax.readers.raw import RawTable
from flpjax.readers.rows import doubts_about_rows, is_constant, note_about_rows, numbered, one_row_a_run
from flpjax.readers.table_map import TableMap as TableMap

MEASURED = ("loss/", "score/")
MOST_LISTED = 8  # ignored columns named in a note
WANDB_STEP = "_step"


def table_runs(raw: RawTable, table_map: TableMap | None = None) -> Runs:
    """Make a table of cells a table of runs.

    Args:
        raw: The cells.
        table_map: What a mapping file says about them.

    Raises:
        InputError: A column is missing or misspelt, or a cell can't be what its column says.
    """
    table_map = table_map or TableMap()
    source = raw.place.source
    theirs, notes = _choose(raw, table_map)
    for name in theirs:
        if len(name) > LONGEST_NAME:
            raise InputError(
                f"the name has {len(name):,} characters",
                where=f"{source}, column '{short(name)}'",
                remedy=f"Give it one of at most {LONGEST_NAME}",
            )
    _check_declared(theirs, table_map)
    place = RenamedPlace(source, raw.place.row, raw.place.lines, theirs, raw.place)
    others = [n for n in raw.cells if not is_canonical(n)]
    columns: dict[str, NDArray[Any]] = {}
    rows_are = table_map.rows
    size = next((name for name in ("tokens", "flops") if name in theirs), None)
    if "run" not in theirs and size is not None and rows_are != "checkpoints" and not nearest("run", others):
        named = next((part for part in table_map.products.get(size, ()) if isinstance(part, str)), theirs[size])
        rows = len(raw.cells[named])
        columns["run"] = numbered(raw.place.row if raw.place.row is not None else range(1, rows + 1))
        rows_are = "runs"
        notes.append(
            f"there is no column 'run': each of the {rows} rows is a run of its own; if some are checkpoints of one "
            "training, name it in a column 'run'"
        )
    check_names([*columns, *theirs, *others], source)
    columns |= {name: converted(name, their, raw.cells, place, table_map) for name, their in theirs.items()}
    kept = without_step_zero(columns)
    if not kept.all():
        notes.append(f"{count(int((~kept).sum()), 'row')} at step 0 left out: nothing had been trained")
        columns = {name: values[kept] for name, values in columns.items()}
        place = place.rows(kept)
    if table_map.rows == "runs":
        columns["run"] = one_row_a_run(columns["run"])
    if "final" in columns and table_map.finished:
        columns["final"] = ends_of_finished(columns)
    _check_blank_losses(columns, place, table_map)
    runs = build_runs(
        columns,
        tasks=table_map.tasks,
        features=table_map.features,
        source=source,
        place=place,
        final_average=table_map.final_average,
        final_within=table_map.final_within,
        mixture_is=table_map.mixture,
        allow_negative=table_map.allow_negative,
        notes=notes,
    )
    unit_of_column = {
        name: unit for name, unit in {**table_map.units, **table_map.shown}.items() if unit.name != "nats"
    }
    column_of = {
        d: f"loss/{d.rpartition(GROUP_SEPARATOR)[0] if GROUP in columns and GROUP_SEPARATOR in d else d}"
        for d in runs.domains
    }
    runs = replace(runs, shown={d: unit_of_column[c] for d, c in column_of.items() if c in unit_of_column})
    declared = "final" in columns and not runs.final.all()  # rows that are not final are checkpoints
    if rows_are is not None or declared:
        return runs
    used = set(theirs.values()) | set(table_map.parts)
    telling = {
        name: [cell for cell, keep in zip(raw.cells[name], kept, strict=True) if keep]
        for name in raw.cells
        if name not in used and is_constant(name)
    }
    doubts = tuple(doubts_about_rows(runs, columns["run"], telling))
    hint = None if doubts else note_about_rows(runs)
    return replace(runs, doubts=doubts, notes=(*runs.notes, *([hint] if hint else ())))


def _choose(raw: RawTable, table_map: TableMap) -> tuple[dict[str, str], list[str]]:
    """Canonical name → the table's name, and notes on what was guessed or left aside."""
    source = raw.place.source
    left = {GROUP} if _ignored(GROUP, table_map) else set()
    chosen = {name: name for name in raw.cells if is_canonical(name) and name not in left}
    taken = set(table_map.columns.values())
    named = [*table_map.columns.items(), *((c, p) for c, parts in table_map.products.items() for p in parts)]
    for canonical, their in ((c, n) for c, n in named if isinstance(n, str)):
        if their not in raw.cells:
            raise InputError(
                f"{source} has no column '{short(their)}'",
                where=f"{table_map.where}, [columns], '{short(canonical)}'",
                remedy=did_you_mean(their, [n for n in raw.cells if n]),
            )
    # The mapping has the last word, also over a column that already has a canonical name.
    chosen = {name: name for name in chosen if name not in taken} | dict(table_map.columns)
    chosen |= {name: " × ".join(map(str, parts)) for name, parts in table_map.products.items()}
    parts = table_map.parts
    others = [n for n in raw.cells if n not in chosen.values() and n not in parts and not _ignored(n, table_map)]
    notes = []
    if not any(name.startswith("loss/") for name in chosen):
        bare = bare_loss(others, source)
        if bare is not None:
            chosen[VALIDATION] = bare
            notes.append(
                f"column '{bare}' is read as the validation loss '{VALIDATION}', in nats per token; if it is the "
                "training loss, list it under ignore in the mapping's [table], or name it 'train_loss'"
            )
    if "step" not in chosen and WANDB_STEP in [*others, *parts]:
        chosen["step"] = WANDB_STEP
        notes.append(f"column '{WANDB_STEP}' is read as the step")

    ignored = []
    for name in raw.cells:
        if name in chosen.values() or name in parts:
            continue
        meant = misspelt(name) if name and not is_canonical(name) else None
        if meant and meant not in chosen and not _ignored(name, table_map):
            raise InputError(
                "flpjax knows no such column",
                where=f"{source}, column '{short(name)}'",
                remedy=f"Did you mean '{short(meant)}'? Rename it, or list it under ignore in the mapping's [table]",
            )
        ignored.append(name or "(no name)")
    if ignored:
        known = [name for name in ignored if (one := meaning_of(name)) and one.canonical.startswith(MEASURED)]
        also = f"; flpjax import takes {some_of(known)} for losses or scores" if known else ""
        notes.append(f"ignored {count(len(ignored), 'column')}: {some_of(ignored, MOST_LISTED)}{also}")
    return chosen, notes


def _ignored(name: str, table_map: TableMap) -> bool:
    """Whether the mapping says to leave a column alone."""
    return any(fnmatchcase(name, pattern) for pattern in table_map.ignore)


def _check_declared(theirs: Mapping[str, str], table_map: TableMap) -> None:
    """Refuse facts about tasks, features and losses that the table hasn't got: they are misspelt."""
    tasks = [name[6:] for name in theirs if name.startswith("score/")]
    for name in table_map.tasks:
        if name not in tasks:
            raise InputError(
                f"there is no column 'score/{name}'",
                where=f"{table_map.where}, [tasks.{name}]",
                remedy=did_you_mean(name, tasks),
            )
    others = [name[2:] for name in theirs if name.startswith("x/")]
    for name in table_map.features:
        if name not in others:
            raise InputError(
                f"there is no column 'x/{name}'",
                where=f"{table_map.where}, [features.{name}]",
                remedy=did_you_mean(name, others),
            )
    losses = [name for name in theirs if name.startswith("loss/")]
    missing = () if isinstance(table_map.allow_missing, bool) else table_map.allow_missing
    for key, names in (("allow_missing", missing), ("allow_negative", table_map.allow_negative)):
        for name in names:
            if name not in losses:
                raise InputError(
                    f"there is no column '{name}'",
                    where=f"{table_map.where}, [table], '{key}'",
                    remedy=did_you_mean(name, losses),
                )


def _check_blank_losses(columns: Mapping[str, NDArray[Any]], place: Place, table_map: TableMap) -> None:
    """Refuse a run without any value of a loss that others have: more often one that diverged than one nobody measured.

    A blank in some rows of a run is normal: losses, scores and training losses may be logged in rows of their own. Runs
    that are held out may be yet to come.
    """
    allowed = table_map.allow_missing
    losses = [n for n in columns if n.startswith("loss/") and np.isfinite(columns[n]).any()]
    run = numbers_of(columns["run"])[1]
    for name in losses:
        if allowed is True or (allowed and name in allowed):
            continue
        measured = np.bincount(run, weights=~np.isnan(columns[name])) > 0
        blank = np.flatnonzero(~measured[run] & ~_held_out(columns))
        if len(blank):
            more = f" (and {count(len(blank) - 1, 'more row')} like it)" if len(blank) > 1 else ""
            raise InputError(
                f"the loss is blank{more}, and run '{columns['run'][blank[0]]}' has it in no other row",
                where=place.at(blank[0], name),
                remedy=f'Drop the run, or write allow_missing = ["{name}"] under [table] in a mapping file',
            )


def _held_out(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """``(row,)``."""
    return np.asarray(columns["held_out"], bool) if "held_out" in columns else np.zeros(len(columns["run"]), bool)
