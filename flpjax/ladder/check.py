"""What must hold before columns are a table of runs, and what a message says where it doesn't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count
from flpjax.ladder.features import STANDARD, Feature
from flpjax.ladder.table import Floats

LEAST_AMOUNT, MOST_AMOUNT = 1e-50, 1e50  # of parameters, tokens and FLOPs
MIX_SLACK = 0.01  # published weights are rounded: rows of 17 sources sum to .997 to 1.003
ROWS = 'or, if each row is a training of its own, write rows = "runs" under [table] in a mapping file'


@dataclass(frozen=True)
class Place:
    """Names rows for error messages: by the file's own numbering, whatever was sorted since."""

    source: str
    row: Sequence[int] | None = None
    lines: bool = False  # a text file with one header line

    def at(self, i: int, column: str) -> str:
        """``file, row 7 (line 8), column 'tokens'`` for the i-th value."""
        return f"{self.row_at(i)}, column '{column}'"

    def row_at(self, i: int) -> str:
        """``file, row 7 (line 8)`` for the i-th row."""
        row = int(self.row[i]) if self.row is not None else int(i) + 1
        line = f" (line {row + 1})" if self.lines else ""
        return f"{self.source}, row {row}{line}"


def refuse(place: Place, values: NDArray[Any], column: str, bad: NDArray[np.bool_], why: str, remedy: str = "") -> None:
    """One error for a column: its first bad row, and how many more there are."""
    where = np.flatnonzero(bad | np.isinf(values))
    if len(where):
        more = f" (and {count(len(where) - 1, 'more row')} like it)" if len(where) > 1 else ""
        value = values[where[0]]
        got = "there is no value" if np.isnan(value) else f"got {value:.6g}"
        remedy = remedy or "Correct the row, or leave it out"
        raise InputError(f"{got}, but it {why}{more}", where=place.at(where[0], column), remedy=remedy)


def refuse_amount(place: Place, values: NDArray[Any], column: str) -> None:
    """One error for a column of parameters, tokens or FLOPs that no training has: products of such overflow."""
    refuse(place, values, column, ~(values > 0), "must be a positive number")
    beyond = (values < LEAST_AMOUNT) | (values > MOST_AMOUNT)
    refuse(place, values, column, beyond, f"must lie between {LEAST_AMOUNT:g} and {MOST_AMOUNT:g}")


def check_values(columns: Mapping[str, NDArray[Any]], place: Place, signed: Sequence[str] = ()) -> None:
    """Every run named; every loss, score and weight within its range.

    Args:
        columns: By canonical names.
        place: For messages.
        signed: Losses, ``loss/<domain>``, that may be negative.

    Raises:
        InputError: One is not.
    """
    run = np.asarray(columns["run"], object).tolist()
    for name in dict.fromkeys(run):
        if name is None or name != name or not str(name).strip():  # a data frame says NaN for no text
            at = next(i for i, other in enumerate(run) if other is name)
            raise InputError("the run has no name", where=place.at(at, "run"), remedy="Every row needs one")
    for name, values in columns.items():
        if name in signed:
            refuse(place, values, name, np.zeros(len(values), bool), "must be a number")
        elif name.startswith("loss/"):
            remedy = (
                "Correct the row, or leave it out; of a loss that may be negative (relative to a unigram model, say), "
                f'write allow_negative = ["{name}"] under [table] in a mapping file (of import: '
                f"--allow-negative {name})"
            )
            refuse(place, values, name, values <= 0, "must be a positive number", remedy)
        elif name == "train_loss":
            refuse(place, values, name, values <= 0, "must be a positive number")
        elif name.startswith("score/"):
            largest, remedy, where = np.nanmax(values, initial=0.0), "", f"under [tasks.{name[6:]}] in a mapping file"
            if 1.5 < largest <= 100 and np.nanmedian(values) <= 1.0:
                remedy = "Write all scores of a task in one unit, as fractions"
            elif 1.5 < largest <= 100:
                remedy = f'Looks like points: declare scale = "points" {where}'
            elif largest <= 1 and -1 <= np.nanmin(values, initial=0.0) < 0:
                remedy = (
                    f'If chance was taken off, declare scale = "centred" and chance = … {where}; else correct the row'
                )
            refuse(place, values, name, (values < 0) | (values > 1), "must be a fraction from 0 to 1", remedy)
        elif name.startswith("stderr/"):
            refuse(place, values, name, (values < 0) | (values > 1), "must be a fraction from 0 to 1")
        elif name.startswith("mix/"):
            bad = ~((values >= 0) & (values <= 1 + MIX_SLACK))
            percent = 1.5 < np.nanmax(values, initial=0.0) <= 100
            unit = f'"{name}" = {{ column = "{name}", unit = "percent" }}'
            remedy = f"Looks like per cent: write {unit} under [columns] in a mapping file" if percent else ""
            refuse(place, values, name, bad, "must be a fraction from 0 to 1", remedy)
        elif name == "step":
            refuse(place, values, name, values < 0, "must not be negative")


