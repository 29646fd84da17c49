"""A table as named columns of cells, nothing interpreted yet; and files that are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flpjax.errors import InputError, nearest, short
from flpjax.ladder.build import Place

SUFFIXES = (".csv", ".parquet", ".pq")


@dataclass(frozen=True)
class RawTable:
    """Cells by column, as text (CSV) or as Python objects (all others).

    Attributes:
        cells: Column name → ``(row,)`` cells; of a file that is no text, converted when they are looked up.
        place: How to name a row in messages.
    """

    cells: Mapping[str, Sequence[Any]]
    place: Place


@dataclass(frozen=True)
class FilesPlace(Place):
    """Names a row of a table that was put together from several files."""

    files: Sequence[str] = ()  # (row,)

    def at(self, i: int, column: str) -> str:
        """``file, row 7 (line 8), column 'tokens'`` for the i-th value of the whole table."""
        if self.row is None:
            return f"{self.files[i]}, column '{column}'"
        return Place(self.files[i], row=[self.row[i]], lines=self.lines).at(0, column)


def refuse_irregular(path: Path, wanted: str) -> None:
    """Refuse what is there and is no file: a folder, or a pipe or a device, which might never end.

    Raises:
        InputError: It is one.
    """
    if path.is_dir():
        raise InputError("this is a folder", where=str(path), remedy=f"Give one {wanted} in it")
    if path.exists() and not path.is_file():
        raise InputError(
            "this is no regular file but a pipe, a socket or a device",
            where=str(path),
            remedy="Write its content to a file, and name that",
        )


def missing_file(path: Path, suffixes: Sequence[str], others: Sequence[str] = ()) -> InputError:
    """The error for a file that is not there, with the nearest of its folder and of ``others``."""
    if path.is_symlink():
        return InputError(
            "this is a link to a file that is not there", where=str(path), remedy="Mend it, or copy the file"
        )
    folder = path.parent
    try:
        there = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in suffixes and p != path)
    except (OSError, ValueError):  # no folder, one that may not be read, a name that can't be
        there = []
    guess = nearest(path.name, [*there, *others])
    if guess in there:
        guess = str(folder / guess)
    remedy = f"Did you mean '{guess}'?" if guess else f"Check the path; the current folder is {Path.cwd()}"
    if others and not guess:
        remedy += f". Ladders by name are: {', '.join(others)}"
    return InputError("there is no such file", where=str(path), remedy=remedy)


def refuse_repeated(header: Sequence[str], source: str) -> None:
    """Refuse two columns of one name; columns without a name are nobody's.

    Raises:
        InputError: A name stands twice.
    """
    for name, count in Counter(name for name in header if name).items():
        if count > 1:
            at = [i + 1 for i, other in enumerate(header) if other == name]
            raise InputError(
                f"columns {at[0]} and {at[1]} have the same name",
                where=f"{source}, column '{short(name)}'",
                remedy="Rename or remove one of them",
            )
