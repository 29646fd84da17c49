"""Named columns of cells into Runs: find the canonical columns, convert them, hand them to the one door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count, did_you_mean, nearest, short, some_of
from flpjax.ladder.build import Place, build_runs, check_names, is_canonical, misspelt
from flpjax.ladder.features import Feature
from flpjax.ladder.finals import FINAL_WITHIN
from flpjax.ladder.mixing import MixtureIs
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task
from flpjax.readers.bare import VALIDATION, bare_loss
from flpjax.readers.cells import LONGEST_NAME, flags, names, numbers
from flpjax.readers.raw import RawTable
from flpjax.readers.rows import RowsAre, doubts_about_rows, is_constant, note_about_rows, numbered, one_row_a_run

POINTS_FLOOR = 0.05  # a task with a chance level above this never scores below 1 point in every row
LISTED = 8  # ignored columns named in a note
WANDB_STEP = "_step"


@dataclass(frozen=True)
class TableMap:
    """What a mapping says about a table; the empty one says nothing.

    Attributes:
        columns: Canonical name → the table's name.
        factors: Canonical name → what its values are multiplied by.
        tasks: Facts about tasks by name.
        features: Unit and transform of features by name.
        points: Tasks whose scores, and their standard errors, stand in points (0 to 100).
        final_average: How many of a run's last evaluations make its final losses and scores.
        final_within: How far from a run's end a final value may stand, as a share of the run's tokens.
        allow_missing: Loss columns, canonical, that some run may lack; True for all.
        rows: Whether rows are ``"checkpoints"`` of the runs that they name, or each a run; None takes checkpoints, and
            says so where that is doubtful.
        mixture: What mixture weights are that change within a run: refused (``"constant"``), those of the ``"current"``
            stage, or those of all tokens ``"so far"``.
        ignore: Columns to leave alone; ``*`` and ``?`` match as in a shell.
        where: What to call the mapping in messages.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    points: frozenset[str] = frozenset()
    final_average: int = 1
    final_within: float = FINAL_WITHIN
    rows: RowsAre | None = None
    mixture: MixtureIs = "constant"
    allow_missing: bool | tuple[str, ...] = False
    ignore: tuple[str, ...] = ()
    where: str = "mapping"


@dataclass(frozen=True)
class RenamedPlace(Place):
    """Names a column as the file does, and says what it stands for."""

    theirs: Mapping[str, str] = field(default_factory=dict)

    def at(self, i: int, column: str) -> str:
        """``file, row 7 (line 8), column 'Tokens' (tokens)`` for the i-th value."""
        theirs = self.theirs.get(column, column)
        return super().at(i, theirs) + ("" if theirs == column else f" ({column})")


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
    place = RenamedPlace(source, raw.place.row, raw.place.lines, theirs)
    others = [n for n in raw.cells if not is_canonical(n)]
    columns, rows_are = {}, table_map.rows
    size = next((name for name in ("tokens", "flops") if name in theirs), None)
    if "run" not in theirs and size is not None and rows_are != "checkpoints" and not nearest("run", others):
        rows = len(raw.cells[theirs[size]])
        columns["run"] = numbered(raw.place.row if raw.place.row is not None else range(1, rows + 1))
        rows_are = "runs"
        notes.append(
            f"there is no column 'run': each of the {rows} rows is a run of its own; if some are checkpoints of one "
            "training, name it in a column 'run'"
        )
    check_names([*columns, *theirs, *others], source)
    columns |= {name: _convert(name, raw.cells[their], place, table_map) for name, their in theirs.items()}
    if table_map.rows == "runs":
        columns["run"] = one_row_a_run(columns["run"])
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
        notes=notes,
    )
    declared = "final" in columns and not runs.final.all()  # rows that are not final are checkpoints
    if rows_are is not None or declared:
        return runs
    telling = {name: raw.cells[name] for name in raw.cells if name not in theirs.values() and is_constant(name)}
    doubts = tuple(doubts_about_rows(runs, columns["run"], telling))
    hint = None if doubts else note_about_rows(runs)
    return replace(runs, doubts=doubts, notes=(*runs.notes, *([hint] if hint else ())))


