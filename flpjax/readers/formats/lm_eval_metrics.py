"""Which of a task's metrics is its score, or its loss, in the harness's own order unless the user chose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flpjax.errors import InputError, count, did_you_mean, some_of
from flpjax.ladder.units import Unit
from flpjax.readers.formats.lm_eval_file import NO_FILTER_SUFFIX, Evaluation
from flpjax.readers.formats.records import Choices
from flpjax.readers.units import LOSS

LOSSES: Mapping[str, Unit] = {
    "bits_per_byte": LOSS["bits"],
    "byte_perplexity": LOSS["perplexity"],
    "perplexity": LOSS["perplexity"],
    "word_perplexity": LOSS["perplexity"],
    "loss": LOSS["nats"],
    "nll": LOSS["nats"],
    "ce_loss": LOSS["nats"],
}
"""Metrics that are losses → unit; the first that is there is taken."""
ORDER = ("acc", "acc_norm", "exact_match")
"""The harness's own defaults of multiple choice, and of free text; others in the order of the file."""
PER_QUESTION = ("acc", "acc_norm", "exact_match")
"""Metrics that are a mean of zeros and ones."""
MOST_LISTED = 6


@dataclass(frozen=True)
class Chosen:
    """What is taken of a task.

    Attributes:
        column: Canonical name.
        key: The metric, and its filter.
        unit: Of a loss.
        points: Whether scores stand from 0 to 100.
    """

    column: str
    key: str
    unit: Unit
    points: bool = False

    @property
    def loss(self) -> bool:
        """Whether it is a loss."""
        return self.column.startswith("loss/")

    def values(self, task: Evaluation) -> dict[str, float]:
        """Canonical name → value of one model."""
        if self.key not in task.metrics:
            return {}
        value, stderr = task.metrics[self.key]
        if self.loss:
            if self.unit.logarithm:
                return {self.column: math.log(value)} if value > 1.0 else {}
            return {self.column: value * self.unit.factor} if value > 0.0 else {}
        scale = 0.01 if self.points else 1.0
        name = self.column.partition("/")[2]
        found = {self.column: scale * value}
        return found if math.isnan(stderr) else found | {f"stderr/{name}": scale * stderr}


class ModelResults(Protocol):
    """A model with the results of its tasks."""

    @property
    def tasks(self) -> Mapping[str, Evaluation]:
        """Name → results."""


def chosen_metrics(
    rows: Sequence[ModelResults], tasks: Sequence[str], choices: Choices
) -> tuple[dict[str, Chosen], list[str]]:
    """Task → what is taken of it, and notes.

    Raises:
        InputError: A metric was asked for that no task has, or a task that is not there.
    """
    _check(rows, tasks, choices)
    picked: dict[str, Chosen] = {}
    others: dict[str, list[str]] = {}
    odd: list[str] = []
    for task in tasks:
        there = [row.tasks[task] for row in rows if task in row.tasks]
        keys = list(dict.fromkeys(key for e in there for key in e.metrics))
        scores = [key for key in keys if _is_score(key, there)]
        key = next((k for k in _ordered(keys, choices.metric_of(task)) if k in scores), None)
        if key is None:
            losses = [k for metric in LOSSES for k in keys if _metric(k) == metric]
            if not losses:
                odd.append(task)
            else:
                first = _ordered(losses, choices.metric_of(task))[0]
                picked[task] = Chosen(f"loss/{task}", first, LOSSES[_metric(first)])
            continue
        highest = max(e.metrics[key][0] for e in there if key in e.metrics)
        picked[task] = Chosen(f"score/{task}", key, LOSS["nats"], points=highest > 1.0)
        rest = [k for k in scores if k != key]
        if rest:
            others.setdefault(f"'{key}' is taken, not {' or '.join(rest)}", []).append(task)
    notes = [f"of {_some(named)}, {what}; --metric chooses" for what, named in others.items()]
    if odd:
        notes.append(
            f"{count(len(odd), 'task')} without a score from 0 to 1 or 100 left out: {some_of(odd, MOST_LISTED)}"
        )
    hundred = [task for task, c in picked.items() if c.points]
    if hundred:
        notes.append(f"scores of {some_of(hundred, MOST_LISTED)} stand from 0 to 100 and are divided by 100")
    return picked, notes


def questions_of(task: Evaluation, key: str) -> int | None:
    """How many questions a score is a mean of: as the file says, or as its standard error does, √(p(1-p)/(n-1))."""
    if task.questions is not None:
        return task.questions
    score, stderr = task.metrics.get(key, (math.nan, math.nan))
    if _metric(key) not in PER_QUESTION or not 0.0 < score < 1.0 or not stderr > 0.0:
        return None
    number = score * (1.0 - score) / stderr**2 + 1.0
    right = score * round(number)
    whole = abs(number - round(number)) < 1e-3 and abs(right - round(right)) < 1e-3
    return round(number) if whole else None


def _check(rows: Sequence[ModelResults], tasks: Sequence[str], choices: Choices) -> None:
    for task in choices.metrics:
        if task not in tasks:
            raise InputError(f"there is no task '{task}'", where="--metric", remedy=did_you_mean(task, tasks))
    for task, metric in [*choices.metrics.items(), *([("", choices.metric)] if choices.metric else [])]:
        named = (task,) if task else tasks
        there = {key for row in rows for t in named if t in row.tasks for key in row.tasks[t].metrics}
        known = there | {_metric(k) for k in there}
        if metric.removesuffix(NO_FILTER_SUFFIX) not in known:
            raise InputError(
                f"no task has the metric '{metric}'" if not task else f"task '{task}' has no metric '{metric}'",
                where="--metric",
                remedy=did_you_mean(metric, sorted(known)),
            )


def _ordered(keys: Sequence[str], asked: str) -> list[str]:
    """Metrics in the order in which they are taken."""
    asked = asked.removesuffix(NO_FILTER_SUFFIX)

    def rank(key: str) -> int:
        if asked and asked in (key, _metric(key)):
            return -1
        return ORDER.index(_metric(key)) if _metric(key) in ORDER else len(ORDER)

    return sorted(keys, key=rank)


def _is_score(key: str, there: Sequence[Evaluation]) -> bool:
    """Whether higher is better, as far as anybody says, and all values lie from 0 to 1 or to 100."""
    metric = _metric(key)
    if metric in LOSSES or any(e.better.get(metric) is False for e in there):
        return False
    return all(0.0 <= e.metrics[key][0] <= 100.0 for e in there if key in e.metrics)


def _metric(key: str) -> str:
    """Without its filter."""
    return key.rpartition(",")[0] if "," in key else key


def _some(names: Sequence[str]) -> str:
    return f"{count(len(names), 'task')} ({some_of(names, 3)})"
