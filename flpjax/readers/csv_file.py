"""A comma-separated file as named columns of cells."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from flpjax.errors import InputError, short
from flpjax.ladder.build import Place
from flpjax.readers.raw import RawTable, refuse_repeated

LONGEST_LINE = 2**26
"""Characters of a line: a file without line ends would be read into memory whole, and then a second time as cells."""
AS_TEXT, UNPACKED = "Save it as UTF-8 text, comma-separated", "Unpack it, and name what was in it"
OTHERS = {
    b"\xff\xfe": ("UTF-16 text", AS_TEXT),
    b"\xfe\xff": ("UTF-16 text", AS_TEXT),
    b"\x1f\x8b": ("a gzip file", UNPACKED),
    b"BZh": ("a bzip2 file", UNPACKED),
    b"\xfd7zX": ("an xz file", UNPACKED),
    b"\x28\xb5\x2f\xfd": ("a Zstandard file", UNPACKED),
    b"PK\x03\x04": ("a zip or Excel file", "Unpack it, or save the sheet that holds the runs as CSV"),
    b"\xd0\xcf\x11\xe0": ("an Excel file", "Save the sheet that holds the runs as CSV"),
    b"PAR1": ("a Parquet file", "Let its name end in .parquet"),
}
"""What files begin with that are often named .csv: what they are, and what to do."""
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".xlsx", ".xls")
SEPARATORS = {",": "commas", ";": "';'", "\t": "tabs", "|": "'|'"}
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""What Excel writes and reads above a header to say what separates cells."""
COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?\s*%?", re.ASCII | re.IGNORECASE)
POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?", re.ASCII)
"""Thousands as they are written where commas are decimal."""


