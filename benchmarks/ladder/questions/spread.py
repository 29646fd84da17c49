"""Questions from as many different places as there are: domains in turn, documents in turn, places apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

import numpy as np

from benchmarks.ladder.questions.question import Item

APART = 256  # bytes: of each stretch of a document as long as this, one question at most
LOOK_BACK = 48  # bytes of context that must differ from those of every other question, or the answer must
T = TypeVar("T")

Finder = Callable[[bytes, np.random.Generator], Iterable[Item]]
"""Finds the questions of one document, in random order, lazily."""


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
        streams.append(in_turn([_apart(find(documents[d], own[d])) for d in order]))
    return list(islice(_once(in_turn(streams)), count))


def in_turn(streams: Iterable[Iterator[T]]) -> Iterator[T]:
    """One of each, again and again; a stream that has run dry is left out."""
    waiting = deque(streams)
    while waiting:
        stream = waiting.popleft()
        for item in islice(stream, 1):
            yield item
            waiting.append(stream)


def _apart(items: Iterable[Item]) -> Iterator[Item]:
    taken: set[int] = set()
    for item in items:
        stretch = item.at // APART
        if stretch not in taken:
            taken.add(stretch)
            yield item


def _once(items: Iterable[Item]) -> Iterator[Item]:
    seen: set[bytes] = set()
    for item in items:
        key = item.context[-LOOK_BACK:] + item.options[0]
        if key not in seen:
            seen.add(key)
            yield item
