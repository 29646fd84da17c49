"""Multiple choice: the true continuation, the word in a gap, the next line of code.

All wrong options come from the same document, have as many bytes as the right one, and are as likely to an n-gram model
(``alike.py``). What can decide is the rest: syntax, topic, names that are in scope.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.ladder.questions.alike import NGrams
from benchmarks.ladder.questions.question import Item
from benchmarks.ladder.questions.spread import apart

LENGTH = 192  # bytes a row
LEAST_CONTEXT = 96
POOL = 48  # candidates that are looked at, at most
CONTINUATION, AFTER_GAP, LINE = 32, 24, 24  # bytes
FREQUENCY = 4.0  # a wrong word is at most so many times as frequent as the right one, or as rare

WORD_START = re.compile(rb"(?<=[A-Za-z,;] )[A-Za-z]")
WORD = re.compile(rb"(?<= )[a-z]{4,12}(?=[ ,.;:])")
LINE_OF_CODE = re.compile(rb"^([ \t]*)([^\s#/*].*)$", re.MULTILINE)
PROSE = re.compile(rb"[A-Za-z ]")


@dataclass(frozen=True, eq=False)
class Continuation:
    """How a passage goes on, from the start of a word; wrong: passages of the same document from elsewhere.

    Right and wrong are mostly letters, start both with a capital or neither, and lie within a line: where lines are
    broken, counting columns would tell.
    """

    ngrams: NGrams

    def __call__(self, document: bytes, rng: np.random.Generator) -> Iterator[Item]:
        """The questions of one document, in random order."""
        judge = self.ngrams.without(document)
        starts = [at for at in _starts(WORD_START, document) if _is_line(document[at : at + CONTINUATION])]
        lower = np.array([document[at : at + 1].islower() for at in starts], bool)
        where = np.array(starts, np.int64)

        def make(i: int) -> Item | None:
            at = starts[i]
            right, context = document[at : at + CONTINUATION], document[max(0, at - LENGTH) : at]
            if at < LEAST_CONTEXT or not _is_prose(context[-CONTINUATION:]):
                return None
            # What is in view, before or after, could be told by what it repeats.
            far = where[(np.abs(where - at) > LENGTH) & (lower == lower[i])]
            pool = [document[j : j + CONTINUATION] for j in rng.permutation(far)[:POOL]]
            return _item(context, judge.matched(right, _other(pool, right), context, rng))

        yield from apart(starts, make, rng)


@dataclass(frozen=True, eq=False)
class Gap:
    """Which word stands in a gap, read with what comes after it; wrong: words of the same document.

    The words have the same length and about the same frequency in all documents.
    """

    ngrams: NGrams
    words: Counter[bytes]

    def __call__(self, document: bytes, rng: np.random.Generator) -> Iterator[Item]:
        """The questions of one document, in random order."""
        judge = self.ngrams.without(document)
        found = list(WORD.finditer(document))
        own: dict[int, list[bytes]] = {}
        for word in dict.fromkeys(m.group() for m in found):
            own.setdefault(len(word), []).append(word)

        def make(i: int) -> Item | None:
            at, stop, right = found[i].start(), found[i].end(), found[i].group()
            after, context = document[stop : stop + AFTER_GAP], document[max(0, at - LENGTH) : at]
            if at < LEAST_CONTEXT or len(after) < AFTER_GAP or not _is_prose(context[-AFTER_GAP:] + after):
                return None
            low, high = self.words[right] / FREQUENCY, self.words[right] * FREQUENCY
            pool = [w for w in own[len(right)] if w != right and low <= self.words[w] <= high]
            return _item(context, judge.matched(right + after, [w + after for w in pool], context, rng))

        yield from apart([m.start() for m in found], make, rng)


@dataclass(frozen=True, eq=False)
class NextLine:
    """How the next line of code begins, its indentation given; wrong: lines of the same file, indented as deeply.

    All are cut to the same length, which none falls short of. Comments and lines with few letters are left out, and
    so are wrong lines that are in view.
    """

    ngrams: NGrams

    def __call__(self, document: bytes, rng: np.random.Generator) -> Iterator[Item]:
        """The questions of one document, in random order."""
        judge = self.ngrams.without(document)
        lines: dict[bytes, list[tuple[int, bytes]]] = {}
        for m in LINE_OF_CODE.finditer(document):
            start = m.group(2)[:LINE]
            if len(start) == LINE and sum(map(bytes.isalpha, _bytes(start))) >= LINE // 2:
                lines.setdefault(m.group(1), []).append((m.start(2), start))
        every = [(indent, at, right) for indent, group in lines.items() for at, right in group]

        def make(i: int) -> Item | None:
            indent, at, right = every[i]
            if at < LEAST_CONTEXT:
                return None
            context = document[max(0, at - LENGTH) : at]
            far = [line for j, line in lines[indent] if abs(j - at) > LENGTH]
            pool = [far[j] for j in rng.permutation(len(far))[:POOL]]
            return _item(context, judge.matched(right, _other(pool, right), context, rng))

        yield from apart([at for _, at, _ in every], make, rng)


def count_words(documents: Iterable[bytes]) -> Counter[bytes]:
    """How often each word that can fill a gap occurs."""
    return Counter(word for document in documents for word in WORD.findall(document))


def _item(context: bytes, options: tuple[bytes, ...] | None) -> Item | None:
    return None if options is None else Item(context, options)


def _starts(pattern: re.Pattern[bytes], document: bytes) -> list[int]:
    return [m.start() for m in pattern.finditer(document, 0, max(0, len(document) - CONTINUATION))]


def _is_line(text: bytes) -> bool:
    return b"\n" not in text and _is_prose(text)


def _is_prose(text: bytes) -> bool:
    """Whether it is mostly letters, and one paragraph."""
    return b"\n\n" not in text and len(PROSE.findall(text)) >= 0.85 * len(text)


def _other(pool: Iterable[bytes], right: bytes) -> list[bytes]:
    """The pool without doubles and without the right one."""
    return [option for option in dict.fromkeys(pool) if option != right]


def _bytes(text: bytes) -> Iterator[bytes]:
    return (text[i : i + 1] for i in range(len(text)))
