"""Questions from as many different places as there are: domains in turn, documents in turn, places apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from benchmarks.ladder.questions.question import Item

APART = 256  # bytes: of each stretch of a document as long as this, one question at most
LOOK_BACK = 48  # bytes of context that must differ from those of every other question, or the answer must
T = TypeVar("T")

Finder = Callable[[bytes, np.random.Generator], Iterable[Item]]
"""Finds the questions of one document, in random order and lazily, by ``apart``."""


def spread(find: Finder, domains: Mapping[str, list[bytes]], rng: np.random.Generator, count: int) -> list[Item]:
    """Up to ``count`` questions: the domains take turns, and within a domain the documents, in random order.

    Few come from one document where there are many documents, and none twice, be it from a copy in another document
    (a licence, a file that was vendored).

    Args:
        find: The task.
        domains: Documents by domain.
        rng: Of the order of documents, and of what ``find`` leaves to chance.
        count: How many are wanted.

    Returns:
        As many as there are, ``count`` at most.
    """
    streams = []
    for documents in domains.values():
        order = rng.permutation(len(documents))
        own = rng.spawn(len(documents))
        streams.append(in_turn([iter(find(documents[d], own[d])) for d in order]))
    return list(islice(_once(in_turn(streams)), count))


def in_turn(streams: Iterable[Iterator[T]]) -> Iterator[T]:
    """One of each, again and again; a stream that has run dry is left out."""
    waiting = deque(streams)
    while waiting:
        stream = waiting.popleft()
        for item in islice(stream, 1):
            yield item
            waiting.append(stream)


def apart(places: Sequence[int], make: Callable[[int], Item | None], rng: np.random.Generator) -> Iterator[Item]:
    """The questions of one document, in random order: of each stretch of ``APART`` bytes, the first that can be made.

    Args:
        places: Where an answer may start, in bytes.
        make: The question at the place of this index, or None if there is none.
        rng: Of the order.
    """
    taken: set[int] = set()
    for i in rng.permutation(len(places)):
        stretch = places[i] // APART
        item = None if stretch in taken else make(int(i))
        if item is not None:
            taken.add(stretch)
            yield item


def _once(items: Iterable[Item]) -> Iterator[Item]:
    seen: set[bytes] = set()
    for item in items:
        key = item.context[-LOOK_BACK:] + item.options[0]
        if key not in seen:
            seen.add(key)
            yield item
