"""By which losses and scores two tables are compared, and whether what is asked of them makes sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flpjax.errors import InputError, count, some_of
from flpjax.ladder.table import Runs
from flpjax.results.speedup.checks import FEWEST, common

FEW = 3  # losses, and tasks, that are compared if none is named: each takes a second of one core


def outputs_of(
    finals: tuple[Runs, Runs],
    domains: Sequence[str] | None,
    tasks: Sequence[str] | None,
    asked: Mapping[str, float],
    where: str,
) -> tuple[list[str], list[str], str]:
    """Losses and tasks to compare by, and how many were left out, in words.

    Args:
        finals: Of both.
        domains: Losses that were named, or None.
        tasks: Scores that were named, or None.
        asked: Values that are asked of losses and scores, which take part.
        where: What to call both in messages.

    Raises:
        InputError: Nothing is in common, or what was asked for is not.
    """
    first, second = finals
    if unknown := [name for name in asked if name not in (*first.domains, *first.task_names)]:
        common(first.domains + first.task_names, second.domains + second.task_names, unknown, "loss or task", where)
    losses, scores = _shared(finals, domains, True, where), _shared(finals, tasks, False, where)
    general = [d for d in first.general_domains if d in second.domains]
    if domains is None:
        losses = [name for name in losses if name in general] or losses
    if not (losses or scores):
        raise InputError(
            "they have no loss and no task in common, with values in two runs of each that are not all the same",
            where=where,
            remedy=f"The first has {_listed(first)}; the second {_listed(second)}. Name them alike in a mapping file",
        )
    kept = (
        losses if domains is not None else [n for i, n in enumerate(losses) if i < FEW or n in asked],
        scores if tasks is not None else [n for i, n in enumerate(scores) if i < FEW or n in asked],
    )
    more = [
        count(len(whole) - len(few), noun)
        for whole, few, noun in ((losses, kept[0], "loss"), (scores, kept[1], "task"))
        if len(whole) > len(few)
    ]
    left = f"{' and '.join(more)} more are in both tables: name them to compare by them" if more else ""
    return [*kept[0]], [*kept[1]], left


def _shared(finals: tuple[Runs, Runs], asked: Sequence[str] | None, loss: bool, where: str) -> list[str]:
    """Losses, or tasks, that enough runs of both recipes have, and that are not the same in all of them."""
    there = [f.domains if loss else f.task_names for f in finals]
    found = []
    for name in common(there[0], there[1], asked, "loss" if loss else "task", where):
        each = [f.loss_of(name) if loss else f.score_of(name) for f in finals]
        known = [values[np.isfinite(values)] for values in each]
        if all(len(values) >= FEWEST for values in known) and np.ptp(np.concatenate(known)) > 0:
            found.append(name)
        elif asked is not None:
            raise InputError(
                f"'{name}' has too few values to compare by, or the same in all runs",
                where=where,
                remedy="Name another, or measure it in at least two runs of each",
            )
    return found


def _listed(finals: Runs) -> str:
    return some_of([*(f"loss/{d}" for d in finals.domains), *(f"score/{t}" for t in finals.task_names)])


def check_values(
    asked: Mapping[str, float], losses: Sequence[str], scores: Sequence[str], flops: Sequence[float]
) -> None:
    """Refuse losses, scores and computes that nothing can have.

    Raises:
        InputError: One is not among what is compared by, or is no loss, score or compute.
    """
    for name, value in asked.items():
        if name not in (*losses, *scores):
            raise InputError(
                f"nothing is compared by '{name}'", where=f"value {value:g}", remedy="Name it to compare by it"
            )
        if name in losses and not value > 0:
            raise InputError(f"no loss is {value:g}", where=name, remedy="Give a positive number of nats")
        if name in scores and not 0.0 < value < 1.0:
            raise InputError(f"no score to be reached is {value:g}", where=name, remedy="Give a fraction: 0.6 for 60 %")
    for value in flops:
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"no compute is {value:g} FLOPs", where="flops", remedy="Give a positive number")
