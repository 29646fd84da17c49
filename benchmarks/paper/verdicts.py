"""A claim of the paper beside what is found here, and whether the two agree: by a stated criterion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.paper.errors import Errors, contest

NOTHING = "nothing to compare"


@dataclass(frozen=True)
class Verdict:
    """One claim of the paper.

    Attributes:
        what: The figure or table.
        paper: What the paper says.
        here: What is found here.
        criterion: When the two agree.
        agrees: Whether they do; None if it can't be told.
    """

    what: str
    paper: str
    here: str
    criterion: str
    agrees: bool | None

    def __str__(self) -> str:
        said = "can't be told" if self.agrees is None else "yes" if self.agrees else "no"
        return f"{self.what}: paper: {self.paper}; here: {self.here}; agrees: {said}; criterion: {self.criterion}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def less(what: str, paper: str, methods: Mapping[str, Errors], ours: str, theirs: str) -> Verdict:
    """Ours errs less than theirs on most tasks that both forecast, and in the mean."""
    found = contest(methods[ours], methods[theirs])
    criterion = f"{ours} errs less than {theirs} on more than half of the tasks that both forecast, and in the mean"
    if found is None:
        return Verdict(what, paper, NOTHING, criterion, None)
    agrees = found.wins > found.tasks / 2 and found.ours < found.theirs
    return Verdict(what, paper, str(found), criterion, agrees)


def most(what: str, paper: str, hits: int, total: int, unit: str) -> Verdict:
    """A claim about most tasks or domains holds for more than half of them."""
    here = f"on {hits} of {total} {unit}" if total else NOTHING
    return Verdict(what, paper, here, "so on more than half", hits > total / 2 if total else None)
