"""Discovery as a method of forecasting: laws of mixtures, and from their losses to each task the formula it chose."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.table import Runs
from flpjax.laws.grammar import Expression
from flpjax.methods.flpm import FLPM
from flpjax.methods.method import BoundModel, Method
from flpjax.methods.registry import ALL_EMERGED, MIXED, MIXTURE_LOSS, RECENT, mixed_stages
from flpjax.numerics import random_key

DISCOVERED = "discovered"
LAWS = tuple(dict.fromkeys(name.partition("+")[0] for name in MIXED))


@dataclass(frozen=True)
class OfTasks:
    """A method of some tasks only.

    Attributes:
        method: Of all tasks there are.
        tasks: Their names.
    """

    method: FLPM
    tasks: tuple[str, ...]

    def bind(self, runs: Runs) -> BoundModel:
        """Bind to the tasks of a ladder.

        Raises:
            InputError: As the method does.
        """
        columns = [runs.task_names.index(task) for task in self.tasks]
        tasks = tuple(runs.tasks[i] for i in columns)
        return self.method.bind(
            replace(runs, tasks=tasks, score=runs.score[:, columns], stderr=runs.stderr[:, columns])
        )


@dataclass(frozen=True)
class Discovered:
    """What :func:`flpjax.fitting.discovery.discovery.discover` chooses on the runs that a fit may see, blended.

    Attributes:
        law: The law of mixtures below it, a key of :data:`MIXTURE_LOSS` with or without ``-recent``; '' weighs those
            of ``auto``.
    """

    law: str = ""

    def __post_init__(self) -> None:
        if self.law and self.law.removesuffix(RECENT) not in MIXTURE_LOSS:
            raise InputError(f"there is no law of mixtures '{self.law}'", remedy=did_you_mean(self.law, MIXTURE_LOSS))

    @property
    def laws(self) -> tuple[str, ...]:
        """The laws of mixtures that it takes."""
        return (self.law,) if self.law else LAWS

    def check(self, runs: Runs) -> None:
        """Refuse a ladder that can't carry it, before anything is fitted.

        Raises:
            InputError: There are no tasks, or no law can be bound.
        """
        if not runs.tasks:
            raise InputError(
                "there is no column 'score/<task>', and discovery finds formulas of scores",
                where=runs.source,
                remedy="Leave --method out, or name one such as 'm3-e+domain-linear'",
            )
        mixed_stages(self.laws[0], "domain-linear").bind(runs)

    def members(self, runs: Runs) -> dict[str, Method]:
        """Name → method: one for each law and for each formula that discovery chose.

        Raises:
            InputError: There is nothing to discover: no tasks, no losses, or too few runs.
        """
        from flpjax.fitting.discovery.discovery import discover  # a tenth of a second that nobody else needs

        found = discover(runs, random_key(0), selection=ALL_EMERGED)
        formulas: dict[Expression, list[str]] = {}
        for task, formula in found.formulas.items():
            formulas.setdefault(formula, []).append(task)
        members: dict[str, Method] = {}
        for law in self.laws:
            below = mixed_stages(law, "domain-linear")
            for formula, tasks in formulas.items():
                score = replace(below, loss_score=formula, domains=found.domains, selection=ALL_EMERGED, prior=True)
                members[f"{law}+{DISCOVERED} ({', '.join(tasks)})"] = OfTasks(score, tuple(tasks))
        return members


def discovered_method(name: str) -> Discovered | None:
    """``discovered``, or ``LAW+discovered``; None for other names.

    Raises:
        InputError: There is no such law.
    """
    law, plus, score = name.rpartition("+")
    return Discovered(law if plus else "") if score == DISCOVERED else None
