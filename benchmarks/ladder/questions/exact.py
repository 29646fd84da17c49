"""Exact match: the end of a word, closing brackets and indentation, a name that is repeated.

Each byte of the answer must be the model's first choice, and the last one says that the answer ends there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.ladder.questions.question import Item

LENGTH = 256  # bytes a row
LEAST_CONTEXT = 128
GIVEN = 3  # bytes of a word or name that are shown
SEEN = 3  # times that a word occurs in all documents, at least
NEAR = 200  # bytes from a name's occurrence back to the one before, at most

LONG_WORD = re.compile(rb"(?<=[a-z,;] )[a-z]{8,16}(?=[ ,.;])")
IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
CLOSERS = re.compile(rb"(?<=[A-Za-z0-9_\"'\])}])([)\]}]*[:;,{]?|[)\]}]+ \{)\n(\n?[ \t]*)(?=\S)")
SHORT, LONG = 8, 40  # bytes of a name


@dataclass(frozen=True, eq=False)
class Word:
    """The end of a long word from its first letters, with the byte that follows it.

    The word is not in view, so that it must be known, but is no rare one.
    """

    words: Counter[bytes]

    def __call__(self, document: bytes, rng: np.random.Generator) -> Iterator[Item]:
        """The questions of one document, in random order."""
        found = list(LONG_WORD.finditer(document))
        for i in rng.permutation(len(found)):
            word, at = found[i].group(), found[i].start() + GIVEN
            context = document[max(0, at - LENGTH) : at]
            if at >= LEAST_CONTEXT and self.words[word] >= SEEN and word not in context:
                yield Item(at, context, (document[at : found[i].end() + 1],))


@dataclass(frozen=True, eq=False)
class Indent:
    """What closes a line of code, the indentation of the next line, and the next line's first byte.

    Asked where at least two characters close the line, or where something does and the indentation changes.
    """

    def __call__(self, document: bytes, rng: np.random.Generator) -> Iterator[Item]:
        """The questions of one document, in random order."""
        found = list(CLOSERS.finditer(document))
        for i in rng.permutation(len(found)):
            m = found[i]
            at = m.start()
            if at < LEAST_CONTEXT:
                continue
            line = document[document.rfind(b"\n", 0, at) + 1 : at]
            indentation = line[: len(line) - len(line.lstrip(b" \t"))]
            changes = m.group(2) != indentation
            if len(m.group(1)) >= 2 or (m.group(1) and changes):
                yield Item(at, document[max(0, at - LENGTH) : at], (document[at : m.end() + 1],))


@dataclass(frozen=True, eq=False)
class Recall:
    """A name of one document only, from its first letters, where it stood a few lines above.

    It is followed by the same byte as before, and no other name in view starts with the same letters: what is asked
    for is in view, once or more, and nothing contradicts it.
    """

    documents_with: Counter[bytes]

    def __call__(self, document: bytes, rng: np.random.Generator) -> Iterator[Item]:
        """The questions of one document, in random order."""
        found = list(IDENTIFIER.finditer(document))
        names = [m.group() for m in found]
        latest: dict[bytes, int] = {}
        repeated: list[tuple[int, int]] = []  # where a name is, where it was before
        for i, name in enumerate(names):
            if SHORT <= len(name) <= LONG and self.documents_with[name] == 1 and name in latest:
                repeated.append((i, latest[name]))
            latest[name] = i
        for k in rng.permutation(len(repeated)):
            i, before = repeated[k]
            name, at = names[i], found[i].start() + GIVEN
            follows = [document[found[j].end() : found[j].end() + 1] for j in (i, before)]
            if at < LEAST_CONTEXT or at - found[before].start() > NEAR or follows[0] != follows[1] or not follows[0]:
                continue
            context = document[max(0, at - LENGTH) : at]
            answer = document[at : found[i].end() + 1]
            if _only(name, context[:-GIVEN]):
                yield Item(at, context, (answer,))


def count_long_words(documents: Iterable[bytes]) -> Counter[bytes]:
    """How often each long word occurs."""
    return Counter(word for document in documents for word in LONG_WORD.findall(document))


def count_documents_with(documents: Iterable[bytes]) -> Counter[bytes]:
    """In how many documents each identifier occurs."""
    return Counter(name for document in documents for name in set(IDENTIFIER.findall(document)))


def _only(name: bytes, context: bytes) -> bool:
    """Whether no other identifier in view starts with the bytes that are given."""
    return {other for other in IDENTIFIER.findall(context) if other.startswith(name[:GIVEN])} == {name}
