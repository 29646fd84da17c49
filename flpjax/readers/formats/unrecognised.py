"""What is said of files that no format recognises: what they look like, and how they become a ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from flpjax.errors import InputError, some_of
from flpjax.readers.csv_file import refuse_others
from flpjax.readers.formats.files import files, head, header, load_json_or_none, table, value
from flpjax.readers.formats.names import meaning_of
from flpjax.readers.public import SOURCES, registry

TABLES = (".csv", ".parquet", ".pq", ".tsv", ".txt")
MOST_LISTED = 8
UNREAD = "\ufffd"  # where bytes are no text
SIZES = ("params", "tokens", "flops")
NAMED = '--column "loss/c4=THEIR NAME"'
CANONICAL = "run, params, tokens and loss/<domain> or score/<task>"


def unrecognised(path: Path, known: str) -> InputError:
    """The error for a source that no format recognises.

    Args:
        path: The source.
        known: The formats that there are, in words.
    """
    where = str(path)
    if public := _public(path):
        return InputError(
            f"this is a copy of the public data set '{public}', which is no export of one program",
            where=where,
            remedy=f"It is read by name: put its folder, called {public}, into one that FLPJAX_DATA names; ladders of "
            f"it: {', '.join(_ladders_of(public)) or 'none'}",
        )
    tables = files(path, TABLES)
    names = header(tables[0]) if tables else []
    if names and all(name.isprintable() and UNREAD not in name for name in names):
        return _table(tables[0], names)
    try:
        for each in tables[:1] or ([path] if path.is_file() else []):
            refuse_others(each)
            if each in tables or not each.stat().st_size:
                table(each)
    except InputError as error:
        return error
    except OSError as error:
        return InputError(f"can't be read ({error.strerror})", where=where, remedy="Name another source")
    if path.is_dir() and not any(path.iterdir()):
        return InputError("the folder is empty", where=where, remedy="Name the one that holds your files")
    content = load_json_or_none(path) if path.is_file() else None
    if isinstance(content, list) and content and isinstance(content[0], dict):
        return InputError(
            f"no key of its rows is a loss or a score by its name: {some_of(list(map(str, content[0])), MOST_LISTED)}",
            where=where,
            remedy=f"Say which is, with --format jsonl: {NAMED}, score/…, tokens, params; or rename keys: {CANONICAL}",
        )
    return InputError(
        "no format recognises this",
        where=where,
        remedy=f"Name one with --format ({known}), or write the table by hand: {CANONICAL}",
    )


def _table(path: Path, names: Sequence[str]) -> InputError:
    """The error for a table in which no column is a loss or a score by its name."""
    where = str(path)
    rows = [line.split(",") for line in head(path).splitlines()]
    first = [row[0].strip().strip('"') for row in rows[1:]]
    if names[0].startswith("|") or "|" in names[0]:
        return InputError("the header holds '|', as tables in Markdown do", where=where, remedy="Write it as CSV")
    filled = [name for name in names if name]
    if len(filled) == 1 and max(map(len, rows)) > 1:
        return InputError(
            f"the first line is '{filled[0]}', which looks like a title", where=where, remedy="Begin with the header"
        )
    sideways = [name for name in first if (m := meaning_of(name)) is not None and m.canonical in SIZES]
    if sideways:
        return InputError(
            f"the first column holds names of columns ({some_of(sideways, 3)}): the table lies on its side",
            where=where,
            remedy="Transpose it: one row a checkpoint, one column a quantity",
        )
    if all(not math.isnan(value(name)) for name in filled):
        return InputError("there is no header: the first line holds numbers", where=where, remedy="Name the columns")
    return InputError(
        f"no column is a loss or a score by its name: {some_of(filled, MOST_LISTED)}",
        where=where,
        remedy=f"Say which is: {NAMED}, score/…, tokens, params; or rename columns: {CANONICAL}",
    )


def _public(path: Path) -> str:
    """The public data set of which a source is a copy, or a file; empty for others."""
    if path.is_dir():
        path = next(iter(files(path, (".json", ".csv"))), path)
    text = path.absolute().as_posix()
    return next((name for name in SOURCES if any(text.endswith(f"/{each}") for each in registry(name))), "")


def _ladders_of(name: str) -> list[str]:
    from flpjax.readers.ladders import LADDERS  # it imports this package's readers of public data sets

    return [ladder for ladder, summary in LADDERS.items() if summary.data == name]
