"""The door: validation documents in, the six tasks out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from benchmarks.ladder.questions import choice, exact
from benchmarks.ladder.questions.alike import NGrams
from benchmarks.ladder.questions.question import OPTIONS, Questions, lay_out
from benchmarks.ladder.questions.spread import Finder, spread
from flpjax.errors import InputError, did_you_mean
from flpjax.errors import count as counted

FEWEST = 30
"""Questions of one task, below which its score would say nothing: the standard error is 9 points."""

ENGLISH, CODE = ("prose", "dictionary"), ("python", "c")
CHOICE, EXACT = 1.0 / OPTIONS, 0.0


class Task(NamedTuple):
    """How one task is made."""

    name: str
    chance: float
    length: int  # bytes a row
    domains: tuple[str, ...]
    finder: Callable[[list[bytes]], Finder]  # from all its documents


TASKS = (
    Task("continuation", CHOICE, choice.LENGTH, ENGLISH, lambda docs: choice.Continuation(NGrams(docs))),
    Task(
        "gap",
        CHOICE,
        choice.LENGTH,
        ("documentation",),
        lambda docs: choice.Gap(NGrams(docs), choice.count_words(docs)),
    ),
    Task("next_line", CHOICE, choice.LENGTH, CODE, lambda docs: choice.NextLine(NGrams(docs))),
    Task("word", EXACT, exact.LENGTH, ENGLISH, lambda docs: exact.Word(exact.count_long_words(docs))),
    Task("indent", EXACT, exact.LENGTH, CODE, lambda docs: exact.Indent()),
    Task("recall", EXACT, exact.LENGTH, CODE, lambda docs: exact.Recall(exact.count_documents_with(docs))),
)
"""Names and chance levels, in the order of ``build_questions``."""


def build_questions(documents: Mapping[str, list[bytes]], *, seed: int, count: int) -> tuple[Questions, ...]:
    """Makes the six tasks, the same for the same documents, seed and count.

    Args:
        documents: Validation documents by domain: all that ``TASKS`` name, others are not read.
        seed: Of the choice of places, of wrong options and of their order.
        count: Questions wanted for each task. Where the text holds fewer, ``Questions.note`` says so.

    Returns:
        One ``Questions`` for each of ``TASKS``.

    Raises:
        InputError: If a domain is missing, or its documents hold fewer than ``FEWEST`` questions of a task.
    """
    # One stream a task: what is changed in one of them leaves the others as they are.
    return tuple(
        _build(task, documents, rng, count)
        for task, rng in zip(TASKS, np.random.default_rng(seed).spawn(len(TASKS)), strict=True)
    )


def _build(task: Task, documents: Mapping[str, list[bytes]], rng: np.random.Generator, count: int) -> Questions:
    missing = [domain for domain in task.domains if domain not in documents]
    if missing:
        raise InputError(
            f"there are no documents of '{missing[0]}'", where=task.name, remedy=did_you_mean(missing[0], documents)
        )
    own = {domain: list(documents[domain]) for domain in task.domains}
    every = [document for domain in own.values() for document in domain]
    items = spread(task.finder(every), own, rng, count)
    if len(items) < FEWEST:
        raise InputError(
            f"{counted(len(items), 'question')} in {sum(map(len, every)):,} bytes, {FEWEST} are needed",
            where=task.name,
            remedy=f"Give more or longer documents of {' and '.join(task.domains)}, or ask for at least {FEWEST}",
        )
    return lay_out(items, rng, task=task.name, chance=task.chance, length=task.length, asked=count)
