"""Files of a source: found in a folder, read as JSON or as a table whatever separates its cells."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flpjax.errors import InputError
from flpjax.readers.cells import LARGEST, NUMBER
from flpjax.readers.csv_file import COMMA_NUMBER, POINT_GROUPS, SEPARATOR_LINE, read_csv, with_point
from flpjax.readers.frames import read_parquet
from flpjax.readers.raw import RawTable, missing_file

MOST_BYTES = 2**30  # of a JSON file; results of a thousand tasks take a hundredth
MOST_FILES = 100_000  # that a folder is searched for
LOOKED_AT = 20  # files of a folder that are opened to tell what it holds
HEAD = 2**16  # bytes of a file that tell what it is
SEPARATORS = (",", ";", "\t")
HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""A character above the first 65,536 is written in two halves; one alone is none."""


def require(path: Path) -> None:
    """Refuse a path at which nothing is, or no file and no folder.

    Raises:
        InputError: It is so.
    """
    try:
        there = path.exists()
        regular = path.is_file() or path.is_dir()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"can't be read ({why})", where=str(path), remedy="Name another source") from None
    if not there:
        raise missing_file(path, (path.suffix.lower(),))
    if not regular:
        raise InputError("this is no regular file but a pipe, a socket or a device", where=str(path), remedy="Copy it")


def files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """The file itself, or all of a folder with these endings, in the order of their names.

    Raises:
        InputError: The folder can't be read, or holds very many files.
    """
    if path.is_file():
        return [path] if path.suffix.lower() in suffixes else []
    found: list[Path] = []
    try:
        for seen, each in enumerate(path.rglob("*")):
            if seen > MOST_FILES:
                raise InputError(
                    f"there are more than {MOST_FILES:,} files", where=str(path), remedy="Name a folder further down"
                )
            if each.suffix.lower() in suffixes and each.is_file():
                found.append(each)
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", where=str(path), remedy="Name another folder") from None
    return sorted(found)


def load_json(path: Path) -> Any:
    """A JSON file's content; ``NaN`` and ``Infinity`` are taken as Python writes them.

    Raises:
        InputError: It can't be read, or is no JSON.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"the file has more than {MOST_BYTES:,} bytes", where=str(path), remedy="Is this it?")
        return parsed(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", where=str(path), remedy="Name another file") from None
    except RecursionError:
        raise InputError("brackets are nested too deeply", where=str(path), remedy="Is this the file?") from None
    except ValueError as error:  # of json, of decoding, of integers of thousands of digits
        raise InputError(
            f"this is no valid JSON: {error}", where=str(path), remedy="Write the file again, or leave it out"
        ) from None


def parsed(text: str) -> Any:
    """What JSON text says; halves of characters in it, which no file can hold, are replaced.

    Raises:
        ValueError: It is no JSON.
        RecursionError: Brackets are nested too deeply.
    """
    content = json.loads(text)
    return _mended(content) if HALF.search(text) else content


def _mended(content: Any) -> Any:
    if isinstance(content, str):
        return content.encode("utf-8", "replace").decode()
    if isinstance(content, dict):
        return {_mended(key): _mended(each) for key, each in content.items()}
    return [_mended(each) for each in content] if isinstance(content, list) else content


def load_json_or_none(path: Path) -> Any:
    """The same, or None of what can't be read: to tell what a folder holds."""
    try:
        return load_json(path)
    except InputError:
        return None


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Number and content of each line of a JSON Lines file that is not blank.

    Raises:
        InputError: It can't be read, or a line is no JSON.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, parsed(line)
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", where=str(path), remedy="Name another file") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"this is no valid JSON Lines file: {error}", where=str(path), remedy="Write it again"
        ) from None


def value(cell: Any) -> float:
    """A number of JSON; NaN of anything else, such as the ``"N/A"`` of a standard error that nobody computed."""
    if isinstance(cell, str):
        text = cell.strip()
        return float(text) if len(text) < HEAD and NUMBER.fullmatch(text) else math.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return math.nan
    try:
        number = float(cell)
    except OverflowError:
        return math.nan
    return number if abs(number) < LARGEST else math.nan


def texts(cell: Any) -> str:
    """A text of JSON, stripped; empty of anything else."""
    return cell.strip() if isinstance(cell, str) else ""


def table(path: Path) -> RawTable:
    """A Parquet file, or a text file whose cells are separated by commas, semicolons or tabs.

    Raises:
        InputError: It can't be read as a table.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        return read_parquet(path)
    separator = separator_of(path)
    raw = read_csv(path, separator)
    raw = RawTable({_one_line(name): cells for name, cells in raw.cells.items()}, raw.place)
    if separator == ",":
        return raw
    every = [cell.strip() for cells in raw.cells.values() for cell in cells if "," in cell or "." in cell]
    if not any(map(COMMA_NUMBER.fullmatch, every)):
        return raw
    if all(map(POINT_GROUPS.fullmatch, (cell for cell in every if "." in cell and NUMBER.fullmatch(cell)))):
        raw = RawTable({name: [_ungrouped(cell) for cell in cells] for name, cells in raw.cells.items()}, raw.place)
    return RawTable({name: [with_point(cell) for cell in cells] for name, cells in raw.cells.items()}, raw.place)


def _one_line(name: str) -> str:
    """A heading that Excel broke into lines, as one."""
    return " ".join(name.split()) if "\n" in name or "\r" in name else name.strip()


def _ungrouped(cell: str) -> str:
    """``20.000.000`` → ``20000000``, of a table in which no point is decimal."""
    return cell.replace(".", "") if POINT_GROUPS.fullmatch(cell.strip()) else cell


def header(path: Path) -> list[str]:
    """Names of a table's columns; none if it is no table."""
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return list(read_parquet(path).cells)
        lines = head(path).splitlines(keepends=True)
        lines = lines[1:] if lines and SEPARATOR_LINE.fullmatch(lines[0].strip()) else lines
        return [_one_line(name) for name in next(csv.reader(lines, delimiter=separator_of(path)), [])]
    except csv.Error:
        return []
    except InputError:
        return []


def head(path: Path, size: int = HEAD) -> str:
    """The beginning of a text file; empty if it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(size).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def separator_of(path: Path) -> str:
    """What separates cells: what a first line as Excel's says, or of the three in use the most common in it."""
    first = (head(path).splitlines() or [""])[0]
    said = SEPARATOR_LINE.fullmatch(first.strip())
    return said[1] if said and said[1] in SEPARATORS else max(SEPARATORS, key=first.count)
