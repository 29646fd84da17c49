"""Which side of the split a document falls on, and which documents a domain keeps: both from its name alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

# Shares of documents. At these, each domain has 1.2 MB of validation or more.
VALIDATION = {"dictionary": 0.04, "documentation": 0.04, "prose": 0.05, "python": 0.04, "c": 0.04}

# Bytes, both splits together: documents in the order of their places up to here.
CAPS = {
    "dictionary": 60_000_000,
    "documentation": 75_000_000,
    "prose": 60_000_000,
    "python": 48_000_000,
    "c": 48_000_000,
}


def place(name: str, salt: str = "") -> float:
    """A number in [0, 1) of a name, the same on every machine and in every year (Python's ``hash`` is not)."""
    return int.from_bytes(blake2b(f"{salt}/{name}".encode(), digest_size=8).digest(), "big") / 2.0**64


def side(name: str, share: float) -> str:
    """``validation`` for that share of names, else ``train``."""
    return "validation" if place(name, "split") < share else "train"


def capped(sizes: Mapping[str, int], cap: int) -> list[str]:
    """Names in the order of their places, as many as fit under the cap.

    Places say nothing about what is in a document, so a prefix of the corpus is a sample of it, and so is what
    the cap keeps.
    """
    kept, total = [], 0
    for name in ordered(sizes):
        total += sizes[name]
        if total > cap:
            break
        kept.append(name)
    return kept


def ordered(names: Iterable[str]) -> list[str]:
    """Names in the order of their places."""
    return sorted(names, key=lambda name: (place(name, "order"), name))
