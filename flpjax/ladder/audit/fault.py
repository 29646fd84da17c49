"""One thing in a table that is likely wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LISTED = 3  # runs or columns named in one message, before a count


class Kind(StrEnum):
    """What was looked at; the names under which a review lists the findings."""

    UNITS = "units"
    RUNS = "outlying runs"
    EVALUATIONS = "evaluations"
    TRENDS = "direction of trends"


@dataclass(frozen=True)
class Fault:
    """One thing in a table that is likely wrong. Nothing is changed or left out because of it.

    Attributes:
        kind: What was looked at.
        grave: Whether a forecast on it is worth nothing until it is mended; otherwise it is to be looked at.
        what: What was found, with the run or column, and the numbers.
        remedy: What to do about it.
    """

    kind: Kind
    grave: bool
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


def listed(sentences: Sequence[str], most: int = LISTED) -> str:
    """The first few of several findings, and how many more there are; never cut, as names may be."""
    more = f"; and {len(sentences) - most} more" if len(sentences) > most else ""
    return "; ".join(sentences[:most]) + more
