"""Offline run files of Weights & Biases, read with the messages of its own client (extra ``wandb``), nothing sent."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flpjax.errors import InputError, count, some_of
from flpjax.readers.formats.files import HEAD, files, parsed
from flpjax.readers.formats.records import Choices, Format, Records
from flpjax.readers.formats.rows import RunRows, flat, records_of_rows

SUFFIXES = (".wandb",)
MARK = b":W&B"
HEADER = 7  # bytes: the mark, a magic number and a version
BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
"""A log of LevelDB: blocks of records, each with a checksum, its length and which part of a message it is."""
MOST_LISTED = 6


def recognises(path: Path) -> bool:
    """Whether a file, or one of a folder, is a run's log."""
    return any(_begins(each) for each in files(path, SUFFIXES)[:HEAD])


def read(path: Path, choices: Choices) -> Records:
    """Read all run files at a path; files of one run id are one run, in the order of their folders.

    Raises:
        InputError: The client is not installed, or no file is a run's log.
    """
    messages = _client()
    runs: dict[str, RunRows] = {}
    cut: list[str] = []
    begun: list[str] = []
    for each in (f for f in files(path, SUFFIXES) if _begins(f)):
        identity, name, rows, constants, code, whole = _run(each, messages)
        if not whole:
            cut.append(each.name)
        elif not rows and not constants:
            begun.append(each.name)
            continue
        there = runs.get(identity)
        ended = code == 0 if code is not None else False
        places = [f"{each}, step {i}" for i in range(len(rows))]
        runs[identity] = RunRows(
            name,
            [*(there.rows if there else ()), *rows],
            [*(there.places if there else ()), *places],
            ended,
            {**(there.constants if there else {}), **constants},
        )
    doubts = (
        [f"{some_of(cut, MOST_LISTED)} end in the middle of a record: what stands before it is read"] if cut else []
    )
    notes = [f"{count(len(runs), 'run')} read from offline files"]
    notes += [f"{some_of(begun, MOST_LISTED)}: begun, and nothing written"] if begun else []
    return records_of_rows(_named_apart(runs), str(path), choices, notes, doubts)


def log_messages(data: bytes) -> Iterator[bytes | None]:
    """The messages of a log; last None, if it ends in the middle of one or a checksum is wrong.

    Args:
        data: The file's content.
    """
    at, parts = HEADER, b""
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, at)
        if kind == 0 and length == 0:  # the rest of a block that was not filled
            at += left
            continue
        piece = data[at + HEADER : at + HEADER + length]
        wrong = zlib.crc32(piece, zlib.crc32(bytes([kind]))) & 0xFFFFFFFF != checksum
        if len(piece) < length or wrong or kind not in (FULL, FIRST, MIDDLE, LAST):
            yield None
            return
        at += HEADER + length
        parts = piece if kind in (FULL, FIRST) else parts + piece
        if kind in (FULL, LAST):
            yield parts
    if at < len(data):
        yield None


def _run(path: Path, messages: Any) -> tuple[str, str, list[dict[str, Any]], dict[str, Any], int | None, bool]:
    """Id, name, logged rows, configuration and exit code of one file, and whether it was whole."""
    identity, name = path.stem, ""
    rows: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    code: int | None = None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", where=str(path), remedy="Name another file") from None
    whole = True
    for message in log_messages(data):
        record = messages.Record()
        try:
            if message is None:
                raise ValueError("cut off")
            record.ParseFromString(message)
        except Exception:  # protobuf's own, of several kinds
            whole = False
            break
        kind = record.WhichOneof("record_type")
        if kind == "run":
            identity, name = record.run.run_id or identity, record.run.display_name or name
            config |= _items(record.run.config.update)
        elif kind == "config":
            config |= _items(record.config.update)
        elif kind == "history":
            rows.append({"_step": record.history.step.num, **_items(record.history.item)})
        elif kind == "exit":
            code = record.exit.exit_code
    return identity, name or identity, rows, config, code, whole


def _items(items: Any) -> dict[str, Any]:
    """Keys and values of a message, values from JSON."""
    found: dict[str, Any] = {}
    for item in items:
        try:
            found |= flat(parsed(item.value_json), "/".join(item.nested_key) or item.key)
        except (ValueError, RecursionError):
            continue
    return found


def _named_apart(runs: dict[str, RunRows]) -> list[RunRows]:
    """Runs whose names others have too, with their ids behind."""
    names = [run.run for run in runs.values()]
    return [
        RunRows(
            f"{run.run} ({identity})" if names.count(run.run) > 1 else run.run,
            run.rows,
            run.places,
            run.ended,
            run.constants,
        )
        for identity, run in runs.items()
    ]


def _begins(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MARK)) == MARK
    except OSError:
        return False


def _client() -> Any:
    """The client's own messages.

    Raises:
        InputError: It is not installed.
    """
    try:
        from wandb.proto import wandb_internal_pb2
    except ImportError:
        raise InputError(
            "offline run files are read with the W&B client, which is not installed",
            remedy="pip install 'flpjax[wandb]', or export the runs' histories as CSV",
        ) from None
    return wandb_internal_pb2


OFFLINE = Format("wandb-offline", "offline run files (.wandb); needs the extra wandb", recognises, read)
