"""One results file of lm-evaluation-harness, 0.3 to 0.4: which model, and each task's metrics, facts and questions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flpjax.readers.formats.files import load_json, texts, value

STDERR, NO_FILTER = "_stderr", ",none"
CHANCE_ZERO = ("generate_until", "greedy_until", "loglikelihood")
"""Kinds of tasks at which guessing scores nothing: free text, and the last word of a text."""
LIST = re.compile(r"\{\{\s*\[(.*)\]\s*\}\}", re.DOTALL)
ITEM = re.compile(r"""\s*(?:'[^']*'|"[^"]*"|[\w.\[\]()]+)\s*""")
INDENT = re.compile(r"[\s-]*")
STAMP = re.compile(r"results_(\d{4}-\d\d-\d\dT\d\d[-:]\d\d[-:]\d\d(?:\.\d+)?)")


@dataclass(frozen=True)
class Evaluation:
    """One task, or group of tasks, of one file.

    Attributes:
        metrics: ``metric,filter``, or ``metric`` alone of the filter ``none`` and before 0.4 → value and standard
            error, NaN where there is none.
        better: Metric → whether higher is better, where the file says so.
        shots: Examples shown; None if the file doesn't say.
        questions: How many were asked; None if the file doesn't say.
        chance: What guessing scores, by the file's own account of the task; None if that can't be told.
        version: Of the task's definition.
    """

    metrics: Mapping[str, tuple[float, float]]
    better: Mapping[str, bool]
    shots: int | None
    questions: int | None
    chance: float | None
    version: str


@dataclass(frozen=True)
class ResultsFile:
    """One file.

    Attributes:
        path: The file.
        model: Whose results these are.
        date: What orders files of one model: seconds, the time in the file's name, and the name.
        tasks: Name → results, groups among them.
        groups: Group → its tasks and groups.
        limit: The number of questions, or the share, that tasks were cut to; None for all.
    """

    path: Path
    model: str
    date: tuple[float, str, str]
    tasks: Mapping[str, Evaluation]
    groups: Mapping[str, tuple[str, ...]]
    limit: float | None


def is_results(content: Any) -> bool:
    """Whether JSON is a results file."""
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        return False
    told = [key for key in ("versions", "configs", "config", "n-shot", "lm_eval_version") if key in content]
    return bool(told) and all(isinstance(each, dict) for each in content["results"].values())


def results_file(path: Path, content: Any = None) -> ResultsFile | None:
    """Read a file; None if it holds something else.

    Raises:
        InputError: It can't be read, or is no JSON.
    """
    content = load_json(path) if content is None else content
    if not is_results(content):
        return None
    config = _dict(content, "config")
    groups = (
        _groups_by_alias(content)
        if "group_subtasks" not in content
        else {
            group: tuple(t for t in subtasks if isinstance(t, str) and t != group)
            for group, subtasks in _dict(content, "group_subtasks").items()
            if isinstance(subtasks, list) and subtasks
        }
    )
    limit = value(config.get("limit"))
    stamp = STAMP.search(path.name)
    date = value(content.get("date"))
    return ResultsFile(
        path=path,
        model=model_of(content, config, path),
        date=(0.0 if math.isnan(date) else date, stamp[1] if stamp else "", str(path)),
        tasks={name: _evaluation(name, content, config) for name in content["results"]},
        groups=groups,
        limit=None if math.isnan(limit) else limit,
    )


def _groups_by_alias(content: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Group → its tasks and groups, in early files: below each group of ``groups`` they stand indented."""
    known = _dict(content, "groups")
    groups: dict[str, tuple[str, ...]] = {}
    above: list[tuple[int, str]] = []  # indentation and name of the groups that a task stands in
    for name, cells in content["results"].items():
        alias = cells.get("alias")
        indent = len(INDENT.match(alias)[0]) if isinstance(alias, str) else 0  # type: ignore[index]
        while above and above[-1][0] >= indent:
            above.pop()
        if above:
            groups[above[-1][1]] = (*groups.get(above[-1][1], ()), name)
        if name in known:
            above.append((indent, name))
    return groups


def model_of(content: dict[str, Any], config: dict[str, Any], path: Path) -> str:
    """The model by its repository or path, and its revision after ``@``; otherwise by its folder, or its file."""
    arguments = config.get("model_args")
    if isinstance(arguments, str):
        pairs = (piece.split("=", 1) for piece in arguments.split(",") if "=" in piece)
        arguments = {key.strip(): text.strip() for key, text in pairs}
    arguments = arguments if isinstance(arguments, dict) else {}
    name = next((texts(arguments.get(key)) for key in ("pretrained", "model", "path") if arguments.get(key)), "")
    adapter = texts(arguments.get("peft"))
    name = "+".join(filter(None, (name, adapter))) or texts(content.get("model_name"))
    if not name:
        named = path.name.startswith("results") and path.parent.name
        name = path.parent.name if named else path.stem
    revision = texts(arguments.get("revision"))
    return f"{name}@{revision}" if revision and revision != "main" else name


def _evaluation(name: str, content: dict[str, Any], config: dict[str, Any]) -> Evaluation:
    metrics = {}
    cells = content["results"][name]
    for key, cell in cells.items():
        metric, comma, kind = key.rpartition(",") if "," in key else (key, "", "")
        if metric.endswith(STDERR) or isinstance(cell, dict) or math.isnan(value(cell)):
            continue
        if not comma and key in ("alias", "name", "sample_len", "samples", "sample_count"):
            continue
        metrics[key.removesuffix(NO_FILTER)] = (value(cell), value(cells.get(f"{metric}{STDERR}{comma}{kind}")))
    own = _dict(_dict(content, "configs"), name)
    higher = _dict(_dict(content, "higher_is_better"), name)
    listed = own.get("metric_list") if isinstance(own.get("metric_list"), list) else []
    better = {
        m["metric"]: m["higher_is_better"]
        for m in listed or ()
        if isinstance(m, dict) and isinstance(m.get("metric"), str) and isinstance(m.get("higher_is_better"), bool)
    } | {key: told for key, told in higher.items() if isinstance(told, bool)}
    shots = value(_dict(content, "n-shot").get(name, own.get("num_fewshot", config.get("num_fewshot"))))
    questions = value(_dict(_dict(content, "n-samples"), name).get("effective", cells.get("sample_len")))
    return Evaluation(
        metrics,
        better,
        None if math.isnan(shots) else int(shots),
        int(questions) if questions >= 1 else None,
        _chance(own),
        str(_dict(content, "versions").get(name, "")),
    )


def _chance(config: dict[str, Any]) -> float | None:
    """Of as many choices as the task's configuration lists; 0 of free text; None if they are only in the data."""
    kind, choices = config.get("output_type"), config.get("doc_to_choice")
    if kind in CHANCE_ZERO:
        return 0.0
    number = len(choices) if isinstance(choices, list) else 0
    if isinstance(choices, str) and (found := LIST.fullmatch(choices.strip())):
        items = found[1].split(",")
        number = len(items) if all(ITEM.fullmatch(item) for item in items) else 0
    return 1.0 / number if kind == "multiple_choice" and number > 1 else None


def _dict(content: dict[str, Any], key: str) -> dict[str, Any]:
    """The dictionary under a key; an empty one if there is something else."""
    found = content.get(key)
    return found if isinstance(found, dict) else {}
