"""Read one results file of lm-evaluation-harness, 0.3 to 0.4: its model, and the metrics and questions of each task."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flpjax.readers.formats.files import load_json, texts, value

STDERR_SUFFIX, NO_FILTER_SUFFIX = "_stderr", ",none"
FREE_TEXT_TYPES = ("generate_until", "greedy_until", "loglikelihood")
"""The harness's output types for free text, and for the last word of a text: guessing scores 0."""
JINJA_LIST = re.compile(r"\{\{\s*\[(.*)\]\s*\}\}", re.DOTALL)
LIST_ITEM = re.compile(r"""\s*(?:'[^']*'|"[^"]*"|[\w.\[\]()]+)\s*""")
INDENT = re.compile(r"[\s-]*")
TIMESTAMP = re.compile(r"results_(\d{4}-\d\d-\d\dT\d\d[-:]\d\d[-:]\d\d(?:\.\d+)?)")


@dataclass(frozen=True)
class Evaluation:
    """The results of one task, or group of tasks, in one file.

    Attributes:
        metrics: Name → value and standard error, NaN where there is none. The name is ``metric,filter``; without the
            filter if it is ``none``, and in files before 0.4.
        better: Metric → whether higher is better; only for metrics of which the file says so.
        shots: Number of examples in the prompt; None if the file doesn't give it.
        questions: Number of questions evaluated; None if the file doesn't give it.
        chance: Expected score of guessing, from the task's configuration in the file; None if it doesn't follow.
        version: Version of the task's definition.
    """

    metrics: Mapping[str, tuple[float, float]]
    better: Mapping[str, bool]
    shots: int | None
    questions: int | None
    chance: float | None
    version: str


@dataclass(frozen=True)
class ResultsFile:
    """The content of one results file.

    Attributes:
        path: The file.
        model: Name of the evaluated model.
        date: Sort key of a model's files: seconds since 1970, the time in the file's name, the path.
        tasks: Name of a task or group → its results.
        groups: Group → names of the tasks and groups in it.
        limit: ``--limit`` of the evaluation: number, or share, of each task's questions; None for all.
    """

    path: Path
    model: str
    date: tuple[float, str, str]
    tasks: Mapping[str, Evaluation]
    groups: Mapping[str, tuple[str, ...]]
    limit: float | None


def is_results(content: Any) -> bool:
    """Whether the content of a JSON file is that of a results file."""
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        return False
    identifying_keys = [key for key in ("versions", "configs", "config", "n-shot", "lm_eval_version") if key in content]
    return bool(identifying_keys) and all(isinstance(each, dict) for each in content["results"].values())


def results_file(path: Path, content: Any = None) -> ResultsFile | None:
    """Read a results file; None if it is JSON of something else.

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
    stamp = TIMESTAMP.search(path.name)
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
    """Group → names of the tasks and groups in it, from the indentation of aliases; for older files."""
    group_names = _dict(content, "groups")
    groups: dict[str, tuple[str, ...]] = {}
    enclosing_groups: list[tuple[int, str]] = []  # indentation and name of the groups that a task stands in
    for name, cells in content["results"].items():
        alias = cells.get("alias")
        indent = len(INDENT.match(alias)[0]) if isinstance(alias, str) else 0  # type: ignore[index]
        while enclosing_groups and enclosing_groups[-1][0] >= indent:
            enclosing_groups.pop()
        if enclosing_groups:
            groups[enclosing_groups[-1][1]] = (*groups.get(enclosing_groups[-1][1], ()), name)
        if name in group_names:
            enclosing_groups.append((indent, name))
    return groups


def model_of(content: dict[str, Any], config: dict[str, Any], path: Path) -> str:
    """Name of the model: repository or path, ``@`` and revision; if there is none, the folder's or the file's name."""
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
    """The results of the task ``name``."""
    metrics = {}
    cells = content["results"][name]
    for key, reported in cells.items():
        metric, comma, filter_name = key.rpartition(",") if "," in key else (key, "", "")
        if metric.endswith(STDERR_SUFFIX) or isinstance(reported, dict) or math.isnan(value(reported)):
            continue
        if not comma and key in ("alias", "name", "sample_len", "samples", "sample_count"):
            continue
        metrics[key.removesuffix(NO_FILTER_SUFFIX)] = (
            value(reported),
            value(cells.get(f"{metric}{STDERR_SUFFIX}{comma}{filter_name}")),
        )
    task_config = _dict(_dict(content, "configs"), name)
    higher_is_better = _dict(_dict(content, "higher_is_better"), name)
    metric_list = task_config.get("metric_list") if isinstance(task_config.get("metric_list"), list) else []
    better = {
        m["metric"]: m["higher_is_better"]
        for m in metric_list or ()
        if isinstance(m, dict) and isinstance(m.get("metric"), str) and isinstance(m.get("higher_is_better"), bool)
    } | {metric: higher for metric, higher in higher_is_better.items() if isinstance(higher, bool)}
    shots = value(_dict(content, "n-shot").get(name, task_config.get("num_fewshot", config.get("num_fewshot"))))
    questions = value(_dict(_dict(content, "n-samples"), name).get("effective", cells.get("sample_len")))
    return Evaluation(
        metrics,
        better,
        None if math.isnan(shots) else int(shots),
        int(questions) if questions >= 1 else None,
        _chance(task_config),
        str(_dict(content, "versions").get(name, "")),
    )


def _chance(config: dict[str, Any]) -> float | None:
    """1 over the number of choices in a task's configuration; 0 for free text; None if choices are only in the data."""
    output_type, choices = config.get("output_type"), config.get("doc_to_choice")
    if output_type in FREE_TEXT_TYPES:
        return 0.0
    number = len(choices) if isinstance(choices, list) else 0
    if isinstance(choices, str) and (found := JINJA_LIST.fullmatch(choices.strip())):
        items = found[1].split(",")
        number = len(items) if all(LIST_ITEM.fullmatch(item) for item in items) else 0
    return 1.0 / number if output_type == "multiple_choice" and number > 1 else None


def _dict(content: dict[str, Any], key: str) -> dict[str, Any]:
    """The value of a key if it is a dictionary; otherwise an empty one."""
    found = content.get(key)
    return found if isinstance(found, dict) else {}
