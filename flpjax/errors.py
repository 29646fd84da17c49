"""The project's own errors: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class FlpjaxError(Exception):
    """Base of every error that flpjax raises on purpose.

    Args:
        what: What is wrong, in one clause.
        where: The place: a file, a row, a column, a name.
        remedy: What to do about it.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text}. {remedy}" if remedy else text)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def _rebuild(kind: type[FlpjaxError], what: str, where: str, remedy: str) -> FlpjaxError:
    return kind(what, where=where, remedy=remedy)


class InputError(FlpjaxError, ValueError):
    """A table, a mapping file, a target or an argument can't be used as it is."""


class FitError(FlpjaxError, RuntimeError):
    """A fit did not reach an optimum, or the data can't determine it."""


class PrecisionError(FlpjaxError, RuntimeError):
    """JAX runs in 32 bits where 64 are needed."""


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of ``names`` that ``name`` was most likely meant to be, or None."""
    by_lower = {n.lower(): n for n in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``Did you mean 'x'?``, or the list of what there is."""
    names = list(names)
    guess = nearest(name, names)
    if guess is not None:
        return f"Did you mean '{guess}'?"
    return f"There is: {', '.join(names)}" if names else "There is none"


def some_of(names: Sequence[str], most: int = 4) -> str:
    """``a, b, c, d and 3 more``."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def count(number: int, noun: str) -> str:
    """``1 run``, ``1,781 checkpoints``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
