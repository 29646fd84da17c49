"""JSON Lines or a JSON list: an object a run with configuration and summary, as W&B backfills write it, or a step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flpjax.errors import InputError
from flpjax.readers.formats.files import LOOKED_AT, files, head, json_lines, load_json, load_json_or_none, texts
from flpjax.readers.formats.names import meaning_of
from flpjax.readers.formats.records import Choices, Format, Records
from flpjax.readers.formats.rows import RunRows, flat, records_of_rows
from flpjax.readers.formats.wandb_tables import AGAIN, FINISHED, RUN_IDS, RUN_NAMES, STATES, run_of_file

SUFFIXES = (".jsonl", ".ndjson")
LIST = ".json"  # of a file alone: what a folder holds is more often something else
WHOLE = ("summary", "config", "summary_metrics", "summaryMetrics")


def recognises(path: Path) -> bool:
    """Whether the first object of a file, or of one of the first of a folder, is of a run or of a step."""
    if path.suffix.lower() == LIST:
        begins = head(path).lstrip("\ufeff \t\r\n").startswith("[")
        content = load_json_or_none(path) if begins and path.is_file() else None
        return isinstance(content, list) and _is_row(content[0] if content else None)
    for each in files(path, SUFFIXES)[:LOOKED_AT]:
        lines = [line for line in head(each).splitlines() if line.strip()]
        try:
            first = json.loads(lines[0]) if lines else None
        except (ValueError, RecursionError):
            continue
        if _is_row(first):
            return True
    return False


def _is_row(first: Any) -> bool:
    """Whether an object is of a run or of a step."""
    return isinstance(first, dict) and (_summary(first) is not None or any(meaning_of(str(name)) for name in first))


def read(path: Path, choices: Choices) -> Records:
    """Read all files at a path.

    Raises:
        InputError: A line is no JSON object, or a column was chosen that is not there.
    """
    runs: dict[str, RunRows] = {}
    for each in files(path, (*SUFFIXES, LIST) if path.is_file() else SUFFIXES):
        word = "row" if each.suffix.lower() == LIST else "line"
        for number, content in _objects(each):
            place = f"{each}, {word} {number}"
            if not isinstance(content, dict):
                raise InputError(f"the {word} is no JSON object", where=place, remedy="Give one a run, or one a step")
            summary = _summary(content)
            metrics = flat(content) if summary is None else summary
            name = _name(content, metrics) or (run_of_file(each) if summary is None else f"{word} {number}")
            state = next((texts(content[key]).lower() for key in STATES if texts(content.get(key))), "")
            ended = None if not state else state in FINISHED
            run = runs.setdefault(name, RunRows(name, [], [], ended))
            constants = {} if summary is None else _config(content)
            runs[name] = RunRows(
                name,
                [*run.rows, {**constants, **metrics}] if summary is not None else _added(run.rows, metrics),
                [*run.places, place] if summary is not None else _added(run.places, place),
                ended if ended is not None else run.ended,
            )
    return records_of_rows(list(runs.values()), str(path), choices)


def _objects(path: Path) -> Iterable[tuple[int, Any]]:
    """Number and content of each line, or of each row of a list.

    Raises:
        InputError: The file can't be read, or is neither.
    """
    if path.suffix.lower() != LIST:
        return json_lines(path)
    content = load_json(path)
    if not isinstance(content, list):
        raise InputError("this is no list of rows", where=str(path), remedy="Give an object a run, or one a step")
    return enumerate(content, 1)


def _added(values: Any, one: Any) -> list[Any]:
    """A list with one more, in place: histories are long."""
    assert isinstance(values, list)
    values.append(one)
    return values


def _summary(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a run's object says it came to; None of the object of a step."""
    if not any(isinstance(content.get(key), dict) for key in WHOLE):
        return None
    for key in ("summary", "summary_metrics", "summaryMetrics"):
        if isinstance(content.get(key), dict):
            return flat(content[key])
    return {}


def _config(content: Mapping[str, Any]) -> dict[str, Any]:
    return flat(content["config"]) if isinstance(content.get("config"), dict) else {}


def _name(content: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """What a run is called; taken up again, it is the same."""
    for key in (*RUN_NAMES, *RUN_IDS):
        for where in (content, metrics):
            text = texts(where.get(key))
            if text:
                return (AGAIN.sub("", text) or text)[:200]
    config = content.get("config")
    name = texts(config.get("name") or config.get("run_name")) if isinstance(config, dict) else ""
    return name[:200]


JSON_LINES = Format("jsonl", "JSON Lines or a list: W&B runs (config and summary), or steps", recognises, read)
