"""The project's own errors: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

LONGEST = 80  # characters of a name or a value that a message repeats
WORD = 200  # of a word: the longest that a path commonly is
CLAUSE, PLACE, ADVICE = 500, 500, 1000  # of what an error says, where, and what to do
MOST_LISTED = 8  # names in a list of what there is
COMPARED = 2000  # names that are compared with a misspelt one

_QUOTED = re.compile(rf"(?<!\w)'[^']{{{WORD},}}'(?!\w)")  # no apostrophe: those follow a letter
_WORD = re.compile(rf"\S{{{WORD},}}")


class FlpjaxError(Exception):
    """Base of every error that flpjax raises on purpose.

    Whatever it repeats of the input is one printable line of bounded length: a cell of a damaged file may hold control
    characters, or the rest of the file.

    Args:
        what: What is wrong, in one clause.
        where: The place: a file, a row, a column, a name.
        remedy: What to do about it.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = printable(what, CLAUSE), printable(where, PLACE), printable(remedy, ADVICE)
        text = f"{self.where}: {self.what}" if where else self.what
        super().__init__(f"{text}. {self.remedy}" if remedy else text)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def _rebuild(kind: type[FlpjaxError], what: str, where: str, remedy: str) -> FlpjaxError:
    return kind(what, where=where, remedy=remedy)


class InputError(FlpjaxError, ValueError):
    """A table, a mapping file, a target or an argument can't be used as it is."""


def figure(value: Any) -> str:
    """A number as ``%g`` writes it, anything else as :func:`shown` does."""
    return f"{value:g}" if isinstance(value, Real) else shown(value)


def is_positive(value: Any) -> bool:
    """Whether a value is a positive number that is finite."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0.0 < float(value) < float("inf")


def check_count(value: Any, noun: str, least: int = 0, *, where: str = "", why: str = "") -> None:
    """Refuse what is no number of things.

    Args:
        value: How many were asked for.
        noun: Of what, in the plural.
        least: The fewest there can be.
        where: What takes them.
        why: What else there is to do, in a clause that begins with a comma or a semicolon.

    Raises:
        InputError: It is no whole number, or less than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{shown(value)} {noun}", where=where, remedy=f"Give a whole number, {least} at least{why}")


class FitError(FlpjaxError, RuntimeError):
    """A fit did not reach an optimum, or the data can't determine it."""


class PrecisionError(FlpjaxError, RuntimeError):
    """JAX runs in 32 bits where 64 are needed."""


def short(text: str, most: int = LONGEST) -> str:
    """The text, or its beginning and its end around ``…`` if it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}…{text[-end:]}"


def shown(value: Any, most: int = LONGEST) -> str:
    """A value from the input as a message repeats it: text in quotes, everything shortened.

    Nothing is raised: Python refuses to write integers of more than 4,300 digits, and an object's own ``str`` may fail.
    """
    if isinstance(value, str):
        return repr(short(value, most))
    try:
        return short(str(value), most)
    except Exception:
        return (
            "an integer of thousands of digits"
            if isinstance(value, int)
            else f"an object of type {type(value).__name__}"
        )


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of ``names`` that ``name`` was most likely meant to be, or None."""
    by_lower = {n[:WORD].lower(): n for n in names}
    found = difflib.get_close_matches(name[:WORD].lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``Did you mean 'x'?``, or what there is: all of a few names, the most similar ones of many."""
    names = list(names)
    guess = nearest(name, names)
    if guess is not None:
        return f"Did you mean '{short(guess)}'?"
    if not names:
        return "There is none"
    if len(names) > MOST_LISTED:
        likeness = difflib.SequenceMatcher(b=short(name).lower(), autojunk=False)

        def unlike(other: str) -> float:
            likeness.set_seq1(short(other).lower())
            return -likeness.ratio()

        names = sorted(names[:COMPARED], key=unlike) + names[COMPARED:]
    return f"There is: {some_of(names, MOST_LISTED)}"


def some_of(names: Sequence[str], most: int = 4) -> str:
    """``a, b, c, d and 3 more``."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(short(name) for name in names[:most]) + more


def count(number: int, noun: str) -> str:
    """``1 run``, ``1,781 checkpoints``, ``3 losses``."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """``losses``, ``matches``, ``queries``, ``runs``."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def printable(text: str, most: int = CLAUSE) -> str:
    """One printable line of at most ``most`` characters, in which no word or quoted name is longer than a path.

    Args:
        text: What a message says, with pieces of the input in it.
        most: Characters.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escaped(c) for c in text[: 4 * most] + text[4 * most :][-most:])
    if len(text) > WORD:
        text = _QUOTED.sub(lambda found: f"'{short(found[0][1:-1])}'", text)
        text = _WORD.sub(lambda found: short(found[0], WORD), text)
    return short(text, most)


def _escaped(character: str) -> str:
    r"""``\x1b`` for a control character; other kinds of space become a plain one."""
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode()
