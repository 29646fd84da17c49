"""A CSV file, a Parquet file or a data frame as named columns of cells, nothing interpreted yet."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flpjax.errors import InputError, nearest
from flpjax.runs.build import Place

SUFFIXES = (".csv", ".parquet", ".pq")


@dataclass(frozen=True)
class RawTable:
    """Cells by column, as text (CSV) or as Python objects (all others).

    Attributes:
        cells: Column name → ``(row,)`` cells.
        place: How to name a row in messages.
    """

    cells: dict[str, list[Any]]
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


def read_file(path: Path) -> RawTable:
    """Read a CSV or Parquet file.

    Raises:
        InputError: There is no such file, or it can't be read as a table.
    """
    if path.is_dir():
        raise InputError("this is a folder", where=str(path), remedy="Give one CSV or Parquet file in it")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"files of type '{path.suffix}' aren't supported", where=str(path), remedy="Give a .csv or .parquet file"
        )
    if not path.exists():
        raise missing_file(path, SUFFIXES)
    return read_csv(path) if path.suffix.lower() == ".csv" else read_parquet(path)


def missing_file(path: Path, suffixes: Sequence[str], others: Sequence[str] = ()) -> InputError:
    """The error for a file that is not there, with the nearest of its folder and of ``others``."""
    folder = path.parent
    there = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in suffixes) if folder.is_dir() else []
    guess = nearest(path.name, [*there, *others])
    if guess in there:
        guess = str(folder / guess)
    remedy = f"Did you mean '{guess}'?" if guess else f"Check the path; the current folder is {Path.cwd()}"
    if others and not guess:
        remedy += f". Ladders by name are: {', '.join(others)}"
    return InputError("there is no such file", where=str(path), remedy=remedy)


def read_csv(path: Path) -> RawTable:
    """Read a comma-separated file with one header line, every cell as text.

    Python's own parser, not a data frame's: those fill a short row with nulls and rename a repeated column, and here
    both are errors.

    Raises:
        InputError: The file is empty, ragged, no UTF-8 text, or has two columns of one name.
    """
    source = str(path)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in _csv_rows(csv.reader(file, strict=True), source):
                rows.append(row)
                lines.append(line)
    except UnicodeDecodeError as error:
        raise InputError(
            f"byte {error.start} is no UTF-8 text", where=source, remedy="Save the file as UTF-8, comma-separated"
        ) from error
    except OSError as error:
        raise InputError(f"the file can't be read: {error.strerror}", where=source) from error
    if not rows:
        raise InputError("the file is empty", where=source, remedy="It needs a header line and at least one row")
    header = [name.strip() for name in rows[0]]
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise InputError(
            "the header is one column that holds ';', '|' or tabs", where=source, remedy="Separate columns by commas"
        )
    for line, row in zip(lines[1:], rows[1:], strict=True):
        if len(row) != len(header):
            raise InputError(
                f"the row has {len(row)} cells, but the header has {len(header)} columns",
                where=f"{source}, row {line - 1} (line {line})",
                remedy="Check for a missing comma, or for a comma in a text that isn't in quotes",
            )
    refuse_repeated(header, source)
    by_column = zip(*rows[1:], strict=True) if len(rows) > 1 else ([] for _ in header)
    cells = {name: list(column) for name, column in zip(header, by_column, strict=True)}
    return RawTable(cells, Place(source, row=[line - 1 for line in lines[1:]], lines=True))


def _csv_rows(reader: Any, source: str) -> Iterator[tuple[int, list[str]]]:
    """Each non-empty row with the number of its last line."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"this is no valid CSV: {error}", where=f"{source}, line {reader.line_num}", remedy="Check the quotes"
            ) from error
        if any("\0" in cell for cell in row):
            raise InputError(
                "there is a NUL character, so this is no UTF-8 text",
                where=f"{source}, line {reader.line_num}",
                remedy="Save the file as UTF-8, comma-separated",
            )
        if row:
            yield reader.line_num, row


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet file.

    Raises:
        InputError: It is no Parquet file.
    """
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:  # a damaged file may panic
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"this is no readable Parquet file: {first_line}",
            where=str(path),
            remedy="Write it again, or give the table as CSV",
        ) from error
    return RawTable(frame.to_dict(as_series=False), Place(str(path)))


def from_frame(frame: Any, source: str = "table") -> RawTable:
    """Take a pandas, polars or Arrow table.

    Raises:
        InputError: ``frame`` is something else, not collected yet, or has two columns of one name.
    """
    import narwhals.stable.v2 as nw

    try:
        table = nw.from_native(frame, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        refuse_repeated([str(c) for c in getattr(frame, "column_names", getattr(frame, "columns", ()))], source)
        raise InputError("two columns have one name", where=source, remedy="Rename one of them") from error
    if isinstance(table, nw.LazyFrame):
        raise InputError("the frame is lazy", where=source, remedy="Call .collect() on it first")
    if not isinstance(table, nw.DataFrame):
        raise InputError(
            f"a table can't be made of an object of type {type(frame).__name__}",
            where=source,
            remedy="Give a path, the name of a ladder, or a pandas, polars or Arrow table",
        )
    columns: list[Any] = list(table.columns)  # pandas takes anything as a column's name
    refuse_repeated([str(c) for c in columns], source)
    return RawTable({str(c): table.get_column(c).to_list() for c in columns}, Place(source))


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
                where=f"{source}, column '{name}'",
                remedy="Rename or remove one of them",
            )
