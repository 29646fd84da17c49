"""What an audit of a table reports: a value, run or column that is probably wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_LISTED = 3  # runs or columns named in one message, before a count


class Kind(StrEnum):
    """Which check of the audit found a fault; values are the headings of findings in a review."""

    UNITS = "units"
    RUNS = "outlying runs"
    EVALUATIONS = "evaluations"
    TRENDS = "direction of trends"


@dataclass(frozen=True)
class Fault:
    """Something in a table that is probably wrong. It is only reported: no row is changed or left out.

    Attributes:
        kind: Which check found it.
        severe: Whether a forecast from the table is invalid until it is corrected; if not, it should be looked at.
        what: A sentence on what was found, with the run or column and the numbers.
        remedy: A sentence on what to do about it.
    """

    kind: Kind
    severe: bool
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


def listed(sentences: Sequence[str], most: int = MOST_LISTED) -> str:
    """The first ``most`` sentences whole, joined by semicolons, and the number of the others."""
    more = f"; and {len(sentences) - most} more" if len(sentences) > most else ""
    return "; ".join(sentences[:most]) + more
