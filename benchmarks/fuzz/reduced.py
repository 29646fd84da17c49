"""The smallest input that still shows a finding: lines and words are left out while it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from benchmarks.fuzz.cases import Case
from benchmarks.fuzz.trial import Outcome, trial

TRIES = 60
T = TypeVar("T")


def reduced(given: Case, found: Outcome, folder: Path) -> Case:
    """Leave out halves, quarters … of the lines of every text file and of the arguments, as long as the finding stays.

    Args:
        given: The input.
        found: What it showed.
        folder: Where trials run.
    """
    left = TRIES

    def shows(smaller: Case) -> bool:
        nonlocal left
        left -= 1
        outcome = trial(smaller, folder)
        return (outcome.ended, outcome.group) == (found.ended, found.group)

    for name in [n for n in given.files if not n.endswith(".parquet")]:
        lines = given.files[name].splitlines(keepends=True)
        size = len(lines) // 2
        while size and left:
            at = 0
            while at < len(lines) and left:
                rest = _without(lines, at, size)
                smaller = replace(given, files={**given.files, name: b"".join(rest)})
                if shows(smaller):
                    given, lines = smaller, rest
                else:
                    at += size
            size //= 2
    for size in (2, 1):  # an option goes with its value
        at = 2  # the command and its table stay
        while at < len(given.args) and left:
            smaller = replace(given, args=_without(given.args, at, size))
            if shows(smaller):
                given = smaller
            else:
                at += 1
    return given


def _without(items: Sequence[T], at: int, size: int) -> list[T]:
    return [*items[:at], *items[at + size :]]