def read_csv(path: Path, separator: str = ",", decimal: str = ".") -> RawTable:
    """Read a comma-separated file with one header line, every cell as text; blank lines are skipped.

    Python's own parser, not a data frame's: those fill a short row with nulls and rename a repeated column, and here
    both are errors.

    Args:
        path: The file.
        separator: What separates cells.
        decimal: The decimal point: numbers are handed on with a point.

    Raises:
        InputError: The file is empty, ragged, no UTF-8 text, or has two columns of one name.
    """
    source = str(path)
    try:
        refuse_others(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            simple = _simple_rows(file, separator)
            file.seek(0)
            lines, rows = simple or _numbered_rows(file, separator, source)
            if rows and SEPARATOR_LINE.fullmatch(separator.join(rows[0]).strip()):
                file.seek(0)
                lines, rows = _numbered_rows(file, separator, source)
                simple, lines, rows = None, lines[1:], rows[1:]
    except UnicodeDecodeError:
        raise _no_text(path) from None
    except OSError as error:
        raise InputError(f"the file can't be read: {error.strerror}", where=source) from error
    if not rows:
        raise InputError("the file is empty", where=source, remedy="It needs a header line and at least one row")
    header = [name.strip() for name in rows[0]]
    other = max((mark for mark in SEPARATORS if mark != separator), key=header[0].count)
    if len(header) == 1 and other in header[0]:
        raise InputError(
            f"the header is one column that holds {SEPARATORS[other]}",
            where=source,
            remedy=f"Separate by commas, or write separator = {json.dumps(other)} under [table] in a mapping file",
        )
    for line, row in zip(lines[:1], rows[:1], strict=True) if simple else zip(lines, rows, strict=True):
        if row[0].lstrip().startswith("#") and (row is rows[0] or len(row) != len(header)):
            raise InputError(
                f"this looks like a comment, {short(','.join(row))!r}",
                where=f"{source}, line {line}",
                remedy="Remove it: a table begins with the line of its columns' names, and has no comments",
            )
        if len(row) != len(header):
            raise _ragged(row, header, f"{source}, row {line - 1} (line {line})")
    refuse_repeated(header, source)
    by_column = zip(*rows[1:], strict=True) if len(rows) > 1 else ([] for _ in header)
    cells = {name: list(column) for name, column in zip(header, by_column, strict=True)}
    if decimal == ",":
        cells = {name: [with_point(cell) for cell in column] for name, column in cells.items()}
    return RawTable(cells, Place(source, row=range(1, len(rows)) if simple else [n - 1 for n in lines[1:]], lines=True))


def with_point(cell: str) -> str:
    """A number with a decimal point in place of its decimal comma; any other cell as it is."""
    return cell.replace(",", ".") if COMMA_NUMBER.fullmatch(cell.strip()) else cell


Rows = tuple[Sequence[int], list[list[str]]]
"""The number of each row's last line, and the rows."""


def _simple_rows(file: TextIO, separator: str) -> Rows | None:
    """The rows of a file in which each line is a row as long as the header, so that none is looked at by itself.

    None of any other file.
    """
    text = file.read(LONGEST_LINE)
    if len(text) == LONGEST_LINE or "\0" in text:
        return None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = list(reader)
    except csv.Error:
        return None
    if reader.line_num != len(rows) or len(set(map(len, rows))) != 1 or not all(row and row[0].strip() for row in rows):
        return None
    return range(1, len(rows) + 1), rows


def _numbered_rows(file: TextIO, separator: str, source: str) -> Rows:
    """The rows of any file, line by line: what is wrong is said with its line."""
    numbered = list(_csv_rows(csv.reader(_lines(file, source), delimiter=separator, strict=True), source))
    return [line for line, _ in numbered], [row for _, row in numbered]


def _lines(file: TextIO, source: str) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise InputError(
                f"the line has more than {LONGEST_LINE:,} characters",
                where=f"{source}, line {number}",
                remedy="Check that this is a table: one row a line, cells separated by commas",
            )
        if "\0" in line:
            raise InputError(
                "there is a NUL character, so this is no UTF-8 text",
                where=f"{source}, line {number}",
                remedy="Save the file as UTF-8, comma-separated",
            )
        yield line


def read_text(path: Path) -> str:
    """All of a text file.

    Raises:
        InputError: It can't be read, or is no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _no_text(path) from None
    except OSError as error:
        raise InputError(f"the file can't be read: {error.strerror}", where=str(path)) from error


def _csv_rows(reader: Any, source: str) -> Iterator[tuple[int, list[str]]]:
    """Each row in which something stands, with the number of its last line."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            large = "field larger" in str(error)
            what = f"a cell has more than {csv.field_size_limit():,} characters" if large else str(error)
            raise InputError(
                f"this is no valid CSV: {what}", where=f"{source}, line {reader.line_num}", remedy="Check the quotes"
            ) from error
        if row and (row[0].strip() or any(cell.strip() for cell in row)):
            yield reader.line_num, row


def _ragged(row: Sequence[str], header: Sequence[str], where: str) -> InputError:
    """The error for a row of another length than the header's."""
    remedy = "Check for a missing comma, or for a comma in a text that isn't in quotes"
    if len(row) == len(header) + 1 and not row[-1].strip():
        remedy = "Remove the comma at the end of the row, or end the header with one as well"
    return InputError(
        f"the row has {len(row)} cells, but the header has {len(header)} columns", where=where, remedy=remedy
    )


def refuse_others(path: Path) -> None:
    """Refuse a file that begins as files of another kind do.

    Raises:
        InputError: It does.
        OSError: It can't be read.
    """
    with path.open("rb") as file:
        begins = file.read(4)
    for mark, (kind, remedy) in OTHERS.items():
        if begins.startswith(mark):
            raise InputError(f"this is {kind}", where=str(path), remedy=remedy)


def _no_text(path: Path) -> InputError:
    """The error for bytes that are no UTF-8, with their place in the whole file."""
    data = path.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what, where = f"byte {error.start} is no UTF-8 text", f"{path}, line {line}"
    else:  # changed since
        what, where = "this is no UTF-8 text", str(path)
    return InputError(what, where=where, remedy="Save the file as UTF-8")