def check_features(features: Sequence[Feature], columns: Mapping[str, NDArray[Any]], place: Place) -> None:
    """Columns ``x/<name>``: a name of its own, and in every row a value, which has a logarithm if laws see that.

    Raises:
        InputError: One is not so.
    """
    for feature in features:
        column = f"x/{feature.name}"
        if feature.name in STANDARD:
            own = "mix/<source>" if feature.name == "mix" else feature.name
            raise InputError(
                f"'{feature.name}' is no name for another feature",
                where=f"{place.source}, column '{column}'",
                remedy=f"Call the column '{own}' if that is what it holds",
            )
        values = columns[column]
        if feature.transform == "linear":
            refuse(place, values, column, np.isnan(values), "must be a number")
        else:
            remedy = f'Correct the row, or write transform = "linear" under [features.{feature.name}] in a mapping file'
            refuse(place, values, column, ~(values > 0), "must be a positive number: laws see its logarithm", remedy)


def check_checkpoints(
    run: NDArray[np.int64],
    tokens: Floats,
    params: Floats,
    flops: Floats,
    names: Sequence[str],
    order: NDArray[Any],
    place: Place,
) -> None:
    """One row a checkpoint, one model size a run, and compute that grows with tokens."""
    for i in np.flatnonzero((run[1:] == run[:-1]) & (params[1:] != params[:-1]) & ~np.isnan(params[1:]))[:1] + 1:
        swapped = "Are params and tokens swapped? If not, g" if np.ptp(tokens[run == run[i]]) == 0 else "G"
        raise InputError(
            f"run '{names[run[i]]}' changes its size from {params[i - 1]:.6g} to {params[i]:.6g} parameters",
            where=place.at(order[i], "params"),
            remedy=f"{swapped}ive each model a run name of its own; {ROWS}",
        )
    by = "flops" if np.isnan(tokens).all() else "tokens"
    at = flops if by == "flops" else tokens
    for i in np.flatnonzero((run[1:] == run[:-1]) & (at[1:] == at[:-1]))[:1] + 1:
        first, second = sorted((order[i - 1], order[i]))
        raise InputError(
            f"run '{names[run[i]]}' has two checkpoints at {at[i]:.6g} {'FLOPs' if by == 'flops' else by}",
            where=f"{place.at(first, by)} and {place.at(second, by).removeprefix(place.source + ', ')}",
            remedy=f"Keep one of them, or give a rerun a name of its own; {ROWS}",
        )
    for i in np.flatnonzero((run[1:] == run[:-1]) & (flops[1:] <= flops[:-1]))[:1] + 1:
        raise InputError(
            f"run '{names[run[i]]}' has {flops[i]:.4g} FLOPs here and {flops[i - 1]:.4g} at fewer tokens",
            where=place.at(order[i], "flops"),
            remedy=f"Give FLOPs from the start of training, as tokens are; {ROWS}",
        )


def finals(
    columns: Mapping[str, NDArray[Any]], run: NDArray[np.int64], order: NDArray[Any], names: Sequence[str], place: Place
) -> NDArray[np.bool_]:
    """Declared finals, at most one a run; or, with no such column, each run's last row."""
    if "final" not in columns:
        return np.append(run[1:] != run[:-1], True)
    final = np.asarray(columns["final"], bool)[order]
    for r in np.flatnonzero(np.bincount(run, weights=final) > 1)[:1]:
        second = np.flatnonzero(final & (run == r))[1]
        raise InputError(
            f"run '{names[r]}' has more than one final checkpoint",
            where=place.at(order[second], "final"),
            remedy="Mark its last, converged checkpoint only",
        )
    if not final.any():
        raise InputError(
            "no row is marked final",
            where=f"{place.source}, column 'final'",
            remedy="Mark each run's last, converged checkpoint, or leave the column out",
        )
    return final


def held_out(
    columns: Mapping[str, NDArray[Any]], run: NDArray[np.int64], order: NDArray[Any], names: Sequence[str], place: Place
) -> NDArray[np.bool_]:
    """``(run,)`` the runs whose rows are all marked."""
    held = np.zeros(len(names), bool)
    if "held_out" not in columns:
        return held
    by_row = np.asarray(columns["held_out"], bool)[order]
    held[run[by_row]] = True
    for i in np.flatnonzero(~by_row & held[run])[:1]:
        raise InputError(
            f"run '{names[run[i]]}' is held out in some rows only",
            where=place.at(order[i], "held_out"),
            remedy="Mark all rows of a run, or none",
        )
    return held
