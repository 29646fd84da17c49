"""Tasks and what random guessing scores on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flpjax.errors import InputError, some_of

MOST_LISTED = 8  # tasks named in a warning


@dataclass(frozen=True)
class Task:
    """A downstream task.

    Attributes:
        name: Its name, as in the column ``score/<name>``.
        chance: What random guessing scores, a fraction.
        questions: How many questions it has, if known.
        chance_known: False if nobody said what chance is, and 0 stands in.
        centred: Whether people tell its scores with chance at 0 and the best score at 1; tables of runs hold fractions.
    """

    name: str
    chance: float = 0.0
    questions: int | None = None
    chance_known: bool = True
    centred: bool = False

    def shown(self, score: float) -> float:
        """A fraction → a score on a scale to 1, as people tell it."""
        return (score - self.chance) / (1.0 - self.chance) if self.centred else score

    @property
    def chance_warning(self) -> str:
        """What to do about an unknown chance level."""
        return (
            f"the chance level of task '{self.name}' is unknown and taken as 0: give it under [tasks.{self.name}] in a "
            "mapping file"
        )

    def __post_init__(self) -> None:
        if not 0.0 <= self.chance < 1.0:
            raise InputError(
                f"the chance level {self.chance:g} is no fraction",
                where=f"task '{self.name}'",
                remedy="Give it from 0 up to 1, say 0.25 for four choices",
            )
        if self.questions is not None and self.questions < 1:
            raise InputError(f"{self.questions} questions", where=f"task '{self.name}'", remedy="Give at least 1")


def chance_warnings(tasks: Iterable[Task]) -> list[str]:
    """What to do about unknown chance levels: one warning, however many tasks lack theirs."""
    unknown = [task for task in tasks if not task.chance_known]
    if len(unknown) < 2:
        return [task.chance_warning for task in unknown]
    names = some_of([task.name for task in unknown], MOST_LISTED)
    return [
        f"the chance levels of {len(unknown)} tasks ({names}) are unknown and taken as 0: give each under [tasks.NAME] "
        "in a mapping file"
    ]
