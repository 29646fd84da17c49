"""JSON Lines: one object a run with its configuration and summary, as W&B backfills write it; or one a logged step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flpjax.errors import InputError
from flpjax.readers.formats.files import LOOKED_AT, files, head, json_lines, texts
from flpjax.readers.formats.names import meaning_of
from flpjax.readers.formats.records import Choices, Format, Records
from flpjax.readers.formats.rows import RunRows, flat, records_of_rows
from flpjax.readers.formats.wandb_tables import AGAIN, FINISHED, RUN_IDS, RUN_NAMES, STATES, run_of_file

SUFFIXES = (".jsonl", ".ndjson")
WHOLE = ("summary", "config", "summary_metrics", "summaryMetrics")


def recognises(path: Path) -> bool:
    """Whether the first line of a file, or of one of the first of a folder, is of a run or of a step."""
    for each in files(path, SUFFIXES)[:LOOKED_AT]:
        lines = [line for line in head(each).splitlines() if line.strip()]
        try:
            first = json.loads(lines[0]) if lines else None
        except (ValueError, RecursionError):
            continue
        if isinstance(first, dict) and (_summary(first) is not None or any(meaning_of(str(name)) for name in first)):
            return True
    return False


def read(path: Path, choices: Choices) -> Records:
    """Read all files at a path.

    Raises:
        InputError: A line is no JSON object, or a column was chosen that is not there.
    """
    runs: dict[str, RunRows] = {}
    for each in files(path, SUFFIXES):
        for number, content in json_lines(each):
            place = f"{each}, line {number}"
            if not isinstance(content, dict):
                raise InputError("the line is no JSON object", where=place, remedy="Give one a run, or one a step")
            summary = _summary(content)
            metrics = flat(content) if summary is None else summary
            name = _name(content, metrics) or (run_of_file(each) if summary is None else f"line {number}")
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


JSON_LINES = Format("jsonl", "JSON Lines of W&B runs (config and summary), or of steps", recognises, read)
