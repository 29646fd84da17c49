"""Centres of laws as arguments of compiled programs: ladders whose centres differ share them.

A law is configuration, and static: a program is compiled for it. Where it is centred is a number of the ladder, which
enters arithmetic and nothing else; so it is taken out of the law that a program is made for, and handed to the program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

PREFIX = "centre"
"""How fields of laws begin that hold such numbers: ``centre``, ``centre_params``, ``centres`` …"""
REMEMBERED = 4096  # laws; a call looks its law up

Centres = tuple[Any, ...]
"""Floats, or traced numbers, in the order in which they stand in a value."""


@lru_cache(REMEMBERED)
def without_centres(value: Any) -> tuple[Any, Centres]:
    """A static value with 0 in place of its centres, and those.

    Args:
        value: Hashable. Centres are looked for in dataclasses of this package and in tuples; what a class of the user's
            own does with its numbers is not known.
    """
    found: list[float] = []

    def taken(number: float) -> float:
        found.append(float(number))
        return 0.0

    return _with_each(value, taken, False), tuple(found)


def with_centres(value: Any, centres: Centres) -> Any:
    """The value with these centres, the inverse of :func:`without_centres`; nothing is checked or derived anew."""
    left = iter(centres)
    return _with_each(value, lambda _: next(left), False) if centres else value


def _with_each(value: Any, new: Callable[[float], Any], is_centre: bool) -> Any:
    """The same value, with ``new`` of each centre in its place."""
    if is_centre and isinstance(value, float | int) and not isinstance(value, bool):
        return new(value)
    if isinstance(value, tuple):
        parts = [_with_each(part, new, is_centre) for part in value]
        if all(a is b for a, b in zip(parts, value, strict=True)):
            return value
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    own = type(value).__module__.partition(".")[0] == __name__.partition(".")[0]
    if own and is_dataclass(value):
        named = {f.name: getattr(value, f.name) for f in fields(value)}
        made = {name: _with_each(part, new, is_centre or name.startswith(PREFIX)) for name, part in named.items()}
        return value if all(made[name] is part for name, part in named.items()) else replaced(value, made)
    return value


def replaced(value: Any, parts: dict[str, Any]) -> Any:
    """A dataclass with all of its fields given, which may be traced: nothing is checked or derived from them."""
    made = object.__new__(type(value))
    for name, part in parts.items():
        object.__setattr__(made, name, part)
    return made
