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
from benchmarks.ladder.questions.spread import apart

LENGTH = 256  # bytes a row
LEAST_CONTEXT = 128
GIVEN = 3  # bytes of a word or name that are shown
SEEN = 3  # times that a word occurs in all documents, at least
STEM = 5  # bytes of a word by which a related one is known
NEAR = 200  # bytes from a name's occurrence back to the one before, at most

LONG_WORD = re.compile(rb"(?<=[a-z,;] )[a-z]{8,16}(?=[ ,.;])")
IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
CLOSERS = re.compile(
    rb"(?<=[A-Za-z0-9_\"'\])}])([)\]}]*[:;,]?|[)\]}]+ \{)\n[ \t]*"
    rb"(?:[)\]}]|(?:return|def|if|else|elif|except|self)\b)"
)  # what closes a line; then a line that opens as lines do
BLANKS = re.compile(rb"[ \t]*")
DEFINE = (b"define ", b"define\t")
SHORT, LONG = 8, 40  # bytes of a name


@dataclass(frozen=True, eq=False)
class Word:
    """The end of a long word from its first letters, with the byte that follows it.

    Neither the word nor a related one is in view, so that it must be known, but it is no rare one.
    """

    words: Counter[bytes]

    def __call__(self, document: bytes, rng: np.random.Generator) -> Iterator[Item]:
        """The questions of one document, in random order."""
        found = list(LONG_WORD.finditer(document))

        def make(i: int) -> Item | None:
            word, at = found[i].group(), found[i].start() + GIVEN
            context = document[max(0, at - LENGTH) : at]
            if at < LEAST_CONTEXT or self.words[word] < SEEN or word[:STEM] in context:
                return None
            return Item(context, (document[at : found[i].end() + 1],))

        yield from apart([m.start() for m in found], make, rng)


@dataclass(frozen=True, eq=False)
class Indent:
    """How a line of code is closed, the indentation of the next line, and the next line's first byte.

    Asked where at least two characters close the line, which are part of the answer; or where the indentation changes,
    what closes the line being given. The next line must close something, too, or start with a frequent word, for no
    context says how a rare name starts. It must be indented: that a function ends with a brace, local statistics know.
    """

    def __call__(self, document: bytes, rng: np.random.Generator) -> Iterator[Item]:
        """The questions of one document, in random order."""
        found = list(CLOSERS.finditer(document))

        def make(i: int) -> Item | None:
            start, end = found[i].span(1)
            above = _indentation(document, document.rfind(b"\n", 0, start) + 1)
            below = _indentation(document, end + 1)
            at = start if end - start > 1 else end
            if at < LEAST_CONTEXT or not below or (at == end and above == below):
                return None
            return Item(document[max(0, at - LENGTH) : at], (document[at : end + 1 + len(below) + 1],))

        yield from apart([m.start() for m in found], make, rng)


@dataclass(frozen=True, eq=False)
class Recall:
    """A name of one document only, from its first letters, where it stood a few lines above.

    It is followed by the same byte as before, and no other name in view starts with the same letters: what is asked
    for is in view, once or more, and nothing contradicts it. The guard of a header is left out, for each has one, and
    of a name after ``#define`` all know that it stood above.
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

        def make(k: int) -> Item | None:
            i, before = repeated[k]
            at, end, then = found[i].start() + GIVEN, found[i].end(), found[before].end()
            follows = document[end : end + 1]
            if at < LEAST_CONTEXT or at - found[before].start() > NEAR or follows != document[then : then + 1]:
                return None
            context = document[max(0, at - LENGTH) : at]
            if not follows or context[:-GIVEN].endswith(DEFINE) or not _only(names[i], context[:-GIVEN]):
                return None
            return Item(context, (document[at : end + 1],))

        yield from apart([found[i].start() for i, _ in repeated], make, rng)


def count_long_words(documents: Iterable[bytes]) -> Counter[bytes]:
    """How often each long word occurs."""
    return Counter(word for document in documents for word in LONG_WORD.findall(document))


def count_documents_with(documents: Iterable[bytes]) -> Counter[bytes]:
    """In how many documents each identifier occurs."""
    return Counter(name for document in documents for name in set(IDENTIFIER.findall(document)))


def _indentation(document: bytes, line: int) -> bytes:
    """The blanks that the line which starts here starts with."""
    found = BLANKS.match(document, line)
    return found.group() if found else b""


def _only(name: bytes, context: bytes) -> bool:
    """Whether no other identifier in view starts with the bytes that are given."""
    return {other for other in IDENTIFIER.findall(context) if other.startswith(name[:GIVEN])} == {name}
