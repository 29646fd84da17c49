"""Files that a command writes: those that can't or must not be are refused early, the others are written whole.

Nothing is replaced that flpjax did not make, unless told to: a result says in its first lines what made it.
"""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from flpjax.cli import ending
from flpjax.errors import InputError
from flpjax.version import __version__

STDOUT = Path("-")
MADE_BY = f"flpjax {__version__}"
JSON_MARK = re.compile(rb'\s*\{\s*"made_by": "flpjax ')
TABLE_MARKS = (b"approach,flops,params,", b"road,flops,params,")
"""How tables of results begin: nothing else in a CSV file could say what made it."""
REPORT_MARKS = (b"<!doctype html>\n<!-- flpjax ", b"<!-- flpjax ")
"""How pages and Markdown begin that :mod:`flpjax.cli.report` writes."""
PICTURES = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml", ".eps": b"%!PS", ".ps": b"%!PS", ".jpg": b"\xff\xd8"}
"""How pictures begin in which :func:`flpjax.cli.session.save_figure` notes what made them."""
PICTURE_MARK = b"flpjax "
ENDS = 1 << 16  # bytes at either end of a picture that are searched for the mark
KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)  # fmt: skip


class Written(Protocol):
    """A result that can be written."""

    def to_json(self) -> str:
        """As JSON text."""
        ...


def check_outputs(
    outputs: Mapping[str, Path | None],
    inputs: Iterable[str | Path | None] = (),
    force: bool = False,
    same: Mapping[str, str] | None = None,
) -> None:
    """Refuse files that can't be written, or hold something else.

    Args:
        outputs: Option → the file that it names, None if it was not given; ``-`` for stdout, of ``--json``.
        inputs: The table and the mapping.
        force: Replace files that flpjax did not make.
        same: Option → the content that its file will have, for files that bear no mark.

    Raises:
        InputError: A file is an input, another output, no regular file, not ours, or can't be written.
    """
    seen: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None or (path == STDOUT and option == "--json"):
            continue
        if path == STDOUT:
            raise InputError("only --json can be written to stdout", where=option, remedy="Name a file")
        where = f"{option} {path}"
        target, found = resolved(path, where)
        _check_folder(target.parent, where)
        for other, names in seen.items():
            if str(target) == other or (found is not None and _is_same(target, other)):
                raise InputError(f"{names} names the same file", where=where, remedy="Name another file")
        seen[str(target)] = option
        if found is None:
            continue
        if any(source is not None and _is_same(target, source) for source in inputs):
            raise InputError("this is an input of the command", where=where, remedy="Name another file")
        if not found.st_mode & 0o222:
            raise InputError("is write-protected", where=where, remedy="Name another file")
        if not force and not _ours(target, found.st_size, (same or {}).get(option)):
            raise InputError(
                "is there already, and flpjax did not make it",
                where=where,
                remedy="Name another file, or add --force to replace it",
            )


def resolved(path: Path, where: str) -> tuple[Path, os.stat_result | None]:
    """Where links lead to, and what is there: a regular file, or None for nothing yet.

    Raises:
        InputError: It is something else, or can't be looked at.
    """
    try:
        target = Path(os.path.realpath(path))
        found = target.stat()
    except FileNotFoundError:
        return target, None
    except (OSError, ValueError) as error:  # links in a circle, a name too long, a folder that may not be read
        raise _unwritable(where, error) from None
    for is_kind, kind in KINDS:
        if is_kind(found.st_mode):
            remedy = "Name a file" if kind == "a folder" else "Name a file; --json - writes to stdout"
            raise InputError(f"this is {kind}, no regular file", where=where, remedy=remedy)
    return target, found


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; through a link, the file that it leads to.

    Raises:
        InputError: The file can't be written.
    """
    data = content.encode() if isinstance(content, str) else content
    target, found = resolved(path, str(path))
    part = target.with_name(f".flpjax-{secrets.token_hex(8)}")
    with ending.writing:
        ending.unfinished.add(str(part))
    try:
        with part.open("xb") as file:
            file.write(data)
        if found is not None:
            part.chmod(stat.S_IMODE(found.st_mode))
        with ending.writing:
            part.replace(target)
            ending.written.append(str(path))
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _unwritable(str(path), error) from None
    finally:
        ending.unfinished.discard(str(part))


def marked(text: str) -> str:
    """JSON text of a result, with a first key that says what made it."""
    return f'{{\n  "made_by": "{MADE_BY}",{text.removeprefix("{")}\n'


def table_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of a result as CSV; None is an empty cell."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _check_folder(folder: Path, where: str) -> None:
    """Refuse a folder in which no file can be made, by making one without a name."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".flpjax-"):
            pass
    except OSError as error:
        raise _unwritable(where, error) from None


def _unwritable(where: str, error: OSError | ValueError) -> InputError:
    why = getattr(error, "strerror", None) or str(error) or "unknown reason"
    return InputError(f"can't be written ({why})", where=where, remedy="Name another file")


def _is_same(target: Path, other: str | Path) -> bool:
    """Whether both are one file, by whatever names and links."""
    try:
        return os.path.samefile(target, other)
    except (OSError, ValueError):
        return False


def _ours(path: Path, size: int, same: str | None) -> bool:
    """Whether a file is empty, bears the mark of what flpjax writes, or is what would be written."""
    if size == 0:
        return True
    try:
        with path.open("rb") as file:
            start = file.read(ENDS)
            if same is not None:
                return start + file.read() == same.encode()
            file.seek(max(0, size - ENDS))
            end = file.read(ENDS)
    except OSError:
        return False
    begins = PICTURES.get(path.suffix.lower().replace(".jpeg", ".jpg"))
    picture = begins is not None and start.startswith(begins) and PICTURE_MARK in start + end
    return picture or start.startswith((*TABLE_MARKS, *REPORT_MARKS)) or JSON_MARK.match(start) is not None