def _choose(raw: RawTable, table_map: TableMap) -> tuple[dict[str, str], list[str]]:
    """Canonical name → the table's name, and notes on what was guessed or left aside."""
    source = raw.place.source
    chosen = {name: name for name in raw.cells if is_canonical(name)}
    taken = set(table_map.columns.values())
    for canonical, their in table_map.columns.items():
        if their not in raw.cells:
            raise InputError(
                f"{source} has no column '{short(their)}'",
                where=f"{table_map.where}, [columns], '{short(canonical)}'",
                remedy=did_you_mean(their, [n for n in raw.cells if n]),
            )
    # The mapping has the last word, also over a column that already has a canonical name.
    chosen = {name: name for name in chosen if name not in taken} | dict(table_map.columns)
    others = [n for n in raw.cells if n not in chosen.values() and not _ignored(n, table_map)]
    notes = []
    if not any(name.startswith("loss/") for name in chosen):
        bare = bare_loss(others, source)
        if bare is not None:
            chosen[VALIDATION] = bare
            notes.append(
                f"column '{bare}' is read as the validation loss '{VALIDATION}', in nats per token; if it is the "
                "training loss, list it under ignore in the mapping's [table], or name it 'train_loss'"
            )
    if "step" not in chosen and WANDB_STEP in others:
        chosen["step"] = WANDB_STEP
        notes.append(f"column '{WANDB_STEP}' is read as the step")

    ignored = []
    for name in raw.cells:
        if name in chosen.values():
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
        notes.append(f"ignored {count(len(ignored), 'column')}: {some_of(ignored, LISTED)}")
    return chosen, notes


def _ignored(name: str, table_map: TableMap) -> bool:
    """Whether the mapping says to leave a column alone."""
    return any(fnmatchcase(name, pattern) for pattern in table_map.ignore)


def _check_declared(theirs: Mapping[str, str], table_map: TableMap) -> None:
    """Refuse facts about tasks, features and losses that the table hasn't got: they are misspelt."""
    tasks = [name[6:] for name in theirs if name.startswith("score/")]
    for name in [*table_map.tasks, *table_map.points]:
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
    for name in () if isinstance(table_map.allow_missing, bool) else table_map.allow_missing:
        if name not in losses:
            raise InputError(
                f"there is no column '{name}'",
                where=f"{table_map.where}, [table], 'allow_missing'",
                remedy=did_you_mean(name, losses),
            )


def _convert(name: str, cells: Sequence[object], place: Place, table_map: TableMap) -> NDArray:
    if name == "run":
        return names(cells, name, place)
    if name in ("final", "held_out"):
        return flags(cells, name, place)
    values = numbers(cells, name, place) * table_map.factors.get(name, 1.0)
    group, _, task = name.partition("/")
    if group not in ("score", "stderr") or task not in table_map.points:
        return values
    for i in np.flatnonzero((values < 0) | (values > 100))[:1]:
        raise InputError(
            f"got {values[i]:.6g}, but it must be in points from 0 to 100",
            where=place.at(i, name),
            remedy="Correct the row, or leave it out",
        )
    fact = table_map.tasks.get(task)
    measured = values[~np.isnan(values)]
    if group == "score" and fact and fact.chance > POINTS_FLOOR and len(measured) and measured.max() <= 1:
        raise InputError(
            f"no score is above {measured.max():.3g}, so these look like fractions, not points",
            where=place.at(int(np.nanargmax(values)), name),
            remedy=f'Declare scale = "fraction" under [tasks.{task}] of {table_map.where}',
        )
    return values / 100.0


def _check_blank_losses(columns: Mapping[str, NDArray], place: Place, table_map: TableMap) -> None:
    """Refuse a run without any value of a loss that others have: more often one that diverged than one nobody measured.

    A blank in some rows of a run is normal: losses, scores and training losses may be logged in rows of their own. Runs
    that are held out may be yet to come.
    """
    allowed = table_map.allow_missing
    losses = [n for n in columns if n.startswith("loss/") and np.isfinite(columns[n]).any()]
    number: dict[str, int] = {}
    run = np.array([number.setdefault(name, len(number)) for name in columns["run"]])
    for name in losses:
        if allowed is True or (allowed and name in allowed):
            continue
        measured = np.bincount(run, weights=~np.isnan(columns[name])) > 0
        blank = np.flatnonzero(~measured[run] & ~_held_out(columns))
        if len(blank):
            more = f" (and {len(blank) - 1} more rows like it)" if len(blank) > 1 else ""
            raise InputError(
                f"the loss is blank{more}, and run '{columns['run'][blank[0]]}' has it in no other row",
                where=place.at(blank[0], name),
                remedy=f'Drop the run, or write allow_missing = ["{name}"] under [table] in a mapping file',
            )


def _held_out(columns: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    """``(row,)``."""
    return np.asarray(columns["held_out"], bool) if "held_out" in columns else np.zeros(len(columns["run"]), bool)
